"""Whether every route can answer: one function, whatever protocol asks; and the pages that say it, and the metrics."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import NotFound

from trainyard.image.serve.application import Application
from trainyard.image.serve.pages.peer_facts import peer_facts
from trainyard.image.serve.prediction.page_values import page_json
from trainyard.image.serve.request import JSON_TYPE
from trainyard.image.serve.shared.outages import Outage

DRAINING_REASON = "this server is being stopped"


def unready(application: Application) -> dict[str, str]:
    """Why, by route, it cannot answer; empty where every model is loaded and its sample has been predicted."""
    reasons = {endpoint.route.path: endpoint.reason for endpoint in application.endpoints if endpoint.reason}
    common = application.common
    if common is None:
        return reasons
    if common.is_draining:
        return dict.fromkeys(application.paths, DRAINING_REASON)
    outages = ((path, Outage(common.board, common.own, path).reason) for path in application.paths)
    return reasons | {path: reason for path, reason in outages if reason}


def add_health_pages(flask: Flask, application: Application) -> None:
    """``/health`` and ``/livez``: the process serves. ``/readyz``: the models can be asked. ``/metrics``."""
    for path in ("/health", "/livez"):
        flask.add_url_rule(path, path, lambda: _json({"status": "ok"}), methods=["GET"])
    flask.add_url_rule("/readyz", "readyz", lambda: _readyz(application), methods=["GET"])
    flask.add_url_rule("/readyz/<path:route>", "readyz_route", lambda route: _readyz(application, route))
    flask.add_url_rule("/metrics", "metrics", lambda: _metrics(application), methods=["GET"])


def _readyz(application: Application, only: str | None = None) -> Response:
    """For each route: the version that answers, and why it does not, or why a newer one was refused, and warnings."""
    routes = every_route(application) if only is None else route_facts(application)
    if only is not None:
        routes = {path: facts for path, facts in routes.items() if path == only.strip("/")}
    if not routes:
        raise NotFound
    is_ready = all(facts["ready"] for facts in routes.values())
    return _json({"ready": is_ready, "routes": routes}, 200 if is_ready else 503)


def every_route(application: Application) -> dict[str, dict[str, Any]]:
    """What is known of each route of the server; a group of models that does not answer is not ready."""
    known = route_facts(application)
    for facts in peer_facts().facts:
        known |= facts
    for path, reason in peer_facts().silent.items():
        known[path] = {"ready": False, "version": None, "reason": reason}
    return {path: known[path] for path in application.every_path if path in known}


def route_facts(application: Application) -> dict[str, dict[str, Any]]:
    """What is known of the routes that this process answers."""
    reasons = unready(application)
    refused = application.common.board.read_state().refused if application.common else {}
    routes = {}
    for endpoint in application.endpoints:
        path = endpoint.route.path
        facts: dict[str, Any] = {"ready": path not in reasons, "version": endpoint.version or None}
        if path in reasons:
            facts["reason"] = reasons[path]
        if path in refused:
            facts["refused"] = refused[path]
        if endpoint.warning:
            facts["warning"] = endpoint.warning
        routes[path] = facts
    return routes


def _metrics(application: Application) -> Response:
    from trainyard.image.serve.pages.exposition import CONTENT_TYPE, exposition, families

    if application.common is None:  # no workers, nothing counted
        raise NotFound
    return Response(
        exposition([families(application), *peer_facts().facts], peer_facts().silent), content_type=CONTENT_TYPE
    )


def _json(value: Any, status: int = 200) -> Response:
    return Response(page_json(value), status=status, mimetype=JSON_TYPE)
