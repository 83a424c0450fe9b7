"""The samples that a route is tried with before it serves: that beside its function, and that in its model's record."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.contract.message import Message
from trainyard.contract.records import binary_path, read_record
from trainyard.contract.routes import Route
from trainyard.contract.schema import Schema
from trainyard.image.serve.prediction.codec import JSON
from trainyard.image.serve.prediction.message_body import message_of, parse
from trainyard.image.serve.prediction.opened_models import model_names
from trainyard.image.serve.prediction.row_form import RowForm
from trainyard.image.user_code import UserFunction
from trainyard.settings.image import served_model_name

MODELS = Path("models")
FILE = "test/test_instances.json"
ONE_VALUE = RowForm(width=1)


@dataclass(frozen=True)
class Sample:
    """A request body, and where it is from, as messages say it."""

    where: str
    body: bytes

    @property
    def is_bare(self) -> bool:
        """Whether its instances are a list of scalars."""
        return bool(_scalars(parse(self.body)))

    def messages(self, schema: Schema | None) -> Iterator[Message]:
        """What the body may mean, the likeliest first: a list of scalars is one row, or rows of one value.

        Raises:
            BadRequest: nothing that a route could be asked.
        """
        scalars = _scalars(parse(self.body))
        if schema or not scalars or len(scalars) == 1:
            yield message_of(parse(self.body), RowForm.of(schema, ()))
            return
        # Text by itself is what a model of texts is given; numbers are the columns of one row.
        flat = RowForm(width=len(scalars), texts=tuple(isinstance(value, str) for value in scalars))
        for form in (ONE_VALUE, flat) if all(flat.texts) else (flat, ONE_VALUE):
            yield message_of(parse(self.body), form)


def _scalars(body: Any) -> list[Any]:
    payload = body.get("payload") if isinstance(body, dict) else None
    instances = payload.get("instances") if isinstance(payload, dict) else None
    bare = isinstance(instances, list) and not any(isinstance(value, (list, dict)) for value in instances)
    return list(instances) if bare and instances else []


def shipped_sample(route: Route, function: UserFunction | None) -> Sample | None:
    """That beside the module that defines the function, which a generated module only imports; None where none is."""
    module = sys.modules.get(getattr(function, "__module__", None) or route.module)
    source = getattr(module, "__file__", None)
    file = Path(source).parent / FILE if source else None
    return Sample(FILE, file.read_bytes()) if file and file.is_file() else None


def recorded_sample(opened: Iterable[str], function: UserFunction | None) -> Sample | None:
    """What training recorded of the one model that was opened, or that the function, or this image, serves."""
    sample = _record(opened, function).get("sample")
    instances = sample.get("instances") if isinstance(sample, dict) else None
    if not isinstance(instances, list) or not instances:
        return None
    return Sample("in its record", JSON.dumps({"payload": {"instances": instances}}))


def recorded_schema(opened: Iterable[str], function: UserFunction | None) -> Schema | None:
    """The schema of that model; None where it has none.

    Raises:
        ModelUnavailable: one that is not understood.
    """
    return Schema.from_record(_record(opened, function))


def _record(opened: Iterable[str], function: UserFunction | None) -> dict[str, Any]:
    name = served_model_name() or getattr(function, "model_name", "")  # trainyard.models.frames says it
    names = model_names(opened) or ({name} if name else set())
    return (read_record(binary_path(MODELS, names.pop())) or {}) if len(names) == 1 else {}
