"""A worker of a tuning in a pod of its own: it is talked to by ``kubectl exec`` once it has a place."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from trainyard.errors import EXIT_FAILED, EXIT_KILLED, TrainyardError
from trainyard.host.compute.base import LostError
from trainyard.host.compute.kubernetes.manifests import CONTAINER
from trainyard.host.compute.kubernetes.pod_following import Following
from trainyard.host.engines.container.runner import RUN
from trainyard.host.engines.container_output import Attached, Conversation, Output, attached

_LOOK = 5.0  # seconds between two looks at its pod
_SETTLED = 15.0  # seconds after which the cluster knows why a process was killed
_ENDED = re.compile(rb"command terminated with exit code (\d+)")  # kubectl's word for it; else the connection broke
_SIGNALLED = 128  # and the number of the signal
_LAST = 2000  # bytes of what it writes to standard error


class PodWorker(Conversation):
    """``argv`` gives a call of kubectl; ``begin`` makes its Job, ``send`` sends its files into the pod, ``end`` removes
    the Job."""

    def __init__(
        self, argv: Callable[..., list[str]], begin: Callable[[], None], following: Following,
        send: Callable[[str], None], end: Callable[[], None], heard: Output,
    ) -> None:  # fmt: skip
        self._argv, self._begin, self._following, self._send = argv, begin, following, send
        self._end, self._heard = end, heard
        self._talk: Attached | None = None
        self._given_up = threading.Event()
        self._status = EXIT_FAILED
        self._lost = False
        self._last = b""
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        if self._talk:  # it is told nothing before it has said that it is ready
            Conversation(self._talk, lambda: None).say(line)

    def wait(self) -> int:
        self._thread.join()
        return self._status

    @property
    def lost(self) -> bool:
        return self._lost

    def close(self, seconds: float) -> None:
        self._given_up.set()
        if self._talk:
            Conversation(self._talk, self._talk.process.kill).close(seconds)
        self._thread.join()
        with suppress(TrainyardError):  # who ends the tuning removes all that is left
            self._end()

    def _work(self) -> None:
        try:
            self._begin()
            if pod := self._following.place(self._given_up):
                self._following.send_to(pod, self._send)
                self._talk_to(pod)
        except TrainyardError as error:
            if isinstance(error, LostError):  # not by its own fault: another one is started, ready or not
                self._status, self._lost = EXIT_KILLED, True
            self._heard(f"error: {error}\n".encode(), True)

    def _talk_to(self, pod: str) -> None:
        command = ("exec", "--stdin", pod, f"--container={CONTAINER}", "--", RUN, "worker")
        self._talk = talk = attached(self._argv(*command), self._listen, apart=True)
        if self._given_up.is_set():  # who closes may have seen no talk yet
            talk.process.kill()
        try:
            while talk.process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    talk.process.wait(_LOOK)
                    break
                self._following.check()  # a connection to a node that is lost is silent
            status = talk.wait()
            if not self._given_up.is_set():  # a connection that broke may have any status, also 0
                self._find_loss(pod)
            self._status = status
        finally:
            talk.process.kill()

    def _listen(self, content: bytes, is_error: bool) -> None:
        if is_error:
            self._last = (self._last + content)[-_LAST:]
        self._heard(content, is_error)

    def _find_loss(self, pod: str) -> None:
        """Raises:
        LostError: it has not ended by itself.
        RefusedError: a limit has ended it."""
        found = _ENDED.search(self._last)
        self._following.check()
        if found is None:
            raise LostError(f"the connection to {pod} broke", "", EXIT_FAILED)
        if int(found[1]) > _SIGNALLED:
            until = time.monotonic() + _SETTLED
            while time.monotonic() < until and not self._given_up.wait(1):
                self._following.check()
            raise LostError(f"the worker in {pod} was killed", "", EXIT_FAILED)
