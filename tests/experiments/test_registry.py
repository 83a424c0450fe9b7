"""The registry, on the database of make track without a server: versions, the champion, verified files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments.records import kept_run
from trainyard.contract.records import read_compiled, read_verified
from trainyard.errors import TrainyardError
from trainyard.host.experiments.registry.versions import Registry
from trainyard.host.experiments.tracking.mlflow_client import TrackingError, connect
from trainyard.host.experiments.tracking.sync import Uploader
from trainyard.host.experiments.tracking.tracker import Tracker
from trainyard.host.support.reporter import SILENT


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    folder = tmp_path_factory.mktemp("mlruns")
    database = f"sqlite:///{folder}/mlflow.db"
    return Tracker(database, database, artifacts=str(folder / "artifacts"))


@pytest.fixture
def registry(store: Tracker, tmp_path: Path) -> Registry:
    return Registry(Uploader(connect(store, 10), tmp_path / "locks", 10, SILENT))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "projects" / tmp_path.name


@pytest.mark.slow
def test_a_run_is_one_version(registry: Registry, project: Path) -> None:
    first, second = (kept_run(project, factor=factor) for factor in (1.0, 2.0))
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(registry.register_version, [first] * 4))
    assert numbers == [1, 1, 1, 1]
    assert registry.register_version(second, {"reason": "better"}) == 2
    name = f"{project.name}.m"
    assert [(one.number, one.run_id) for one in registry.versions_of(name)] == [(2, second.id), (1, first.id)]
    assert registry.version_of(name, "2").tags["reason"] == "better"
    assert registry.version_of(name, "2").model_name == "m"


def test_the_champion_and_the_way_back(registry: Registry, project: Path) -> None:
    name = f"{project.name}.m"
    assert registry.find_version(name) is None
    assert registry.previous_champion(name) is None
    for factor in (1.0, 2.0, 3.0):
        number = registry.register_version(kept_run(project, factor=factor))
        registry.set_champion(registry.version_of(name, str(number)))
    assert registry.version_of(name).number == 3
    assert registry.version_of(name).aliases == ("champion",)
    for number in (2, 1):
        previous = registry.previous_champion(name)
        assert previous is not None
        champion = registry.version_of(name)
        registry.annotate(champion, {"promoted": "true"})
        registry.go_back(champion, previous)
        tags = registry.version_of(name, str(champion.number)).tags
        assert (tags.get("promoted"), tags["reason"]) == (None, f"version {number} was made the champion again")
        assert registry.version_of(name).number == number
    assert registry.previous_champion(name) is None


def test_a_renamed_model_keeps_its_versions_and_serves_them_by_its_new_name(
    registry: Registry, project: Path, tmp_path: Path
) -> None:
    old, new = f"{project.name}.m", f"{project.name}.n_2"
    registry.set_champion(registry.version_of(old, str(registry.register_version(kept_run(project)))))
    registry.rename(old, new)
    registry.rename(old, new)  # nothing of that name is left
    assert not registry.versions_of(old)
    champion = registry.version_of(new)
    assert (champion.number, champion.aliases) == (1, ("champion",))
    for _ in range(2):
        files = registry.download_version(champion, tmp_path)
        names = sorted(path.name for path in files.iterdir())
        assert names[1:] == ["n_2.json", "n_2.pkl"] and names[0].startswith("n_2.") and names[0].endswith(".onnx")
        content, record = read_verified(files, "n_2")
        assert content and record and record["formerly"] == ["m"]
        assert read_compiled(files, "n_2")
    registry.delete(new)
    registry.delete(new)
    assert not registry.versions_of(new)


def test_what_is_not_there_is_said_with_what_is(registry: Registry, project: Path) -> None:
    name = f"{project.name}.m"
    with pytest.raises(TrainyardError, match=f"{name}: no such model"):
        registry.version_of(name)
    registry.set_champion(registry.version_of(name, str(registry.register_version(kept_run(project)))))
    for wanted in ("7", "stable", "a/b", "٣"):
        with pytest.raises(TrainyardError, match=r"no such version: there are 1 \(champion\)"):
            registry.version_of(name, wanted)


def test_a_run_without_a_model_is_no_version(registry: Registry, project: Path) -> None:
    run = kept_run(project)
    with pytest.raises(TrainyardError, match="is failed, so it cannot be registered"):
        registry.register_version(run.saved(status="failed"))
    (run.folder / "model" / "m.pkl").unlink()
    with pytest.raises(TrainyardError, match="has kept no model"):
        registry.register_version(run)


def test_a_version_is_downloaded_whole_and_verified(registry: Registry, project: Path, tmp_path: Path) -> None:
    run = kept_run(project)
    version = registry.version_of(f"{project.name}.m", str(registry.register_version(run)))
    folder = registry.download_version(version, tmp_path / "cache")
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in run.path("model").iterdir())
    assert (folder / "m.pkl").read_bytes() == run.path("model").joinpath("m.pkl").read_bytes()
    (folder / "m.pkl").write_bytes(b"damaged in the cache")
    assert registry.download_version(version, tmp_path / "cache") == folder
    assert (folder / "m.pkl").read_bytes() == run.path("model").joinpath("m.pkl").read_bytes()


@pytest.mark.parametrize("name", ["m.pkl", "m.json"])
def test_a_file_that_is_not_what_was_registered_is_refused(
    registry: Registry, store: Tracker, project: Path, tmp_path: Path, name: str
) -> None:
    version = registry.version_of(f"{project.name}.m", str(registry.register_version(kept_run(project))))
    place = Path(store.artifacts) / version.source.removeprefix("mlflow-artifacts:/").lstrip("/")
    (place / name).write_bytes(b"{}")
    with pytest.raises(TrainyardError, match=rf"version 1 of .*: {name} is not what was registered"):
        registry.download_version(version, tmp_path / "cache")
    (place / name).unlink()
    with pytest.raises(TrainyardError, match=name):
        registry.download_version(version, tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_database_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    folder = f"sqlite:///{tmp_path}"
    with pytest.raises(TrackingError) as caught:
        connect(Tracker(folder, folder, artifacts=str(tmp_path)), 10)
    assert str(caught.value).startswith(f"{folder}: ")
    assert "\n" not in str(caught.value)
