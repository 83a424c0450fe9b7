"""The index is asked: what locks hold is resolved by uv, all roles and models together."""

from __future__ import annotations

from collections.abc import Iterator

from trainyard.errors import TrainyardError
from trainyard.host.requirements.compiling import Compiler
from trainyard.host.requirements.given_hashes import with_given_hashes
from trainyard.host.requirements.lock_files import as_text, merged, read_entries, with_indexes
from trainyard.host.requirements.locked_inputs import fixed_entries
from trainyard.host.requirements.requirement_files import Requirement
from trainyard.host.requirements.wheels import check_wheels, may_compile


def resolve(inputs: tuple[Requirement, ...], compiler: Compiler, preferred: str) -> Iterator[str]:
    """The entries of a lock for each input but the last. Locks of other tools stay as they are."""
    *models, runtime = inputs
    free = [item for item in models if not item.locked]
    fixed = as_text(fixed_entries(models))
    try:
        union = compiler.compile((*free, runtime), constraint=fixed, preferred=preferred)
        if not may_compile(inputs[:-1], compiler.settings) and not compiler.settings.wheelhouse:
            check_wheels(union, inputs, compiler)
    except TrainyardError as error:
        if not fixed:
            raise
        names = " and ".join(str(item.path) for item in models if item.locked)
        raise TrainyardError(f"{names}, with what the server needs: {error.message}", error.hint) from None
    for item in models:
        if item.locked:
            more = compiler.compile((runtime,), constraint=fixed + union) if free else union
            found = as_text(merged(read_entries(item.text, str(item.path)), read_entries(more, str(runtime.path))))
        else:
            whole = len(models) == 1
            found = union if whole else compiler.compile((item, runtime), constraint=fixed + union)
        yield with_indexes(with_given_hashes(found, item), item.indexes)
