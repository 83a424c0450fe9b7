"""What other protocols ask besides predictions: health, readiness, and what the models are."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from werkzeug.exceptions import MethodNotAllowed

from trainyard import __version__
from trainyard.serve.application import Application
from trainyard.serve.dialects.model_names import PREFIX, FoundModel, version_of
from trainyard.serve.dialects.open_inference import output_tensors
from trainyard.serve.pages.health import unready
from trainyard.serve.prediction.codec import JSON
from trainyard.serve.prediction.endpoint import Endpoint
from trainyard.serve.prediction.message_body import parse
from trainyard.serve.request import JSON_TYPE
from trainyard.settings import ImageSettings

# Of the Open Inference Protocol, of SageMaker; of Vertex AI as it says.
LIVE, READY, PING = "/v2/health/live", "/v2/health/ready", "/ping"


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
    pages[PREFIX.rstrip("/")] = lambda: _json({"models": [endpoint.route.path for endpoint in application.endpoints]})
    for path, page in pages.items():
        flask.add_url_rule(path, f"GET {path}".replace(".", "_"), page, methods=["GET"])
    flask.add_url_rule("/v2/repository/index", "repository", lambda: _repository(application), methods=["POST"])
    flask.add_url_rule(f"{PREFIX}<path:_name>", "model", lambda _name: _model(application), methods=["GET"])


def _json(value: Any, status: int = 200) -> Response:
    return Response(JSON.dumps(value), status=status, mimetype=JSON_TYPE)


def _ready(application: Application) -> Response:
    """Without reasons, which name models: ``/readyz`` and the model's own readiness have them."""
    is_ready = not unready(application)
    return _json({"ready": is_ready}, 200 if is_ready else 503)


def _server() -> Response:
    return _json({"name": "trainyard", "version": __version__, "extensions": ["binary_tensor_data"]})


def _repository(application: Application) -> Response:
    """``POST /v2/repository/index`` of Triton's model repository extension."""
    asked = parse(request.get_data()) if request.get_data().strip() else {}
    only_ready = isinstance(asked, dict) and asked.get("ready") is True
    reasons = unready(application)
    found = []
    for endpoint in application.endpoints:
        reason = reasons.get(endpoint.route.path, "")
        if not (reason and only_ready):
            state = "UNAVAILABLE" if reason else "READY"
            version = {"version": version_of(endpoint)} if version_of(endpoint) else {}
            found.append({"name": endpoint.route.path, **version, "state": state, "reason": reason})
    return _json(found)


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
            "datatype": "BYTES" if not column.is_number else "INT64" if column.is_integer else "FP64",
            "shape": [-1],
        }
        for column in endpoint.schema.columns
    ]
