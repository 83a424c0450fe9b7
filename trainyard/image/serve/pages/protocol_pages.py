"""What other protocols ask besides predictions: health, readiness, and what the models are."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from werkzeug.exceptions import MethodNotAllowed

from trainyard import __version__
from trainyard.image.serve.application import Application
from trainyard.image.serve.content_encoding import unpacked
from trainyard.image.serve.dialects.model_names import PREFIX, FoundModel, version_of
from trainyard.image.serve.dialects.open_inference import output_tensors
from trainyard.image.serve.dialects.tensor_rows import datatype_of
from trainyard.image.serve.pages.health import every_route, unready
from trainyard.image.serve.pages.peer_facts import peer_facts
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.prediction.message_body import parse
from trainyard.image.serve.prediction.page_values import page_json
from trainyard.image.serve.request import JSON_TYPE
from trainyard.settings.image import ImageSettings

# Of the Open Inference Protocol, of SageMaker; of Vertex AI as it says.
LIVE, READY, PING = "/v2/health/live", "/v2/health/ready", "/ping"
INDEX = "/v2/repository/index"


def health_paths(settings: ImageSettings) -> frozenset[str]:
    """The paths by which a platform asks whether this server is ready: they say nothing of the models."""
    of_vertex = settings.aip_health_route.rstrip("/") or settings.aip_health_route
    return frozenset({LIVE, READY, PING, of_vertex} - {""})


def add_protocol_pages(application: Application, settings: ImageSettings) -> None:
    """Add them to the application's Flask; a route of the image at such a path comes first."""
    flask = application.flask
    pages = {path: lambda: _ready(application) for path in health_paths(settings)}
    pages[LIVE] = lambda: _json({"live": True})
    pages["/v2"] = _server
    pages[PREFIX.rstrip("/")] = lambda: _json({"models": application.every_path})
    for path, page in pages.items():
        flask.add_url_rule(path, f"GET {path}".replace(".", "_"), page, methods=["GET"])
    flask.add_url_rule(INDEX, "repository", lambda: _repository(application, settings), methods=["POST"])
    flask.add_url_rule(f"{PREFIX}<path:_name>", "model", lambda _name: _model(application), methods=["GET"])


def _json(value: Any, status: int = 200) -> Response:
    return Response(page_json(value), status=status, mimetype=JSON_TYPE)


def _ready(application: Application) -> Response:
    """Without reasons, which name models: ``/readyz`` and the model's own readiness have them."""
    is_ready = all(facts["ready"] for facts in every_route(application).values())
    return _json({"ready": is_ready}, 200 if is_ready else 503)


def _server() -> Response:
    return _json({"name": "trainyard", "version": __version__, "extensions": ["binary_tensor_data"]})


def _repository(application: Application, settings: ImageSettings) -> Response:
    """``POST /v2/repository/index`` of Triton's model repository extension."""
    encoding = request.headers.get("Content-Encoding", "").encode("latin-1")
    body = unpacked(request.get_data(), encoding, settings.max_body_mb << 20)
    asked = parse(body) if body.strip() else {}
    only_ready = isinstance(asked, dict) and asked.get("ready") is True
    silent = [_index_entry(path, "", reason) for path, reason in peer_facts().silent.items()]
    entries = [entry for group in (index_entries(application), *peer_facts().facts, silent) for entry in group]
    entries.sort(key=lambda entry: application.every_path.index(entry["name"]))
    return _json([entry for entry in entries if not (entry["reason"] and only_ready)])


def index_entries(application: Application) -> list[dict[str, str]]:
    """Of the routes that this process answers."""
    reasons = unready(application)
    return [
        _index_entry(endpoint.route.path, version_of(endpoint), reasons.get(endpoint.route.path, ""))
        for endpoint in application.endpoints
    ]


def _index_entry(path: str, version: str, reason: str) -> dict[str, str]:
    state = "UNAVAILABLE" if reason else "READY"
    return {"name": path, **({"version": version} if version else {}), "state": state, "reason": reason}


def _model(application: Application) -> Response:
    """All below ``/v2/models/`` but predictions."""
    found = application.others.names.find(request.environ.get("RAW_URI", request.path))
    if found.operation == "infer":
        raise MethodNotAllowed(valid_methods=["POST"])
    return _model_ready(application, found) if found.operation == "ready" else _json(metadata(found))


def _model_ready(application: Application, found: FoundModel) -> Response:
    reason = unready(application).get(found.endpoint.route.path, "")
    answer: dict[str, Any] = {"name": found.name, "ready": not reason}
    return _json(answer | ({"error": reason} if reason else {}), 503 if reason else 200)


def metadata(found: FoundModel) -> dict[str, Any]:
    """The model's metadata: its columns as inputs; as outputs what its sample was answered with."""
    version = version_of(found.endpoint)
    return {
        "name": found.name,
        **({"versions": [version]} if version else {}),
        "platform": "trainyard",
        "inputs": _inputs(found.endpoint),
        "outputs": [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": [-1, *tensor.shape[1:]]}
            for tensor in output_tensors(found.endpoint.sample_answer).values()
        ],
    }


def _inputs(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Where the record names no columns, one tensor of rows: its datatype is a suggestion, others are taken, too."""
    if endpoint.schema is None:
        return [{"name": "instances", "datatype": "FP64", "shape": [-1, -1]}]
    return [
        {
            "name": column.name,
            "datatype": datatype_of(column),
            "shape": [-1],
        }
        for column in endpoint.schema.columns
    ]
