"""What a storage keeps of trainings whose containers are gone."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest

from trainyard.contract.hosted import STORAGE
from trainyard.errors import TrainyardError
from trainyard.image.train.stored import Storage

CONTENT = b"a,b\n1,2\n"
NAME = hashlib.sha256(CONTENT).hexdigest()


def put(sources: Path, content: bytes = CONTENT) -> Path:
    place = sources / STORAGE / "data" / NAME
    Storage(sources).put(place, io.BytesIO(content))
    return place


def test_only_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert storage.missing([NAME]) == [NAME]
    put(tmp_path)
    assert storage.missing([NAME, "other"]) == ["other"]


def test_a_content_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not what was sent"):
        put(tmp_path, b"something else")
    assert not list((tmp_path / STORAGE / "data").iterdir())


def test_contents_are_laid_out_without_a_copy(tmp_path: Path) -> None:
    content = put(tmp_path)
    Storage(tmp_path).lay("task", "one", {"data/a/b.csv": NAME, "base/b.csv": NAME})
    found = tmp_path / STORAGE / "tasks/task/one/data/a/b.csv"
    assert found.samefile(content)
    assert not found.is_symlink()


def test_results_are_those_of_the_try_that_ended_by_itself(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    storage = Storage(tmp_path)
    for one in ("lost", "first", "second"):
        with storage.begin("task", one) as output:
            output.write(one.encode())
    assert storage.repeat("task") is None
    for number, one in enumerate(("first", "second")):
        storage.finish("task", one, number)
    assert storage.repeat("task") == 0
    assert capfdbinary.readouterr().out == b"first"
    assert [storage.written("task", one).name for one in ("", "lost", "first", "second")] == [
        "first", "first", "first", "second",
    ]  # fmt: skip


@pytest.mark.parametrize("has_checkpoints", [True, False])
def test_reports_go_on_where_the_training_does(tmp_path: Path, has_checkpoints: bool) -> None:
    storage, task = Storage(tmp_path), tmp_path / STORAGE / "tasks/task"
    storage.begin("task", "lost").close()
    (task / "lost/run").mkdir()
    (task / "lost/run/metrics.jsonl").write_text(json.dumps({"step": 0}) + '\n{"st')
    (task / "checkpoints").mkdir()
    if has_checkpoints:
        (task / "checkpoints/step").touch()
    storage.begin("task", "next").close()
    kept = task / "next/run/metrics.jsonl"
    assert (kept.read_text() if kept.exists() else "") == ('{"step": 0}\n' if has_checkpoints else "")


def test_a_storage_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / STORAGE).touch()
    with pytest.raises(TrainyardError, match="the storage: Not a directory"):
        Storage(tmp_path).begin("task", "one")


def test_nothing_stays_of_a_task_that_is_removed(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    content = put(tmp_path)
    storage.lay("task", "one", {"data/b.csv": NAME})
    storage.remove("task")
    assert not list((tmp_path / STORAGE / "tasks").iterdir())
    assert content.read_bytes() == CONTENT
