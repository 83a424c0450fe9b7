"""make demo: the main job in one command, on a project of the repository."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path

from trainyard import client, console
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.model_dir import ModelDir
from trainyard.repository import all_members
from trainyard.verbs.build import all_image, build_model
from trainyard.verbs.endpoint import judge, read_sample
from trainyard.verbs.inventory import table
from trainyard.verbs.run import predict_all, stop
from trainyard.verbs.serving import served_url
from trainyard.verbs.session import Session
from trainyard.verbs.train import train

REQUESTS = 50  # one after the other to each route, for the latency column


def demo(session: Session, folder: Path) -> None:
    """Build and train every model of an ``all/`` folder, serve them together, ask each route, show a table, stop."""
    models = [session.repository.model(path) for path in all_members(folder, session.repository)]
    for number, model in enumerate(models, start=1):
        console.step(f"[{number}/{len(models)}] {model.name}")
        build_model(session, model, "train")
        train(session, model)
    served = replace(session, settings=replace(session.settings, detach=True))
    try:
        predict_all(served, folder)
        if session.commands.dry_run:
            return
        rows, problems = _ask(session, models)
        for line in table(rows):
            console.result(line)
        console.result(f"served at {served_url(session.settings)} by the {session.engine.name} engine")
    finally:
        if not session.settings.keep:
            stop(session, all_image(session, folder))
    if session.settings.keep:
        console.step("The server runs on; stop it with make stop")
    if problems:
        raise TrainyardError("; ".join(problems), "see the log above", EXIT_FAILED)


def _ask(session: Session, models: list[ModelDir]) -> tuple[list[tuple[str, ...]], list[str]]:
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
    return rows, problems


def _predictions(answer: client.Answer) -> str:
    payload = answer.body.get("payload", {}) if isinstance(answer.body, dict) else {}
    text = json.dumps(payload.get("predictions", payload))
    return text if len(text) <= 40 else text[:37] + "..."
