"""What a pod prints, line by line as it comes; after a broken connection from where it was."""

from __future__ import annotations

import contextlib
import queue
import threading
import time

from trainyard.host.compute.kubernetes.kubectl import Kubectl
from trainyard.host.compute.kubernetes.manifests import CONTAINER
from trainyard.host.compute.talking import started


class PodLog:
    """The log of the pod ``pod``. Each line has the time at which it was written, which tells what was seen."""

    def __init__(self, kubectl: Kubectl, pod: str) -> None:
        self._kubectl = kubectl
        self._pod = pod
        self._last = self._seen = ""  # times: of the last line, and of the last one of earlier streams
        self._stream: _Stream | None = None

    def more(self, seconds: float) -> bytes:
        """What has come since, within that time at most; empty where nothing came. A stream that broke begins again."""
        if self._stream is None or self._stream.is_over:
            self._seen = self._last
            self._stream = _Stream(self._kubectl.argv(*self._arguments("--follow")))
        lines = self._stream.lines(seconds)
        if not lines and self._stream.is_over:  # it cannot be had now: not again at once
            time.sleep(seconds)
        return self._new(lines)

    def rest(self) -> bytes:
        """All that it has printed so far and was not seen, a last line that has no end among it.

        Raises:
            AwayError: the cluster does not answer.
            TrainyardError: it is not there any more.
        """
        self.close()
        self._seen = self._last
        with self._kubectl.talk(*self._arguments(), limit=self._kubectl.copy) as (_, stdout):
            return self._new(stdout.readlines())

    def close(self) -> None:
        if self._stream:
            self._stream.close()
        self._stream = None

    def _arguments(self, *options: str) -> list[str]:
        since = [f"--since-time={self._last}"] if self._last else []
        return ["logs", self._pod, f"--container={CONTAINER}", "--timestamps", *since, *options]

    def _new(self, lines: list[bytes]) -> bytes:
        """Those written later than what was seen. Times have nine digits behind the point, and so are in order as
        text, too."""
        found = []
        for line in lines:
            first, _, text = line.partition(b" ")
            if (stamp := first.decode(errors="replace")) > self._seen:
                self._last = stamp
                found.append(text)
        return b"".join(found)


class _Stream:
    """One call of kubectl that follows."""

    def __init__(self, argv: list[str]) -> None:
        self._process = started(argv, reads=False)
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._drain, daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self._ended.is_set() and self._queue.empty()

    def lines(self, seconds: float) -> list[bytes]:
        """What is there; where nothing is, the first that comes within that time."""
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._queue.get(timeout=seconds))
            while True:
                found.append(self._queue.get_nowait())
        return [line for line in found if line]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as stdout:
            for line in stdout:
                if line.endswith(b"\n"):  # else it was cut off, and comes again
                    self._queue.put(line)
        self._process.wait()
        self._ended.set()
        self._queue.put(b"")  # wakes who waits

    def _drain(self) -> None:
        """What it complains about is of no use: whoever follows looks at the pod."""
        assert self._process.stderr
        with self._process.stderr as stderr:
            for _ in stderr:
                pass
