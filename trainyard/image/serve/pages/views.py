"""The pages as Flask views: ``/``, ``/docs``, ``/openapi.json``, and their style sheet and script below ``/docs/``.

Everything is bundled, and rendered by Jinja with escaping on: names and values come from users' files. The security
policy of the pages allows neither inline scripts nor other hosts, so a name that got through would still do nothing.
"""

from __future__ import annotations

import functools
import json
import logging
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from trainyard import __version__
from trainyard.contract.data_parts import MEASURED_ON
from trainyard.image.serve.application import Application
from trainyard.image.serve.pages.openapi import document, parts, sample_of
from trainyard.image.serve.pages.peer_facts import peer_facts
from trainyard.image.serve.pages.row_schemas import what_training_saw
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.prediction.opened_models import ServedModel
from trainyard.image.serve.prediction.page_values import page_json, presentable
from trainyard.image.serve.request import JSON_TYPE

LOG = logging.getLogger("trainyard.serve")
FOLDER = Path(__file__).parent
ASSETS = {"style.css": "text/css", "index.js": "text/javascript", "icon.svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SHOWN_CATEGORIES = 16  # of one column on the front page; the API page has more
HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def add_pages(flask: Flask, application: Application) -> None:
    """Let ``flask`` answer the pages of an application."""

    def index() -> Response:
        base = f"{request.host_url.rstrip('/')}{request.script_root}"
        return _page("index.html", cards=_every_card(application), shown=SHOWN_CATEGORIES, base=base)

    def described() -> dict[str, Any]:
        return document(
            [parts(application), *peer_facts().facts], peer_facts().silent, application.every_path, request.script_root
        )

    def docs() -> Response:
        return _page("docs.html", document=described())

    def openapi() -> Response:
        return Response(page_json(described()), mimetype=JSON_TYPE, headers=HEADERS)

    views: dict[str, Callable[[], Response]] = {"/": index, "/docs": docs, "/openapi.json": openapi}
    for path, view in views.items():
        flask.add_url_rule(path, f"page {path}".replace(".", "_"), view, methods=["GET"])
    for name in ASSETS:
        view = functools.partial(_asset, name)
        flask.add_url_rule(f"/docs/{name}", f"asset {name}".replace(".", "_"), view, methods=["GET"])


@dataclass(frozen=True)
class ModelFacts:
    """What the front page says of a model."""

    name: str
    version: str
    trained: str
    dataset: str
    metrics: tuple[tuple[str, str], ...]
    measured_on: str
    assets: str = ""  # which published ones it is, and where they were


def cards(application: Application) -> list[dict[str, Any]]:
    """What the front page says of the routes that this process answers."""
    return [_card_or_problem(endpoint) for endpoint in application.endpoints]


def _every_card(application: Application) -> list[dict[str, Any]]:
    silent = [_problem(path, reason) for path, reason in peer_facts().silent.items()]
    found = [card for group in (cards(application), *peer_facts().facts, silent) for card in group]
    return sorted(found, key=lambda card: application.every_path.index(card["path"]))


def _card_or_problem(endpoint: Endpoint) -> dict[str, Any]:
    """What a record says may break its own card, and no other."""
    try:
        return _card(endpoint)
    except Exception as error:
        LOG.exception("route /%s cannot be shown", endpoint.route.path)
        return _problem(endpoint.route.path, endpoint.reason or f"its record cannot be shown: {type(error).__name__}")


def _problem(path: str, reason: str) -> dict[str, Any]:
    return {"path": path, "problem": reason, "models": [], "columns": [], "sample": _message(())}


def _card(endpoint: Endpoint) -> dict[str, Any]:
    """What the front page says of a route."""
    return {
        "path": endpoint.route.path,
        "problem": endpoint.reason,
        "models": [asdict(_facts(model)) for model in endpoint.models],
        "columns": _columns(endpoint),
        "sample": _message(sample_of(endpoint)),
    }


def _columns(endpoint: Endpoint) -> list[dict[str, Any]]:
    """For each column of the route's rows a field, which holds the value that the first row of the sample has."""
    columns = endpoint.schema.columns if endpoint.schema else ()
    first: Any = next(iter(sample_of(endpoint)), ())
    row = first if isinstance(first, list) and len(first) == len(columns) else [None] * len(columns)
    return [
        {
            "name": column.name, "kind": column.kind, "seen": what_training_saw(column),
            "categories": column.categories, "value": value if isinstance(value, str) else json.dumps(value),
        }
        for column, value in zip(columns, row, strict=True)
    ]  # fmt: skip


def _facts(model: ServedModel) -> ModelFacts:
    record = model.record
    metrics, assets, data = record.get("metrics"), record.get("assets"), record.get("data")
    dataset = data.get("dataset") if isinstance(data, dict) else None  # of a data store
    return ModelFacts(
        model.name,
        model.version,
        str(record.get("finished") or "")[:16].replace("T", " "),  # 2026-11-20 10:00, in UTC
        str(dataset or record.get("dataset") or ""),
        tuple((name, _shown(value)) for name, value in metrics.items()) if isinstance(metrics, dict) else (),
        str(record.get(MEASURED_ON) or ""),
        f"{assets.get('name')} assets, from {assets.get('from')}" if isinstance(assets, dict) else "",
    )


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _message(rows: Sequence[Any]) -> str:
    """A request body to edit: one row a line."""
    lines = "".join(f"\n  {json.dumps(presentable(row), ensure_ascii=False)}," for row in rows).removesuffix(",")
    return f'{{"payload": {{"instances": [{lines}\n]}}}}'


def _pretty(value: Any, indent: str = "") -> str:
    """JSON to read: what holds no list and no object is on one line."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    if not any(isinstance(item, (dict, list, tuple)) for item in inner):
        return json.dumps(value, ensure_ascii=False)
    deeper = indent + "  "
    keys = (
        [f"{json.dumps(key, ensure_ascii=False)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    )
    items = [f"{deeper}{key}{_pretty(item, deeper)}" for key, item in zip(keys, inner, strict=True)]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n" + ",\n".join(items) + f"\n{indent}{last}"


def _page(name: str, **values: Any) -> Response:
    # Relative links work behind a proxy that adds a prefix; /docs/ is served as /docs is, and /ml as /ml/.
    root = "../" if request.path != "/" and request.path.endswith("/") else ""
    if not request.environ["PATH_INFO"]:
        root = f"{request.script_root.rpartition('/')[2]}/"
    html = _template(name).render(root=root, prefix=request.script_root, version=__version__, **values)
    content = html.encode("utf-8", "backslashreplace")  # text from users' files may hold half characters
    return Response(content, mimetype="text/html", headers=HEADERS | {"Content-Security-Policy": POLICY})


@functools.cache
def _template(name: str) -> Template:
    """Read when it is first asked for: a server that starts has better things to do."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pretty"] = _pretty
    environment.filters["shell"] = lambda body: shlex.quote(" ".join(line.strip() for line in body.splitlines()))
    return environment.get_template(name)


def _asset(name: str) -> Response:
    return Response((FOLDER / name).read_bytes(), mimetype=ASSETS[name], headers=HEADERS)
