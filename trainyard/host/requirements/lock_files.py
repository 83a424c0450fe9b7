"""The text of a lock: one entry a package, each with its hashes; and how a damaged one is recognised.

The first two lines are the hash of what was resolved and the hash of the lines below: so a lock that was cut off,
merged or edited by hand is noticed before anything is installed from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError

INPUTS = "# trainyard lock of inputs sha256:"
CONTENT = "# content sha256:"
FIX = "run make lock"
_PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[\w.,-]*\])?(?P<pin>==\S+| @ \S+)(?: ; (?P<marker>.*))?")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64}|(?:sha384|sha512|md5|blake2b):[0-9a-f]+)")
INDEX = "--extra-index-url"
_CONFLICT = re.compile(r"(<{7}|\|{7}|={7}|>{7})( |$)")


@dataclass(frozen=True)
class Entry:
    """One package of a lock; ``pin`` is ``==`` and its version, or ``@`` and its URL."""

    name: str
    pin: str
    marker: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        return " \\\n    ".join([f"{self.name}{self.pin}{marker}", *(f"--hash={one}" for one in self.hashes)]) + "\n"


def seal(digest: str, body: str) -> str:
    """The text of a lock file: ``digest`` is of the requirements, ``body`` the entries."""
    return f"{INPUTS}{digest}\n{CONTENT}{_sha256(body)}\n{body}"


def packages_of(text: str) -> str:
    """A lock without what it says of where it came from: who wants the same packages shares one installation."""
    if not text.startswith(INPUTS):
        return text
    return (*text.split("\n", 2), "", "")[2]


def with_indexes(text: str, indexes: Iterable[str]) -> str:
    """The entries, below the indexes that are asked for them besides the usual one."""
    return "".join(f"{INDEX} {url}\n" for url in indexes) + text


def indexes_of(text: str) -> list[str]:
    """The indexes that a lock names."""
    lines = (line.partition(" ") for line in text.splitlines())
    return [url for option, _, url in lines if option == INDEX]


def is_of(text: str, digest: str) -> bool:
    """Whether a lock file was resolved from the requirements of that digest."""
    return text.startswith(f"{INPUTS}{digest}\n")


def check_sealed(path: Path, text: str) -> None:
    """See that a lock file is as ``make lock`` wrote it.

    Raises:
        TrainyardError: it is not; with the line, where a line shows it.
    """
    inputs, content, body = (*text.split("\n", 2), "", "")[:3]
    if inputs.startswith(INPUTS) and content == CONTENT + _sha256(body):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if _CONFLICT.match(line):
            raise TrainyardError(f"{path}:{number}: a merge conflict ({line[:20]})", FIX)
    for number, (line, start) in enumerate([(inputs, INPUTS), (content, CONTENT)], start=1):
        if not line.startswith(start):
            raise TrainyardError(f"{path}:{number}: does not begin as make lock wrote it ({start} ...)", FIX)
    read_entries(text, str(path))
    raise TrainyardError(f"{path}: damaged: below line 2 it is not what make lock wrote (its sha256 differs)", FIX)


def is_whole(path: Path) -> bool:
    """Whether there is a sealed file at ``path``, as it was written."""
    try:
        check_sealed(path, read_text(path))
    except TrainyardError:
        return False
    return True


def read_entries(text: str, where: str, hint: str = FIX) -> list[Entry]:
    """The entries of a lock; ``where`` names it in errors, ``hint`` says how to make it anew.

    Raises:
        TrainyardError: a line that is none of a lock, or a package without a hash.
    """
    found: list[Entry] = []
    pending: re.Match[str] | None = None  # a package whose hashes follow
    hashes: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith(("#", INDEX)):
            if pending:
                raise TrainyardError(f"{where}:{number - 1}: cut off within {pending['name']}", hint)
            continue
        plain = line.removesuffix("\\").strip()
        package, hashed = _PACKAGE.fullmatch(plain), _HASH.fullmatch(plain)
        if bool(pending) == bool(package) or not (package or hashed):
            raise TrainyardError(f"{where}:{number}: {line.strip()[:60]!r} is not a line of a lock with hashes", hint)
        pending = pending or package
        hashes += [hashed[1]] if hashed else []
        if pending and not line.endswith("\\"):
            if not hashes:
                raise TrainyardError(f"{where}:{number}: {pending['name']} has no hash", hint)
            name = re.sub("[-_.]+", "-", pending["name"]).lower()  # as PEP 503 has it
            found.append(Entry(name, pending["pin"], pending["marker"] or "", tuple(hashes)))
            pending, hashes = None, []
    if pending:
        raise TrainyardError(f"{where}:{len(text.splitlines())}: cut off within {pending['name']}", hint)
    return found


def merged(own: Iterable[Entry], more: Iterable[Entry]) -> list[Entry]:
    """``own`` and what of ``more`` it lacks. One package in one version is one entry, with the hashes of ``own``, for
    wherever either wants it."""
    found = {(entry.name, entry.pin): entry for entry in own}
    for entry in more:
        key = entry.name, entry.pin
        known = found.setdefault(key, entry)
        if known.marker != entry.marker:
            either = f"({known.marker}) or ({entry.marker})" if known.marker and entry.marker else ""
            found[key] = replace(known, marker=either)
    return [entry for _, entry in sorted(found.items())]


def as_text(entries: Iterable[Entry]) -> str:
    """The entries as a requirements file."""
    return "".join(map(str, entries))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
