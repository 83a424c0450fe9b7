"""Runs other programs: streamed or captured, with a named timeout, shown instead of run in a dry run."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.support.reporter import SILENT, Reporter

GRACE = 5  # seconds that an interrupted program gets to clean up
CAUSE = "error: "  # how the s2i scripts and the train runner begin the line that says why they failed
# Of failures that a caller tells apart: what their message looks like, and the class of their error.
Causes = Sequence[tuple[re.Pattern[str], type[TrainyardError]]]


@dataclass(frozen=True)
class Limit:
    """A timeout with the name of the setting that changes it; ``seconds`` 0 is none."""

    setting: str
    seconds: int


@dataclass(frozen=True)
class Commands:
    """Runs programs, or only reports what it would run (``dry_run``)."""

    dry_run: bool = False
    reporter: Reporter = SILENT

    def query(self, argv: Sequence[str], *, seconds: float = 30) -> subprocess.CompletedProcess[str] | None:
        """Ask a program something that changes nothing; None where it is missing, hangs or refuses."""
        try:
            return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds)
        except (OSError, subprocess.SubprocessError):
            return None

    def ask(self, argv: Sequence[str], *, seconds: float = 60, unless: re.Pattern[str] | None = None) -> str:
        """Ask a program something that it must know; what it answers on standard output.

        Raises:
            TrainyardError: it takes longer than ``seconds``, or fails and not every line of its complaint is one that
                ``unless`` finds.
        """
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds)
        except subprocess.CalledProcessError as error:
            complaints = [line for line in error.stderr.splitlines() if line.strip()]
            if unless is None or not complaints or not all(map(unless.search, complaints)):
                raise _failed(argv, error.stderr) from None
            return str(error.stdout)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TrainyardError(f"{argv[0]} {argv[1]} failed: {error}", exit_code=EXIT_FAILED) from None
        return done.stdout

    def run(
        self,
        argv: Sequence[str],
        limit: Limit,
        *,
        stdin: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        causes: Causes = (),
    ) -> str:
        """Run a program whose output matters only where it fails; returns its standard output. Its environment is ours,
        or ``env``.

        Raises:
            TrainyardError: it failed (its last lines are shown) or took too long; of the class that ``causes`` has for
                what it complained about.
        """
        if self._shown(argv):
            return ""
        try:
            done = subprocess.run(
                argv,
                stdin=stdin,
                capture_output=True,
                check=False,
                timeout=limit.seconds or None,
                env=env,
            )
        except subprocess.TimeoutExpired:
            raise _too_long(argv, limit) from None
        if done.returncode and check:
            # Progress is on standard output, and why it failed on standard error: it comes last.
            raise _failed(argv, (done.stdout + b"\n" + done.stderr).decode(errors="replace"), causes)
        return done.stdout.decode(errors="replace").strip()

    def pipe(self, source: Sequence[str], target: Sequence[str], limit: Limit) -> None:
        """Run two programs, of which the second reads what the first writes.

        Raises:
            TrainyardError: one failed (its last lines are shown) or took too long.
        """
        if self._shown([*source, "|", *target]):
            return
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(source, stdout=subprocess.PIPE, stderr=complaints, process_group=0) as writing,
        ):
            try:
                self.run(target, limit, stdin=writing.stdout)
            except BaseException:
                writing.kill()
                raise
            if writing.wait():
                complaints.seek(0)
                raise _failed(source, complaints.read().decode(errors="replace"))

    def stream(
        self,
        argv: Sequence[str],
        limit: Limit,
        *,
        stdin: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        noise: tuple[str, ...] = (),
        causes: Causes = (),
    ) -> None:
        """Run a program and pass its output on line by line, but for lines that begin like one of ``noise``.

        Raises:
            TrainyardError: it failed; where it printed an ``error: ...`` line, that line is the message, and the error
                is of the class that ``causes`` has for it.
        """
        if self._shown(argv):
            return
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=stdin or subprocess.DEVNULL, env=env,
            text=True, errors="replace", process_group=0,
        )  # fmt: skip
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            _signal(process, signal.SIGKILL)

        timer = threading.Timer(limit.seconds or 10**8, expire)
        timer.daemon = True
        timer.start()
        try:
            cause = self._pass_on(process, noise)
            status = process.wait()
        finally:
            timer.cancel()
            _end(process)
        if expired.is_set():
            raise _too_long(argv, limit)
        if status:
            raise _kind(cause, causes)(cause or f"{argv[0]} {argv[1]} failed with status {status}: see above")

    def environment(self, added: Mapping[str, str]) -> dict[str, str]:
        """Ours, and what is added."""
        return {**os.environ, **added}

    def become_make(self, folder: Path, arguments: Sequence[str]) -> NoReturn:
        """The make that called us (mk/setup.mk says which), in our place: so it has that one's job slots."""
        make = os.environ.get("TRAINYARD_MAKE", "make")
        try:
            os.execvp(make, [make, "--no-print-directory", "-C", str(folder), *arguments])  # noqa: S606 -- no shell
        except OSError as error:
            raise TrainyardError(f"{make}: {error.strerror}", "install GNU make", EXIT_FAILED) from None

    def _shown(self, argv: Sequence[str]) -> bool:
        if self.dry_run:
            self.reporter.would(shlex.join(argv))
        return self.dry_run

    def _pass_on(self, process: subprocess.Popen[str], noise: tuple[str, ...]) -> str:
        """Report the output as it comes, but for the line with the cause, which is returned."""
        cause = ""
        for text in process.stdout or ():
            line = text.rstrip("\n")
            if line.startswith(CAUSE):
                cause = cause or line.removeprefix(CAUSE)
            elif not line.startswith(noise):
                self.reporter.line(line)
        return cause


def _end(process: subprocess.Popen[str]) -> None:
    """End a program that was interrupted: it may clean up after itself, but not for ever."""
    if process.poll() is not None:
        return
    _signal(process, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    """To all that it has started, too: a shell that is killed leaves the programs that it waits for behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _too_long(argv: Sequence[str], limit: Limit) -> TrainyardError:
    return TrainyardError(
        f"{argv[0]} {argv[1]} took longer than {limit.seconds} s and was stopped",
        f"set {limit.setting} to allow more seconds",
        EXIT_FAILED,
    )


def _failed(argv: Sequence[str], output: str, causes: Causes = ()) -> TrainyardError:
    reason = _last_lines(output.strip())
    return _kind(reason, causes)(f"{argv[0]} {argv[1]} failed: {reason}", exit_code=EXIT_FAILED)


def _kind(reason: str, causes: Causes) -> type[TrainyardError]:
    return next((kind for pattern, kind in causes if pattern.search(reason)), TrainyardError)


def _last_lines(output: str, count: int = 3) -> str:
    return " / ".join(line.strip() for line in output.splitlines()[-count:] if line.strip())
