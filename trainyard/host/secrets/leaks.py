"""Finds credentials in content: those that are known, and what looks like one of a well-known service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from trainyard.contract.secret_forms import find_forms
from trainyard.host.secrets.credentials import Credential
from trainyard.host.support.context import Readable

CHUNK = 16 << 20  # bytes of a file that are looked at together
OVERLAP = 4096  # so that what lies across two chunks is seen, too


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


def look_through(path: str, file: Readable, look: Look) -> tuple[Finding, ...]:
    """The findings in a file, each once, read in pieces that overlap."""
    found: dict[str, Finding] = {}
    rest, start = b"", 0  # of what is looked at together
    while chunk := file.read(CHUNK):
        for finding in look(path, rest + chunk):
            found.setdefault(finding.what, replace(finding, offset=start + finding.offset))
        start += len(rest) + len(chunk)
        rest = chunk[-OVERLAP:]
        start -= len(rest)
    return tuple(found.values())


def line_at(file: Readable, offset: int) -> int:
    """The number of the line that has the byte at ``offset``."""
    line = 1
    while chunk := file.read(CHUNK):
        line += chunk.count(b"\n", 0, max(0, offset))
        offset -= len(chunk)
    return line
