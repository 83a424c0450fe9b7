"""make list, show: what there is, and where each value came from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from pathlib import Path

from trainyard.contract.records import is_trained
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines import resolve
from trainyard.host.engines.container import s2i
from trainyard.host.monorepo.model_dir import COMMAND_LINE, MODEL_VARIABLES, ROLES, ModelDir
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.product import page
from trainyard.host.support.tables import table
from trainyard.settings.declarations import variables_of
from trainyard.settings.host import SECRETS, HostSettings

HEADER = ("PROJECT", "MODEL", "ROUTES", "BINARY", "TRAIN IMAGE", "PREDICT IMAGE")


def list_models(session: Session, _: Path) -> None:
    """A table of every model; one that cannot be read has its reason in place of its routes."""
    found = [_read(session, path) for path in session.repository.every_model_path()]
    images = session.engine.images.built(image for model in found for image in model.images)
    if not found:
        console.result(f"no models yet: add a directory projects/<project>/<model>; see {page('contract.md')}")
    for line in table([HEADER, *(model.row(images) for model in found)]):
        console.result(line)
    if problems := sum(not model.images for model in found):
        raise TrainyardError(f"{problems} of {len(found)} models cannot be read: see the table", "", EXIT_FAILED)


@dataclass(frozen=True)
class _Listed:
    """One line of the list. ``routes``: or why the model cannot be read; then it has no ``images``."""

    path: Path
    routes: str
    binary: str = ""
    images: tuple[str, ...] = ()

    def row(self, images: Collection[str]) -> tuple[str, ...]:
        """``images``: those that there are."""
        present = ["yes" if image in images else "-" for image in self.images] or ["", ""]
        cells = (self.path.parent.name, self.path.name, self.routes, self.binary, *present)
        return tuple(cell.encode("utf-8", "backslashreplace").decode() for cell in cells)


def _read(session: Session, path: Path) -> _Listed:
    try:
        model = session.repository.model(path)
        routes = " ".join(route.path for route in model.routes)
        binary = "yes" if is_trained(model.binary, links=False) else "-"
        return _Listed(path, routes, binary, tuple(model.image(role) for role in ROLES))
    except TrainyardError as error:
        return _Listed(path, f"! {error}")
    except OSError as error:
        return _Listed(path, f"! {error.filename or path}: {error.strerror}: check its permissions")


def show(session: Session, model: ModelDir) -> None:
    """Every value that this model's verbs use, and where it came from."""
    rows = [("NAME", "VALUE", "FROM")]
    for variable in MODEL_VARIABLES:
        value = model.variables.get(variable)
        rows.append((variable, value.text if value else "", value.source if value else "missing"))
    rows += [
        (setting.key, setting.value, model.environment.where(setting.key)) for setting in model.environment.settings
    ]
    engine, source = resolve(session.repository, session.settings, session.commands)
    rows.append(("ENGINE", engine.name, source))
    rows.append(
        ("BUILDER", "s2i" if s2i.chosen(session.settings, engine.name) else "builtin", _source(session, "BUILDER"))
    )
    rows += [(f"{role} image", model.image(role), "CONTAINER_NAME") for role in ROLES]
    lenient = replace(session.resolver, settings=replace(session.settings, strict=False))  # nothing is built
    for role in ROLES:
        lock = lenient.model_lock(model, role)
        rows.append((f"{role} lock", lock.sha256[:12], lock.source))
    for declared in fields(HostSettings):
        variable = variables_of(declared)[0]
        if variable not in ("ENGINE", "BUILDER"):
            rows.append(
                (variable, _shown(variable, getattr(session.settings, declared.name)), _source(session, variable))
            )
    for line in table(rows):
        console.result(line.replace(f"{session.repository.root}/", ""))


def _shown(variable: str, value: object) -> str:
    """A value as it may be shown: index URLs carry passwords."""
    text = "***" if variable in SECRETS and value else str(value)
    if "://" in text and "@" in text:
        scheme, _, rest = text.partition("://")
        return f"{scheme}://***@{rest.rpartition('@')[2]}"
    return text


def _source(session: Session, variable: str) -> str:
    declared = next(field for field in fields(HostSettings) if variables_of(field)[0] == variable)
    if getattr(session.settings, declared.name) == declared.default:
        return "default"
    return COMMAND_LINE if variable in session.repository.overrides else "environment"
