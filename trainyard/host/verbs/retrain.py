"""make retrain-service, retrain-token, retrain: training on request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.operations.serve import base_url
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.verbs.env_file import with_env_file
from trainyard.settings.own_process import callers_environment
from trainyard.settings.retrain import ClientSettings, JobIdSettings, RetrainSettings
from trainyard.settings.scaffold import ScaffoldSettings

_MOST = 1 << 20  # bytes of what the service hands to a job's process


def retrain_service(session: Session, _: Path) -> None:
    """Take jobs on RETRAIN_PORT until Ctrl-C; with DETACH=1 in the background."""
    from trainyard.host.retrain.service.running import check_bind, run_service
    from trainyard.host.retrain.work.job_log import lose_lines_where_the_disk_is_full
    from trainyard.host.verbs.track import ensure_tracker

    session = with_env_file(session)
    if session.commands.dry_run:
        settings = RetrainSettings.read()
        console.result(f"uvicorn on {session.settings.bind}:{settings.port}, {settings.jobs} jobs at once")
        return
    ensure_tracker(session)
    settings = RetrainSettings.read()
    if not session.settings.detach:
        lose_lines_where_the_disk_is_full()
        run_service(session, settings)
        return
    from trainyard.host.retrain.service import background

    if process := background.holder(session):
        session.reporter.step(f"The retrain service runs already (process {process}); make retrain-stop ends it")
        return
    check_bind(session, settings)
    url = base_url(session.settings.bind, settings.port)
    background.start(session, url)
    session.reporter.step(f"Jobs are taken at {url}; make retrain-stop ends it")


def retrain_stop(session: Session, _: Path) -> None:
    """End the service; jobs that run begin again with the next one."""
    from trainyard.host.retrain.service import background

    if session.commands.dry_run:
        console.result(f"kill {background.holder(session) or ''}".rstrip())
    elif background.stop(session):
        session.reporter.step("Stopped the retrain service")
    else:
        session.reporter.step("No retrain service of this monorepo runs")


def retrain_job(session: Session, _: Path) -> None:
    """Carry out one job; the service calls it."""
    from trainyard.host.retrain.jobs.database import open_database
    from trainyard.host.retrain.jobs.job_store import JobStore
    from trainyard.host.retrain.work.job_log import lose_lines_where_the_disk_is_full
    from trainyard.host.retrain.work.job_process import carry_out

    lose_lines_where_the_disk_is_full()
    secret = str(json.loads(sys.stdin.buffer.read(_MOST) or b"{}").get("secret", ""))
    settings = RetrainSettings.read()
    store = JobStore(open_database(settings.database, session.repository.state))
    carry_out(session, store, settings, JobIdSettings.read().run_id, secret)


def retrain_token(session: Session, _: Path) -> None:
    """Print a new token for NAME; EXPIRES=0 revokes it."""
    from trainyard.host.retrain.jobs.database import open_database
    from trainyard.host.retrain.tokens import TokenStore

    session = with_env_file(session)  # it may name the database
    given = ClientSettings.read(session.repository.overrides)
    name = ScaffoldSettings.read(session.repository.overrides).name
    if not name:
        raise TrainyardError("NAME is not set: nobody to make a token for", "make retrain-token NAME=<who>")
    if session.commands.dry_run:
        console.result(f"a token for {name}: scope {given.scope}, valid for {given.expires}")
        return
    tokens = TokenStore(open_database(RetrainSettings.read().database, session.repository.state))
    if given.expires == "0":
        if not tokens.revoke(name):
            raise TrainyardError(f"there is no token {name}", "")
        session.reporter.step(f"The token {name} is revoked")
        return
    token = tokens.make(name, given.scope, given.expires)
    session.reporter.step(f"{name} may {given.scope}, for {given.expires}; nobody can see the token again:")
    console.result(token)


def retrain(session: Session, _: Path) -> None:
    """Ask the service at RETRAIN_URL to train MODEL again; WAIT=1 stays until that is over."""
    from trainyard.host.retrain.client import Client

    given = ClientSettings.read(callers_environment())
    own = ClientSettings.read(session.repository.overrides)
    model = ScaffoldSettings.read(session.repository.overrides).model
    if not model:
        raise TrainyardError("MODEL is not set: nothing to train", "make retrain MODEL=<project>/<model>")
    body: dict[str, Any] = {"model": model.removeprefix("projects/").rstrip("/"), "commit_hash": own.commit}
    if compute := session.repository.overrides.get("COMPUTE"):
        body["compute"] = compute
    if own.deploy:
        body["deploy"] = True
    if session.commands.dry_run:
        console.result(f"POST {given.url}/retrain {json.dumps(body)}")
        return
    client = Client(given.url, given.token, session.settings.request_timeout)
    job = client.submit(body)
    session.reporter.step(f"Job {job['id']}: {job['url']}")
    if own.wait:
        _wait(session, client, job["id"])


def _wait(session: Session, client: Any, job_id: str) -> None:
    job = client.wait(job_id, session.reporter.line)
    if job["state"] != "succeeded":
        raise TrainyardError(f"job {job_id} has {job['state']}: {job['reason']}", "", EXIT_FAILED)
    became = "is the champion" if job["promoted"] else "is not the champion"
    session.reporter.step(f"Version {job['version']} {became}: {job['reason']}")
