"""Finds credentials in content: those that are known, and what looks like one of a well-known service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trainyard.credentials import Credential
from trainyard.secret_forms import find_forms


@dataclass(frozen=True)
class Finding:
    """A credential, by its name, and where in the content it begins."""

    what: str
    offset: int
    known: bool = False


Look = Callable[[str, bytes], tuple[Finding, ...]]  # the findings in the content of a path


def find(content: bytes, credentials: list[Credential], *, kinds: bool = True) -> Iterator[Finding]:
    """The credentials in ``content``: of each known one, and of each kind, the first."""
    for credential in credentials:
        offsets = [offset for form in credential.searchable if (offset := content.find(form)) >= 0]
        if offsets:
            yield Finding(credential.name, min(offsets), known=True)
    if kinds:
        yield from (Finding(name, offset) for name, offset in find_forms(content))
