"""The storage of a cluster, a data store: pods read what is in it, and put what they wrote there, by links that are
signed here. Its credentials stay here.

.trainyard/data/SHA256                             files that were sent, by content
.trainyard/tasks/TASK/CLONE/UNTIL/RUN/POD.tar      what the training in that pod said and wrote, until it is fetched
"""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from trainyard.contract import hosted, run_folder
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import AwayError, FoundTask, InputFile, Task
from trainyard.host.compute.kubernetes.kubectl import Kubectl
from trainyard.host.compute.kubernetes.manifests import CONTAINER
from trainyard.host.compute.tar_streams import unpack_tar, write_tar
from trainyard.host.data.store import KEYS, Item, SignsLinks, Store, StoreError, etag_of
from trainyard.host.engines.container.runner import RUN
from trainyard.host.support.hashed_files import hashed
from trainyard.host.support.reporter import Reporter
from trainyard.settings.data import DataSettings

_DATA, _TASKS = ".trainyard/data", ".trainyard/tasks"
_LONGEST = 7 * 86400  # seconds that a link to S3 or Google may be good for


@dataclass(frozen=True)
class InStore:
    """``name`` is the store's, ``open_store`` opens one by its name. Links are good for ``margin`` seconds beyond what
    a training may take."""

    name: str
    open_store: Callable[[str], Store]
    kubectl: Kubectl
    margin: int
    data: DataSettings
    reporter: Reporter
    _sending: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def _store(self) -> Store:
        return self.open_store(self.name)

    def check(self) -> None:
        """Raises:
        TrainyardError: it does not answer, or its credentials cannot sign links."""
        self._link(self.name, f"{_TASKS}/none", 1, write=True)
        next(self._store.files(f"{_TASKS}/none"), None)  # a list, which unlike a look at one file misses the bucket

    def check_time(self, task: Task) -> None:
        """Warn of a training that may outlast its links."""
        if task.resources.seconds + self.margin > _LONGEST:
            self.reporter.warn(
                f"links to {self.name} are good for 7 days: what a longer training wrote waits in its pod to be fetched"
            )

    def send(self, task: Task, pod: str, texts: Mapping[str, str]) -> None:
        """Have what is not in a store in this one, and tell the try in ``pod`` where all of it is.

        Raises:
            AwayError: the store does not answer.
        """
        marks = f"{run_folder.MOUNT}/{hosted.FOLDER}"
        with _answering():
            self._send_contents({one.sha256: one for one in task.inputs})
            links = json.dumps(self._links(task, pod))
        command = ("exec", "--stdin", pod, f"--container={CONTAINER}", "--", RUN, "receive")
        # A pod that has all of it already does not read.
        with suppress(BrokenPipeError), self.kubectl.talk(*command, limit=self.kubectl.copy) as (stdin, _):
            write_tar(stdin, {}, [marks, *task.made], {**texts, f"{marks}/{hosted.LINKS}": links})

    def _send_contents(self, wanted: Mapping[str, InputFile]) -> None:
        """Files go there once, by content. Workers of a tuning take turns."""
        with self._sending, ThreadPoolExecutor(max(1, self.data.data_jobs)) as pool:
            there = pool.map(lambda sha256: self._store.find(f"{_DATA}/{sha256}"), wanted)
            pairs = zip(wanted.values(), there, strict=True)
            missing = [one for one, found in pairs if found is None or found.size != one.size]
            size = sum(one.size for one in missing)
            text = f"Sending {len(missing)} of {len(wanted)} files ({size / 1e6:.1f} MB) to {self.name} ..."
            with self.reporter.waiting(text) if missing else nullcontext():
                list(pool.map(self._send_content, missing))

    def _send_content(self, one: InputFile) -> None:
        place = f"{_DATA}/{one.sha256}"
        try:
            self._store.write(place, one.path)
            is_same = hashed(one.path, self.reporter).sha256 == one.sha256  # read once more only if it was written to
        except OSError as error:
            raise TrainyardError(f"{one.path}: {error.strerror}", "train again", EXIT_FAILED) from None
        if not is_same:
            self._store.remove(place)
            raise TrainyardError(f"{one.path}: it changed while it was sent", "train again", EXIT_FAILED)

    def _links(self, task: Task, pod: str) -> dict[str, Any]:
        """What the image reads in ``linked.py``."""
        seconds = min(_LONGEST, (task.resources.seconds or _LONGEST) + self.margin)
        sent = [
            {
                "place": one.place, "what": one.place, "size": one.size, "sha256": one.sha256,
                "url": self._link(self.name, f"{_DATA}/{one.sha256}", seconds),
            }
            for one in task.inputs
        ]  # fmt: skip
        stored = [
            {
                "place": one.place, "what": f"{one.store}:{one.path}", "size": one.size, "etag": etag_of(one.version),
                "url": self._link(one.store, one.path, seconds),
            }
            for one in task.stored
        ]  # fmt: skip
        labels = "/".join(task.labels[name] for name in ("clone", "until", "run"))
        path = f"{_TASKS}/{task.name}/{labels}/{pod}.tar"
        result = "" if task.workers else self._link(self.name, path, seconds, write=True)
        data = self.data
        return {
            "inputs": [*sent, *stored], "result": result, "jobs": data.data_jobs, "retries": data.data_retries,
            "timeout": data.data_timeout,
        }  # fmt: skip

    def _link(self, name: str, path: str, seconds: int, *, write: bool = False) -> str:
        store = self._store if name == self.name else self.open_store(name)
        if not isinstance(store, SignsLinks):
            raise TrainyardError(f"data store {name}: there are no links to it", KEYS)
        return store.link(path, seconds, write=write)

    def has(self, task: str) -> bool:
        """Whether a try of it has ended by itself. Raises as ``told``."""
        with _answering():
            return self._result(task) is not None

    def told(self, task: str) -> tuple[str, bytes]:
        """The try of a task that has ended by itself, and what it has said; both are empty where there is none.

        Raises:
            AwayError: the store does not answer.
        """
        with _answering():
            item = self._result(task)
            if item is None:
                return "", b""
            with tarfile.open(fileobj=_stream(self._store.read(item)), mode="r|") as archive:
                first = archive.next()
                output = archive.extractfile(first) if first and first.name == hosted.OUTPUT else None
                return _pod(item), output.read() if output else b""

    def fetch(self, task: str, pod: str, folder: Path) -> bool:
        """Copy what the try in ``pod``, or another, wrote into ``folder``; False where nothing of it is there.

        Raises:
            TrainyardError: the store does not answer.
            tarfile.ReadError: it is cut off.
        """
        item = self._result(task, pod)
        if item is None:
            return False
        with self.reporter.waiting(f"Fetching what {task} wrote from {self.name} ..."):
            unpack_tar(_stream(self._store.read(item)), folder)
        return True

    def clean_up(self, task: str) -> None:
        """Remove what is there of a task; what stays is a warning, and ``make prune`` finds it."""
        try:
            for item in self._results(task):
                self._store.remove(item.path)
        except TrainyardError as error:
            self.reporter.warn(f"{error}; what {task} wrote is still there: make prune removes it")

    def tasks(self) -> list[FoundTask]:
        """Those that have something there.

        Raises:
            AwayError: the store does not answer.
        """
        with _answering():
            places = [item.path.split("/") for item in self._results("")]
        return [FoundTask(task, run, clone, "over", int(until)) for _, _, task, clone, until, run, _ in places]

    def _result(self, task: str, pod: str = "") -> Item | None:
        """That of ``pod``, else of the try that has ended first."""
        found = sorted(self._results(task), key=lambda item: (_pod(item) != pod, item.modified))
        return found[0] if found else None

    def _results(self, task: str) -> list[Item]:
        """Those of a task; of all of them where there is no name."""
        return [item for item in self._store.files(f"{_TASKS}/{task}".rstrip("/")) if item.path.count("/") == 6]


def _pod(item: Item) -> str:
    return item.path.rpartition("/")[2].removesuffix(".tar")


@contextmanager
def _answering() -> Iterator[None]:
    """A store that is away for a while is as a cluster that is."""
    try:
        yield
    except StoreError as error:
        if error.passing:
            raise AwayError(error.message, error.hint, EXIT_FAILED) from None
        raise


class _Pieces(io.RawIOBase):
    """Pieces of a file, read as one."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if (piece := next(self._pieces, None)) is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _stream(pieces: Iterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, _Pieces(pieces)))
