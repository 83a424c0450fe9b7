"""A damaged lock is recognised, and the line is named; two locks become one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.requirements.lock_files import (
    Entry,
    as_text,
    check_sealed,
    is_of,
    merged,
    packages_of,
    read_entries,
    seal,
)

PATH = Path("m/requirements_train.lock")
ONE, TWO, THREE = ("sha256:" + digit * 64 for digit in "123")
ENTRIES = [
    Entry("numpy", "==2.0", "python_full_version < '3.12'", (ONE, TWO)),
    Entry("numpy", "==2.1", "python_full_version >= '3.12'", (THREE,)),
    Entry("tabulate", "==0.9.0", "", (ONE,)),
    Entry("wheel", " @ https://example.org/wheel-1-py3-none-any.whl", "", (TWO,)),
]
LOCK = seal("ab" * 32, as_text(ENTRIES))


def complaint(text: str) -> str:
    with pytest.raises(TrainyardError) as raised:
        check_sealed(PATH, text)
    assert "make lock" in raised.value.hint
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_entries_are_read_as_they_were_written() -> None:
    check_sealed(PATH, LOCK)
    assert read_entries(LOCK, "lock") == ENTRIES
    assert is_of(LOCK, "ab" * 32)
    assert not is_of(LOCK, "ab" * 31 + "ac")


def test_the_same_packages_are_the_same_whatever_they_were_resolved_from() -> None:
    assert packages_of(LOCK) == packages_of(seal("cd" * 32, as_text(ENTRIES))) == as_text(ENTRIES)
    assert packages_of(as_text(ENTRIES)) == as_text(ENTRIES)


def test_a_conflict_marker_is_named_with_its_line() -> None:
    text = LOCK.replace("tabulate==", "<<<<<<< HEAD\ntabulate==")
    assert f"{PATH}:8: a merge conflict (<<<<<<< HEAD)" in complaint(text)
    assert f"{PATH}:1: a merge conflict" in complaint(f"<<<<<<< ours\n{LOCK}=======\n{LOCK}>>>>>>> theirs\n")


def test_a_cut_lock_is_named_with_its_last_line() -> None:
    lines = LOCK.splitlines(keepends=True)
    assert f"{PATH}:3: cut off within numpy" in complaint("".join(lines[:3]))
    assert f"{PATH}:4: '--hash=sha256:2222' is not a line" in complaint("".join(lines[:3]) + "    --hash=sha256:2222")
    assert "sha256 differs" in complaint("".join(lines[:5]))  # between two entries


def test_a_package_without_a_hash_is_named() -> None:
    assert f"{PATH}:8: tabulate has no hash" in complaint(
        LOCK.replace(f"tabulate==0.9.0 \\\n    --hash={ONE}", "tabulate==0.9.0")
    )


def test_a_changed_hash_is_damage() -> None:
    assert f"{PATH}: damaged" in complaint(LOCK.replace(THREE, "sha256:" + "4" * 64))


@given(st.integers(0, len(LOCK) - 1))
def test_a_lock_cut_off_anywhere_is_refused(length: int) -> None:
    complaint(LOCK[:length])


@given(st.integers(len(LOCK.splitlines()[0]) + 1, len(LOCK) - 1), st.characters(codec="utf-8"))
def test_any_changed_character_is_refused(place: int, character: str) -> None:
    """But for the first line, the hash of the requirements: a lock with another is stale, and so not used either."""
    changed = LOCK[:place] + character + LOCK[place + 1 :]
    if changed != LOCK:
        complaint(changed)


def test_a_package_of_both_locks_has_the_hashes_of_the_first_wherever_either_wants_it() -> None:
    own = [Entry("a", "==1", "sys_platform == 'linux'", (ONE,)), Entry("b", "==1", "", (ONE,))]
    more = [
        Entry("a", "==1", "sys_platform == 'darwin'", (TWO,)),
        Entry("b", "==1", "sys_platform == 'darwin'", (TWO,)),
        Entry("c", "==2", "", (THREE,)),
    ]
    assert merged(own, more) == [
        Entry("a", "==1", "(sys_platform == 'linux') or (sys_platform == 'darwin')", (ONE,)),
        Entry("b", "==1", "", (ONE,)),
        Entry("c", "==2", "", (THREE,)),
    ]
