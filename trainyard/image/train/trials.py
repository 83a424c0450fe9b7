"""``run trials``: a worker of ``make tune``. It imports the train function once, then forks a process for each trial.

It reads lines of JSON, what to do, and writes lines of JSON, what was done:

    < {"trial": 7, "run": "<folder below runs/>", "payload": {...}}     > {"ready": true, "forks": true}
    < {"end": 7}                                                        > {"trial": 7, "metrics": {...}, "seconds": 1.2}
                                                                        > {"trial": 8, "error": "...", "seconds": 0.1}

What the train function prints goes to the trial's log. Trials run in the worker's one staged view, also while the
module is imported: a path that it makes absolute then leads to the staged ``models/``, as it does in a training. At
the end of standard input the one who tunes is gone, and so is the worker. ``run trials sending``: the folders of runs
are on another machine (``sent_trials.py``).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from trainyard.contract.data_parts import MEASURED_ON
from trainyard.contract.environment import read_environment
from trainyard.contract.model_files import declared_files
from trainyard.contract.run_folder import LOG, MOUNT, MOUNT_OF_ALL
from trainyard.image.serve.shared import kernel
from trainyard.image.train.completing_records import own_record, own_records
from trainyard.image.train.sent_trials import LOOK, SentTrial
from trainyard.image.train.staging import Staging, Stamps, own_stamps, staging
from trainyard.image.train.trial import ANSWER, ORDER, Order, carry_out, metrics_of, set_apart
from trainyard.image.user_code import ENVIRONMENT_FILE, prepare_path, resolve, training_target

CHUNK = 1 << 16


def work(sources: Path, *, sending: bool = False) -> None:
    """Work until standard input ends.

    Raises:
        TrainyardError: the train function cannot be imported, or ``models/`` cannot be written.
    """
    reports = os.dup(1)
    os.dup2(2, 1)  # what is printed while the module is imported is no report
    environment = read_environment(sources / ENVIRONMENT_FILE)
    with staging(sources, "", declared_files(environment)) as staged:
        target = training_target(environment)
        prepare_path(sources)
        os.chdir(staged.view)
        try:
            resolve(target, sources)
            sys.stdout.flush()  # what a fork finds in the buffer, it would say once more
            Worker(staged, reports, sending=sending).work()
        finally:
            os.chdir(sources)


class Worker:
    """Carries out one trial after the other."""

    def __init__(self, staged: Staging, reports: int, *, sending: bool) -> None:
        self._staged = staged
        self._reports = reports
        self._sending = sending
        self._sent: SentTrial | None = None
        self._order: Order | None = None
        self._child = 0
        self._before: Stamps = {}
        # Locks that other threads of a library hold stay locked in a fork: then each trial imports anew.
        self._forks = not kernel.has_proc() or kernel.thread_count() == 1

    def work(self) -> None:
        woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only so that it wakes us
        self._report(ready=True, forks=self._forks)
        rest = b""
        try:
            while True:
                readable, _, _ = select.select([0, woken], [], [], LOOK if self._sent else None)
                if self._sent:
                    self._sent.look()
                if woken in readable:
                    os.read(woken, CHUNK)
                    self._look_after_child()
                if 0 in readable:
                    if not (received := os.read(0, CHUNK)):
                        return
                    *lines, rest = (rest + received).split(b"\n")
                    for line in lines:
                        self._do(json.loads(line), line)
        finally:
            self._end_child()

    def _do(self, wanted: dict[str, Any], line: bytes) -> None:
        if "end" not in wanted:
            self._start(Order.parse(line))
        elif self._order and self._order.trial == wanted["end"]:
            self._end_child()

    def _start(self, order: Order) -> None:
        self._order = order
        name = str(order.payload.get("model_name") or "")
        try:
            self._prepare(order, name)
            self._before = self._stamps(name)
            self._child = self._fork(order) if self._forks else self._spawn()
        except OSError as error:
            self._answer({"error": f"{error.filename or 'the trial'}: {error.strerror or error}"})

    def _prepare(self, order: Order, model_name: str) -> None:
        staged = self._staged
        staged.renew(model_name)
        runs = staged.sources / MOUNT_OF_ALL
        self._sent = SentTrial(runs, order.run, self._write) if self._sending else None
        link = staged.view / MOUNT
        link.unlink(missing_ok=True)
        link.symlink_to(runs / order.run)
        (staged.view.parent / ANSWER).unlink(missing_ok=True)
        if not self._forks:
            (staged.view.parent / ORDER).write_text(order.dump())

    def _fork(self, order: Order) -> int:
        state = random.getstate()  # which Python changes in a fork; a module may have seeded it
        if child := os.fork():
            return child
        try:
            os.close(self._reports)
            set_apart(self._staged.view / MOUNT / LOG)
            random.setstate(state)
            carry_out(self._staged, order)
        except BaseException:  # noqa: BLE001 -- a fork must not go on as if it were the worker
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)

    def _spawn(self) -> int:
        log = str(self._staged.view / MOUNT / LOG)
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        argv = [sys.executable, "-P", "-m", "trainyard.image.train", "trial", str(self._staged.view.parent)]
        return os.posix_spawn(sys.executable, argv, os.environ, file_actions=files, setsid=True)

    def _look_after_child(self) -> None:
        if not self._child:
            return
        ended, status = os.waitpid(self._child, os.WNOHANG)
        if ended:
            self._ended(status)

    def _end_child(self) -> None:
        """Nothing of a trial is kept, so it needs no time to clean up."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            self._ended(os.waitpid(self._child, 0)[1])

    def _ended(self, status: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child, signal.SIGKILL)  # what the function has started and left behind
        self._child = 0
        try:
            answer = json.loads((self._staged.view.parent / ANSWER).read_bytes())
        except (OSError, ValueError):
            answer = {"error": _how_it_ended(status, there=self._sending)}
        self._answer(answer)

    def _answer(self, answer: dict[str, Any]) -> None:
        order = self._order
        self._order = None
        if not order:
            return
        name = str(order.payload.get("model_name") or "")
        staged = self._staged
        with contextlib.suppress(OSError, ValueError):
            records = own_records(staged.models, [path.name for path in staged.written()], name)
            own = own_record(staged.models, name, records)
            answer["metrics"] = {**answer.get("metrics", {}), **metrics_of(own.get("metrics"))}
            answer[MEASURED_ON] = own.get(MEASURED_ON)
        if self._stamps(name) != self._before:
            answer["touched"] = True  # by an absolute path; or somebody trains meanwhile
        if self._sent:
            self._sent.end()
            self._sent = None
        self._report(trial=order.trial, **answer)

    def _stamps(self, model_name: str) -> Stamps:
        return own_stamps(self._staged.sources / "models", model_name, self._staged.declared)

    def _report(self, **report: Any) -> None:
        self._write((json.dumps(report) + "\n").encode())

    def _write(self, content: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # then standard input ends, too
            while content:
                content = content[os.write(self._reports, content) :]


def _how_it_ended(status: int, *, there: bool) -> str:
    """``there``: on a compute."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"the train function ended its process (status {code})"
    hint = ": is there too little memory?" if code == -signal.SIGKILL else ""
    more = " resources.memory in compute.yaml allows more" if hint and there else ""
    return f"killed by {signal.Signals(-code).name}{hint}{more}"
