"""What clones on one machine wait for, and what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.engines.container.assembling import Assembler
from trainyard.host.engines.container.clones import Clone
from trainyard.host.monorepo.repository import Repository
from trainyard.host.support.command import Commands
from trainyard.settings.host import HostSettings


def assembler(root: Path) -> Assembler:
    root.mkdir(exist_ok=True)
    return Assembler("docker", Repository(root, {}), HostSettings(lock_timeout=0), Commands(False))


def test_dependencies_are_installed_by_one_clone_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one, other = assembler(tmp_path / "one"), assembler(tmp_path / "other")
    with one.locked("deps-1", "the dependencies 1", for_all=True):
        with pytest.raises(TrainyardError, match=r"the dependencies 1: another process .* did not end within 0 s"):
            other.locked("deps-1", "the dependencies 1", for_all=True).__enter__()
        with other.locked("deps-2", "the dependencies 2", for_all=True):
            pass
    with one.locked("m-predict", "the image"), other.locked("m-predict", "the image"):
        pass


def test_without_a_folder_for_all_each_clone_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with assembler(tmp_path / "one").locked("deps-1", "the dependencies 1", for_all=True):
        assert (tmp_path / "one" / ".trainyard" / "locks" / "docker-deps-1.lock").exists()


def test_containers_of_two_clones_have_two_names(tmp_path: Path) -> None:
    names = {Clone(assembler(tmp_path / name)).container("m-predict") for name in ("one", "other")}
    assert len(names) == 2
    assert all(name.startswith("m-predict-") for name in names)
