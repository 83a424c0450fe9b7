"""A task on a cluster, followed until it has ended or waits to be fetched; its files are sent when it asks for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from trainyard.contract import hosted
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import TIMED_OUT, AwayError, Heard, LostError, RefusedError, limit_reached
from trainyard.host.compute.kubernetes.diagnosis import Finding
from trainyard.host.compute.kubernetes.jobs import Found, Jobs
from trainyard.host.compute.kubernetes.kubectl import Answer, patiently
from trainyard.host.compute.kubernetes.log_stream import PodLog
from trainyard.host.support.reporter import Reporter

_POLL = 1.0  # seconds between two looks at what waits
_LOOK = 5.0  # at what runs, while its log is followed
_QUIET = 0.3  # seconds without a word after which a log has been read as far as it goes
_NO_POD = 3.0  # seconds that the cluster may take to make a pod


class Following:
    """Of one task. ``send`` sends its files into a pod, where they are known; ``patience``: seconds for which the
    cluster may be away; ``wait``: that the task may wait for a place."""

    def __init__(
        self, compute: str, task: str, jobs: Jobs, heard: Heard, send: Callable[[str], None] | None, patience: int,
        wait: int, reporter: Reporter,
    ) -> None:  # fmt: skip
        self._compute = compute
        self._task = task
        self._jobs = jobs
        self._heard = heard
        self._send = send
        self._patience = patience
        self._wait = wait
        self._reporter = reporter
        self._began = time.monotonic()
        self._stuck_since: float | None = None
        self._reported = ""
        self._log: PodLog | None = None
        self._pod = ""
        self._frames = hosted.Frames()
        self._state = ""
        self._status: int | None = None
        self._out_of_memory = False
        self._said = 0

    @property
    def pod(self) -> str:
        """The one that it was told by."""
        return self._pod

    @property
    def is_kept(self) -> bool:
        """Whether what it wrote waits in its pod."""
        return self._state == hosted.KEPT

    def status(self) -> int:
        """Its exit status, once it has ended or waits to be fetched.

        Raises:
            LostError, RefusedError: as ``Compute.follow``.
            AwayError: the cluster has not answered for longer than ``patience``.
        """
        try:
            while True:
                found = self._patiently(lambda: self._jobs.look(self._task))
                if (status := self._step(found)) is not None:
                    return status
        finally:
            if self._log:
                self._log.close()

    def told(self, pod: str, output: bytes) -> int:
        """Its exit status, of a pod that is gone: all that it had said was kept. Raises as ``status``."""
        if pod != self._pod:
            self._forget(pod)
        self._hear(output[self._said :])
        if self._status is None:  # it had no more room for that
            raise LostError(f"{self._task} on {self._compute}: its pod is gone", "", EXIT_FAILED)
        return self._ended(self._status)

    def place(self, given_up: threading.Event) -> str:
        """The pod, once it runs; empty where that is of no use any more. Raises as ``status``."""
        while not given_up.is_set():
            found = self._patiently(lambda: self._jobs.look(self._task))
            finding = found.finding
            if finding.state == "running":
                return found.pod_name
            if finding.state not in ("waiting", "stuck"):
                raise self._error(finding)
            self._await(found, finding)
        return ""

    def check(self) -> None:
        """Raises as ``status`` where it does not run any more."""
        finding = self._patiently(lambda: self._jobs.look(self._task)).finding
        if finding.state != "running":
            raise self._error(finding)

    def send_to(self, pod: str, send: Callable[[str], None]) -> None:
        """Send its files, once its node can be reached. Raises as ``check``."""

        def once() -> None:
            try:
                send(pod)
            except TrainyardError:
                self.check()
                raise

        self._patiently(once)

    def printed(self) -> None:
        """Hand on what it has printed so far.

        Raises:
            LostError: it is not there.
        """
        found = self._patiently(lambda: self._jobs.look(self._task))
        if found.job is None:
            raise self._error(found.finding)
        if found.finding.state in ("waiting", "stuck"):
            self._report(found.finding)
        elif found.pod:
            self._heard(PodLog(self._jobs.kubectl, found.pod_name).rest())

    def _step(self, found: Found) -> int | None:
        """What follows from a look: its exit status, or None where it goes on."""
        finding = found.finding
        if found.pod and finding.state not in ("waiting", "stuck"):
            self._turn_to(found.pod_name)
        if finding.state == "running":
            self._listen()
            # A pod that gets SIGTERM keeps nothing: its status counts once it has ended.
            return self._ended(self._status) if self._state == hosted.KEPT and self._status is not None else None
        if finding.state in ("waiting", "stuck"):
            self._await(found, finding)
            return None
        self._hear_rest()
        if finding.state == "over":
            return self._ended(finding.status if self._status is None else self._status)
        raise self._error(finding)

    def _turn_to(self, pod: str) -> None:
        """A queue may end a pod and begin another."""
        if pod != self._pod:
            if self._log:
                self._log.close()
            self._forget(pod)
            self._log = PodLog(self._jobs.kubectl, pod)

    def _forget(self, pod: str) -> None:
        """Another pod tells it from the beginning."""
        self._pod, self._frames, self._said = pod, hosted.Frames(), 0
        self._state, self._status, self._out_of_memory = "", None, False

    def _listen(self) -> None:
        """To what it prints, until it is time to look at it again."""
        assert self._log
        until = time.monotonic() + _LOOK
        while time.monotonic() < until and self._state != hosted.KEPT:
            content = self._log.more(_QUIET)
            self._hear(content)
            if not content and self._state == hosted.WAITING and self._send:
                self._state = ""
                self._send_to(self._pod, self._send)
                return

    def _send_to(self, pod: str, send: Callable[[str], None]) -> None:
        try:
            self.send_to(pod, send)
        except AwayError:
            raise
        except TrainyardError:
            if self._jobs.look(self._task).finding.state == "running":
                raise
            # It has ended meanwhile, and says why.

    def _hear(self, content: bytes) -> None:
        self._heard(content)
        self._said += len(content)
        for frame in self._frames.feed(content)[1]:
            self._state = str(frame.get(hosted.STATE, self._state))
            if isinstance(status := frame.get(hosted.STATUS), int):
                self._status, self._out_of_memory = status, bool(frame.get(hosted.OUT_OF_MEMORY))

    def _hear_rest(self) -> None:
        """Of a pod that has ended; what is gone with its node is gone."""
        if self._log:
            try:
                self._hear(self._log.rest())
            except TrainyardError as error:
                self._reporter.warn(f"the end of what it printed cannot be read ({error.message})")

    def _await(self, found: Found, finding: Finding) -> None:
        if found.job and found.pod is None and not finding.text and time.monotonic() - self._began > _NO_POD:
            job = found.job
            finding = self._patiently(lambda: self._jobs.why_no_pod(job))
            if finding.state == "refused":
                raise self._error(finding)
        self._report(finding)
        now = time.monotonic()
        self._stuck_since = (self._stuck_since or now) if finding.state == "stuck" else None
        if self._stuck_since and now - self._stuck_since > self._patience:
            raise self._error(finding)
        if now - self._began > self._wait:
            why = f" ({finding.text})" if finding.text else ""
            text = f"it has waited for longer than {self._wait} s{why}"
            raise self._error(Finding("refused", text, "WAIT_TIMEOUT allows more"))
        time.sleep(_POLL)

    def _report(self, finding: Finding) -> None:
        """Each kind of waiting once: the numbers in its text may change from look to look."""
        kind = finding.text.partition(":")[0]
        if kind and kind != self._reported:
            self._reported = kind
            self._reporter.step(f"{self._task} waits on {self._compute}: {finding.text}")

    def _ended(self, status: int) -> int:
        """Raises:
        RefusedError: a limit of its own has ended it."""
        if status == TIMED_OUT:
            raise limit_reached(self._task, self._compute, "time")
        if self._out_of_memory:
            raise limit_reached(self._task, self._compute, "memory")
        return status

    def _error(self, finding: Finding) -> TrainyardError:
        if finding.limit:
            return limit_reached(self._task, self._compute, finding.limit)
        kind = RefusedError if finding.state in ("refused", "stuck") else LostError
        text = finding.text or f"it has ended with status {finding.status}"
        return kind(f"{self._task} on {self._compute}: {text}", finding.fix, EXIT_FAILED)

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        return patiently(call, self._patience)
