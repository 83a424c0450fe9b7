"""Exceptions that a confined container causes are recognised."""

from __future__ import annotations

import errno
import os

import pytest

from trainyard.contract.confinement import hint


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "scratch"), "write below /tmp"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "held in memory"),
        (ImportError("/tmp/x.so: failed to map segment from shared object"), "executed"),
    ],
)
def test_what_a_container_causes_is_reported(error: Exception, part: str) -> None:
    wrapped = RuntimeError("the library gives up")
    wrapped.__cause__ = error
    for one in (error, wrapped):
        assert part in hint(one)
        assert "HARDENED=0" in hint(one)


@pytest.mark.parametrize("error", [ValueError("no"), PermissionError(errno.EACCES, "no", "/tmp/x"), None])
def test_other_errors_have_no_hint(error: Exception | None) -> None:
    assert hint(error) == ""


def test_exceptions_that_lead_in_a_circle() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert hint(one) == ""
