"""Which packages of an old lock the index no longer has: known before anything is built."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from trainyard.host.requirements.compiling import NEEDS_BUILD, Compiler
from trainyard.host.requirements.index_errors import explain_index
from trainyard.host.requirements.install_target import Target
from trainyard.host.requirements.lock_files import Entry, indexes_of, read_entries
from trainyard.host.requirements.wheels import NO_WHEEL

_HASH = re.compile(r"--hash=(\S+)")
# uv's words.
GONE = re.compile(
    r"there (?:is|are) no versions? of ([A-Za-z0-9][\w.-]*)(?:{[^}]*})?(?:==(\S+))?"
    r"|\b([A-Za-z0-9][\w.-]*)(?:{[^}]*})? was not found in"
)


def gone_packages(lock: str, compiler: Compiler, target: Target, beside: Collection[str]) -> list[str]:
    """``name==version`` of each package that the index does not have any more, or of which it has other files.

    What lies ``beside`` models (by its hash), comes from a URL, or is no wheel, is not asked for.

    Raises:
        TrainyardError: the index does not answer, or refuses.
    """
    entries = [entry for entry in read_entries(lock, "the lock") if _is_of_index(entry, beside)]
    gone: list[Entry] = []
    while entries:
        complaint, offered = compiler.offered([_pin(entry) for entry in entries], target, indexes_of(lock))
        if not complaint:
            return [f"{entry.name}{entry.pin}" for entry in (*gone, *_others(entries, offered))]
        trouble = explain_index(complaint, compiler.settings)
        if trouble and not (compiler.settings.wheelhouse and GONE.search(complaint)):
            raise trouble
        named, is_gone = _named(complaint)
        rest = [entry for entry in entries if not _is(entry, named)]
        if len(rest) == len(entries):  # uv says something that nobody has thought of: the build will say it again
            break
        gone += [entry for entry in entries if is_gone and entry not in rest]
        entries = rest
    return [f"{entry.name}{entry.pin}" for entry in gone]


def _named(complaint: str) -> tuple[str, bool]:
    """What uv complains about, as ``name==version`` or by its name alone, and whether it is gone; else it is a matter
    of building it."""
    text = " ".join(complaint.split())
    if found := GONE.search(text):
        return (f"{found[1]}=={found[2]}" if found[2] else found[1] or found[3]), True
    found = NO_WHEEL.search(text)
    if found and NEEDS_BUILD.search(text):
        return f"{found[1] or found[3]}=={found[2] or found[4]}", False
    return "", False


def _is(entry: Entry, named: str) -> bool:
    """A lock may have two versions of a package, for different Pythons."""
    name, _, version = named.partition("==")
    return entry.name == re.sub("[-_.]+", "-", name).lower() and (
        not version or entry.pin == f"=={version.rstrip(',')}"
    )


def _others(entries: list[Entry], offered: str) -> list[Entry]:
    """Those of which there are files, and none that the lock knows. Of an index that names no hashes nobody knows."""
    lines = [line for line in offered.replace("\\\n", " ").splitlines() if _HASH.search(line)]
    now = {re.split(r"[\s;]", line, maxsplit=1)[0]: set(_HASH.findall(line)) for line in lines}
    known = ((entry, now.get(f"{entry.name}{entry.pin}")) for entry in entries)
    return [entry for entry, hashes in known if hashes and not hashes & set(entry.hashes)]


def _is_of_index(entry: Entry, beside: Collection[str]) -> bool:
    return entry.pin.startswith("==") and not set(entry.hashes) & set(beside)


def _pin(entry: Entry) -> str:
    return str(replace(entry, hashes=())).strip()
