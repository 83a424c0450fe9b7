"""A template rendered by Copier, into a folder of its own or over what it made before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import trainyard
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.scaffold.templates import template_source


def render(kind: str, target: Path, answers: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Write the files of the template ``kind`` to ``target``, which is empty; ``answers`` to its other questions.

    Raises:
        TrainyardError: no git; whatever Copier has to say.
    """
    import copier

    with template_source() as source, _as_our_error():
        copier.run_copy(
            source, target, {"kind": kind, **answers}, vcs_ref=trainyard.__version__, defaults=True, quiet=True
        )


def update(target: Path) -> None:
    """Merge the changes of the templates since ``target`` was rendered into it; conflicts are marked as git's are.

    Raises:
        TrainyardError: not tracked by git, changes that are not committed; whatever Copier has to say.
    """
    import copier

    with template_source(), _as_our_error():
        copier.run_update(target, vcs_ref=trainyard.__version__, defaults=True, overwrite=True, quiet=True)


@contextlib.contextmanager
def _as_our_error() -> Iterator[None]:
    from copier.errors import CopierError
    from plumbum.commands.processes import ProcessExecutionError

    try:
        yield
    except (CopierError, ProcessExecutionError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise TrainyardError(f"the template cannot be rendered: {lines[-1]}", exit_code=EXIT_FAILED) from None
