"""The last step of a job with ``deploy``: the server that follows the champion serves the new one.

The server swaps by itself (make predict VERSION=champion); here that is waited for, and looked at.
"""

from __future__ import annotations

import time

from trainyard.contract.champion_rule import PROMOTED
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.run_files import Run
from trainyard.host.network import http_client
from trainyard.host.operations.session import Session
from trainyard.host.support.command import Limit

_LOOK = 0.2  # seconds between two looks at what the server serves


def deploy(session: Session, run: Run, limit: Limit, named: str = "") -> None:
    """Wait until every server of the run's model on this machine serves it, and those that ``named`` has
    (RETRAIN_SERVED); nothing where it is not the champion.

    Raises:
        TrainyardError: there is no server of the model, or it does not serve the new one in time.
    """
    if run.tags.get(PROMOTED) != "true":
        session.reporter.step("The champion stays: there is nothing to deploy")
        return
    urls = [*_servers(session, run.model), *named_servers(named, run.model)]
    if not urls:
        raise TrainyardError(
            f"no server of {run.model} runs here: version {run.tags['version']} is the champion, and nobody serves it",
            "start one: make predict VERSION=champion DETACH=1, or name one: RETRAIN_SERVED=", EXIT_FAILED,
        )  # fmt: skip
    deadline = time.monotonic() + limit.seconds
    for url in urls:
        while not _serves(url, run.tags.get("sha256", "")):
            if time.monotonic() > deadline:
                raise TrainyardError(
                    f"{url} does not serve version {run.tags['version']} after {limit.seconds} s",
                    f"start it with VERSION=champion, see make logs; {limit.setting} allows more", EXIT_FAILED,
                )  # fmt: skip
            time.sleep(_LOOK)
        session.reporter.step(f"{url} serves version {run.tags['version']}")


def _servers(session: Session, model: str) -> list[str]:
    """Where the servers of a model listen."""
    root = str(session.repository.root)
    found = (server for engine in session.engines() for server in engine.runner.running())
    return [f"http://127.0.0.1:{server.port}" for server in found if server.root == root and server.model == model]


def named_servers(named: str, model: str) -> list[str]:
    """The servers of a model among those that RETRAIN_SERVED names.

    Raises:
        TrainyardError: it does not name servers.
    """
    found = []
    for entry in named.split():
        name, _, url = entry.partition("=")
        if not name or not url.startswith(("http://", "https://")):
            raise TrainyardError(
                f"RETRAIN_SERVED: {entry} names no server", "say <project>/<model>=http://host:port", EXIT_FAILED
            )
        if name == model:
            found.append(url.rstrip("/"))
    return found


def _serves(url: str, sha256: str) -> bool:
    try:
        routes = http_client.routes(url)
    except TrainyardError:  # it may be starting again: the time limit is ours
        return False
    return any(sha256.startswith(version) for route in routes for version in route.version.split("+") if version)
