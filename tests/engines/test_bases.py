"""The options that make a base image of Debian packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.engines.container.assembling import Assembler
from trainyard.host.engines.container.base_images import _make_debian_base, _say_python
from trainyard.host.monorepo.repository import Repository
from trainyard.host.support.command import Commands
from trainyard.host.support.reporter import Recording
from trainyard.settings.host import HostSettings


def make(path: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> list[str]:
    """The commands that make the base."""
    monkeypatch.setenv("PATH", str(path))
    (path / "mmdebstrap").write_text("#!/bin/sh\n")
    (path / "mmdebstrap").chmod(0o755)
    commands = Commands(dry_run=True, reporter=(reporter := Recording()))
    _make_debian_base(Assembler("engine", Repository(path, {}), HostSettings.read(settings), commands), "python:none")
    return reporter.noted("would")


def test_apt_is_told_which_authorities_to_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "company ca.pem"
    bundle.touch()
    output = "\n".join(make(tmp_path, monkeypatch, CA_BUNDLE=str(bundle)))
    assert f"'--aptopt=Acquire::https::CAInfo \"{bundle}\"'" in output
    assert "99mmdebstrap" in output, "which the image must not keep"


def test_a_bundle_that_is_not_there_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainyardError, match="CA_BUNDLE=/none: no such file"):
        make(tmp_path, monkeypatch, CA_BUNDLE="/none")


@pytest.mark.parametrize(
    ("version", "expected"), [("3.11.2", "Python 3.11.2, not 3.12"), ("3.12.1", ""), ("3.1.0", "3.1.0")]
)
def test_another_python_than_the_registrys_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, expected: str
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "engine").write_text(f"#!/bin/sh\nprintf '{version}\\nx86_64\\n2.36\\n'\n")
    (tmp_path / "engine").chmod(0o755)
    commands = Commands(reporter=(reporter := Recording()))
    _say_python(Assembler("engine", Repository(tmp_path, {}), HostSettings.read({}), commands))
    shown = "".join(reporter.noted("warning"))
    assert expected in shown
    assert bool(shown) == bool(expected)
