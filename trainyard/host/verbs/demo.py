"""make demo: the main job in one command, on a project of the repository. Its details are in a log."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from trainyard.contract.records import read_record
from trainyard.errors import EXIT_FAILED, ModelUnavailable, TrainyardError
from trainyard.host.experiments.config import read_config
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.repository import all_members
from trainyard.host.network import http_client as client
from trainyard.host.operations.build import all_image
from trainyard.host.operations.endpoint import judge, read_sample
from trainyard.host.operations.serve import served_url
from trainyard.host.operations.servers import stop
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import train
from trainyard.host.support import console
from trainyard.host.support.tables import table
from trainyard.host.verbs.predict import predict_all

LOG = "demo.log"  # in .trainyard/
LAST_LINES = 10  # of it, where something fails
REQUESTS = 50  # one after the other to each route, for the latency column


def demo(session: Session, folder: Path) -> None:
    """Train every model of an ``all/`` folder, serve them together, ask each route, show a table, stop.

    Raises:
        TrainyardError: what did not work, after all the rest was tried.
    """
    models = [session.repository.model(path) for path in all_members(folder, session.repository)]
    served = replace(session, settings=replace(session.settings, detach=True))
    if session.commands.dry_run:
        for model in models:
            train(session, model)
        predict_all(served, folder)
        return
    log = session.repository.state / LOG
    log.parent.mkdir(exist_ok=True)
    log.write_text("")
    session.reporter.step(
        f"{len(models)} models, by the {session.engine.name} engine; details are in {session.short(log)}"
    )
    problems = _train(session, models, log)
    try:
        session.reporter.step("Serving them together ...")
        with _into(session, log):
            predict_all(served, folder)
        problems += _ask(session, models)
    except TrainyardError as error:
        problems.append(str(error))
    finally:
        if not session.settings.keep:
            stop(session, all_image(session, folder))
    if session.settings.keep:
        session.reporter.step(
            f"The server runs on, with a page at {served_url(session.settings)}/; stop it with make stop"
        )
    if problems:
        raise TrainyardError("; ".join(problems), f"see {session.short(log)}", EXIT_FAILED)


def _train(session: Session, models: list[ModelDir], log: Path) -> list[str]:
    """Train each; what went wrong."""
    problems = []
    for number, model in enumerate(models, start=1):
        started = time.monotonic()
        session.reporter.step(f"[{number}/{len(models)}] Training {model.name} ...")
        try:
            with _into(session, log):
                train(session, model)
        except TrainyardError as error:
            problems.append(f"{model.name}: {error}")
            continue
        session.reporter.step(
            f"[{number}/{len(models)}] {model.model_name}: {_metric(model)}{time.monotonic() - started:.1f} s"
        )
    return problems


def _metric(model: ModelDir) -> str:
    """The metric that decides about the champion, as the record has it."""
    name = read_config(model.path).metric
    with contextlib.suppress(ModelUnavailable):
        value = ((read_record(model.binary, links=False) or {}).get("metrics") or {}).get(name)
        return f"{name} {value:.4g}, " if isinstance(value, float) else ""
    return ""


@contextlib.contextmanager
def _into(session: Session, log: Path) -> Iterator[None]:
    """What this process and its programs print goes into the log; the end of it is shown where something fails."""
    size = log.stat().st_size
    kept = [os.dup(number) for number in (1, 2)]
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        yield
    except BaseException:
        _back(kept)
        for line in log.read_bytes()[size:].decode(errors="replace").splitlines()[-LAST_LINES:]:
            session.reporter.line(f"    {line}")
        raise
    else:
        _back(kept)


def _back(kept: list[int]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    for number, copy in zip((1, 2), kept, strict=True):
        os.dup2(copy, number)
        os.close(copy)


def _ask(session: Session, models: list[ModelDir]) -> list[str]:
    """Ask each route, show a table; what is wrong with the answers."""
    rows: list[tuple[str, ...]] = [("ROUTE", "STATUS", "PREDICTIONS", "MEDIAN", "P99")]
    problems = []
    for model in models:
        body, instances = read_sample(model)
        for route in model.routes:
            url = f"{served_url(session.settings)}/{route.path}"
            answers = [
                client.post(url, body, session.settings.request_timeout, session.settings.api_token)
                for _ in range(REQUESTS)
            ]
            problems += [f"{route.path}: {problem}" for problem in {judge(a, instances) for a in answers} if problem]
            times = sorted(answer.seconds * 1000 for answer in answers)
            shown = _predictions(answers[-1])
            row = (f"/{route.path}", str(answers[-1].status), shown)
            rows.append((*row, f"{statistics.median(times):.2f} ms", f"{times[int(len(times) * 0.99)]:.2f} ms"))
    for line in table(rows):
        console.result(line)
    console.result(f"served at {served_url(session.settings)} by the {session.engine.name} engine")
    return problems


def _predictions(answer: client.Answer) -> str:
    payload = answer.body.get("payload", {}) if isinstance(answer.body, dict) else {}
    text = json.dumps(payload.get("predictions", payload))
    return text if len(text) <= 40 else text[:37] + "..."
