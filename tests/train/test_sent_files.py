"""A training whose files are sent into its container: what it gets, how long it may take, what is sent back."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from train_sources import ENVIRONMENT, PAYLOAD, Sources
from waiting import until

from trainyard.contract import hosted
from trainyard.host.compute.base import InputFile
from trainyard.host.compute.tar_streams import unpack_tar, write_tar


class Pod:
    """The programs of a container, with its folder."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        (sources.root / "run").mkdir()

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        environ = ENVIRONMENT | {"PAYLOAD": json.dumps(PAYLOAD)}
        return subprocess.Popen(
            [sys.executable, "-m", "trainyard.image.train", *arguments], cwd=self.sources.root, env=environ,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def receive(self, data: Path, **secrets: str) -> bytes:
        one = InputFile("data/prices.csv", data, data.stat().st_size, "")
        process = self.start("receive")
        assert process.stdin
        assert process.stdout
        texts = {"run/.hosted/environment": json.dumps(secrets)}
        with suppress(BrokenPipeError):  # it has them already
            write_tar(process.stdin, {one.place: one}, ["run/.hosted", "run/model"], texts)
        with process:
            return process.stdout.read()


def statuses(said: bytes) -> list[object]:
    _, frames = hosted.Frames().feed(said)
    return [frame[hosted.STATUS] for frame in frames if hosted.STATUS in frame]


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(Sources(tmp_path / "sources"))


def test_files_and_secrets_come_once(pod: Pod, tmp_path: Path) -> None:
    pod.sources.write(
        'print(open("data/prices.csv").read(), os.environ["API_TOKEN"])\npickle.dump(1, open("models/price.pkl", "wb"))'
    )
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("size,price\n5,50\n")
    second.write_text("other\n1\n")
    training = pod.start("hosted", "--wait=60")
    assert pod.receive(first, API_TOKEN="s3cret") == b""
    said = training.communicate(timeout=60)[0]
    assert b"5,50" in said
    assert b"s3cret" in said
    assert statuses(said) == [0]
    assert not (pod.sources.root / "run/.hosted/environment").exists()
    assert (pod.sources.root / "run/model").is_dir()
    assert pod.receive(second) == b""
    assert (pod.sources.root / "data/prices.csv").read_text() == first.read_text()


def test_what_it_wrote_is_sent(pod: Pod, tmp_path: Path) -> None:
    (pod.sources.root / "run/.hosted").mkdir()
    (pod.sources.root / "run/.hosted/given").touch()
    (pod.sources.root / "run/metrics.jsonl").write_text("{}\n")
    pod.sources.binary.write_bytes(b"model")
    unpack_tar(io.BytesIO(pod.start("send").communicate(timeout=60)[0]), tmp_path / "home")
    found = {
        path.relative_to(tmp_path / "home").as_posix() for path in (tmp_path / "home").rglob("*") if path.is_file()
    }
    assert found == {"models/price.pkl", "run/metrics.jsonl"}


@pytest.mark.parametrize("name", ["../out", "/out"])
def test_what_comes_back_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    archive.seek(0)
    with pytest.raises(Exception, match="leads out of its folder"):
        unpack_tar(archive, tmp_path / "home")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_it_takes_no_longer_than_it_may(pod: Pod) -> None:
    pod.sources.write("time.sleep(600)")
    assert statuses(pod.start("hosted", "--limit=2").communicate(timeout=60)[0]) == [124]


def test_one_whose_files_nobody_sends_ends(pod: Pod) -> None:
    training = pod.start("hosted", "--wait=1")
    assert b"error: nobody sent the files of this training within 1 s" in training.communicate(timeout=60)[0]
    assert training.returncode == 1


def test_a_worker_ends_once_nobody_talks_to_it(pod: Pod) -> None:
    pod.sources.write("pass")
    (pod.sources.root / "run/.hosted").mkdir()
    (pod.sources.root / "run/.hosted/environment").write_text("{}")
    stays = pod.start("hosted", "--alone=2")
    talks = pod.start("worker")
    assert talks.stdout
    until(lambda: b"ready" in talks.stdout.readline(), 60)
    with pytest.raises(subprocess.TimeoutExpired):
        stays.wait(4)
    talks.communicate(timeout=60)
    assert stays.wait(60) == 0
