"""One trial of a tuning: a training in a process of its own, of which nothing stays but its metrics."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from trainyard.contract.environment import read_environment
from trainyard.errors import TrainyardError
from trainyard.image.serve.shared.kernel import end_with_parent
from trainyard.image.train.payload import dataset_of, read_payload
from trainyard.image.train.runner import as_text, call
from trainyard.image.train.staging import Staging
from trainyard.image.user_code import ENVIRONMENT_FILE, training_target

ORDER, ANSWER = "order.json", "answer.json"  # in the staging folder, beside its view


@dataclass(frozen=True)
class Order:
    """What one trial is to do; ``run`` is the name of its folder below runs/."""

    trial: int
    run: str
    payload: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str | bytes) -> Order:
        found = json.loads(text)
        return cls(int(found["trial"]), str(found["run"]), found["payload"])

    def dump(self) -> str:
        return json.dumps({"trial": self.trial, "run": self.run, "payload": self.payload})


def set_apart(log: Path) -> None:
    """Make this fresh process independent of the worker's terminal, standard input and signals."""
    os.setsid()  # so that what the function starts can be ended with it
    if sys.platform == "linux":
        end_with_parent()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for descriptor, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    for descriptor in {nothing, output} - {0, 1, 2}:
        os.close(descriptor)


def carry_out(staged: Staging, order: Order) -> NoReturn:
    """Train in the staged view, leave the answer beside it, and end this process."""
    started = time.perf_counter()
    answer: dict[str, Any] = {}
    try:
        message = read_payload(json.dumps(order.payload))
        dataset_of(message.payload, staged.sources)
        target = training_target(read_environment(staged.sources / ENVIRONMENT_FILE))
        started = time.perf_counter()
        result = call(staged, target, message)
        answer["seconds"] = time.perf_counter() - started
        answer["metrics"] = metrics_of(result.get("metrics")) if isinstance(result, Mapping) else {}
        if result is not None:
            print(as_text(result))
    except TrainyardError as error:
        print(f"error: {error}", file=sys.stderr)
        answer["error"] = str(error)
    except BaseException as error:  # noqa: BLE001 -- the user's function, which may raise anything
        traceback.print_exception(error)
        answer["error"] = " ".join(traceback.format_exception_only(error)[-1].split())
    answer.setdefault("seconds", time.perf_counter() - started)
    _leave(staged.view.parent, answer)


def carry_out_alone(folder: Path) -> NoReturn:
    """The same in a process that has imported nothing yet: the order lies in the staging folder."""
    if sys.platform == "linux":
        end_with_parent()
    order = Order.parse((folder / ORDER).read_bytes())
    carry_out(Staging(folder.parent.parent, folder, str(order.payload.get("model_name") or "")), order)


def metrics_of(found: Any) -> dict[str, float]:
    """The numbers among the values of a mapping; none where it is no mapping."""
    metrics = {}
    for name, value in found.items() if isinstance(found, Mapping) else ():
        try:
            metrics[str(name)] = float(value)
        except (TypeError, ValueError, OverflowError):
            continue  # a confusion matrix, a name: nothing that trials could be compared by
    return metrics


def _leave(folder: Path, answer: Mapping[str, Any]) -> NoReturn:
    status = 0
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        (folder / ANSWER).write_text(json.dumps(answer))
    except OSError:  # a full disk: the worker finds no answer
        status = 1
    finally:
        os._exit(status)  # a fork of the worker must not do what the worker does at its end
