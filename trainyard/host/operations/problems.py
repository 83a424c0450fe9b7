"""What is wrong with model directories, all of it at once, without an engine, an index or the models' own code."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainyard.contract.routes import parse_routes, routes_of, train_target
from trainyard.errors import TrainyardError
from trainyard.host.data.datastores import read_datastores
from trainyard.host.experiments.config import config_file, read_config
from trainyard.host.experiments.training_section import ASSET_NAMES
from trainyard.host.monorepo.dataset_ref import DATASTORES, DatasetRef, parse_ref
from trainyard.host.monorepo.functions import missing_function
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.sources import model_files
from trainyard.host.operations.endpoint import read_sample
from trainyard.host.operations.session import Session
from trainyard.host.requirements.requirement_files import model_requirement, requirement_lines

Level = Literal["error", "warning"]
_PLACE = re.compile(r"(?P<path>.+?\.?\w)(:(?P<line>\d+))?: (?P<what>.*)", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """One thing to fix. ``rule`` is the part of the contract, ``line`` counts from 1; 0 where none is known."""

    level: Level
    rule: str
    path: Path
    line: int
    what: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{place}: {self.level}: {self.what}{f': {self.fix}' if self.fix else ''}"


def problems_of(session: Session, folders: list[Path]) -> list[Problem]:
    """The problems of the model directories ``folders``, by file and line; none hides another's."""
    found: list[Problem] = []
    models: list[ModelDir] = []
    for folder in folders:
        with _caught(found, "makefile", folder / "Makefile"):
            models.append(session.repository.model(folder))
    for model in models:
        for rule, read in READ:
            with _caught(found, rule, model.path):
                read(model)
        for rule, look in LOOK.items():
            with _caught(found, rule, model.path):
                found += look(session, model)
    with _caught(found, "datastores", session.repository.root / DATASTORES):
        read_datastores(session.repository.root)
    for clash in session.repository.clashes(models):
        other = f"{clash.folder.parent.name}/{clash.folder.name}"
        what = f"{other} has the {clash.variable} {clash.mine.text!r}, too"
        found.append(_problem("error", "names", f"{clash.mine.source}: {what}", "rename one of them", clash.model.path))
    return sorted(set(found), key=lambda one: (str(one.path), one.line, one.what))


@contextlib.contextmanager
def _caught(found: list[Problem], rule: str, path: Path) -> Iterator[None]:
    """Adds what is raised; where the message names no file, it is about ``path``."""
    try:
        yield
    except TrainyardError as error:
        found.append(_problem("error", rule, error.message, error.hint, path))
    except OSError as error:
        place = Path(error.filename or path)
        found.append(Problem("error", rule, place, 0, str(error.strerror), "check its permissions"))


def _problem(level: Level, rule: str, message: str, fix: str, path: Path) -> Problem:
    """Of a message that begins with the file, and perhaps the line; else it is about ``path``."""
    match = _PLACE.fullmatch(message)
    if match and Path(match["path"]).is_absolute():
        return Problem(level, rule, Path(match["path"]), int(match["line"] or 0), match["what"], fix)
    return Problem(level, rule, path, 0, message, fix)


# What a build, a training or a request reads first: each raises what is wrong with it.
READ: tuple[tuple[str, Callable[[ModelDir], object]], ...] = (
    ("makefile", lambda model: model.model_name),
    ("makefile", lambda model: model.container_name),
    ("wiring", lambda model: routes_of(model.environment)),
    ("wiring", lambda model: train_target(model.environment)),
    ("requirements", lambda model: [*requirement_lines(model_requirement(model, "train"))]),
    ("requirements", lambda model: [*requirement_lines(model_requirement(model, "predict"))]),
    ("config", lambda model: read_config(model.path)),
    ("sample", read_sample),
    ("sources", lambda model: [*model_files(model)]),
)


def _dataset(session: Session, model: ModelDir) -> Iterator[Problem]:
    ref, where = parse_ref(model.dataset_name), model.variables["DATASET_NAME"].source
    if ref.store:
        yield from _store_of(session, ref, where, model)
        return
    if ref.is_open:  # latest, or a pattern: of what is in the folder when it trains
        ref = DatasetRef("", ref.folder)
    data = model.project / ref.path
    in_dvc = any(path.with_name(f"{path.name}.dvc").exists() for path in (data, data.parent))
    if not data.exists() and not in_dvc:
        what, fix = f"{where}: {data} is not there", "put the data there before you train"
        yield _problem("warning", "makefile", what, fix, model.path)


def _store_of(session: Session, ref: DatasetRef, where: str, model: ModelDir) -> Iterator[Problem]:
    """That it is declared; whether it answers is for ``make datastores``."""
    with contextlib.suppress(TrainyardError):  # a mistake in the file is a rule of its own
        known = read_datastores(session.repository.root).entries
        if ref.store not in known:
            what = f"{where}: {ref}: {DATASTORES} has no data store {ref.store}"
            fix = f"make datastore-add NAME={ref.store} URL=... adds one"
            yield _problem("error", "datastores", what, fix, model.path)


def _places(session: Session, model: ModelDir) -> Iterator[Problem]:
    """The data stores that ``training:`` of config.yaml names."""
    with contextlib.suppress(TrainyardError):  # a mistake in the file is a rule of its own
        file, section = config_file(model.path), read_config(model.path).training
        named: dict[tuple[str, ...], str] = {("data",): section.data, ("results",): section.results}
        for name in ASSET_NAMES:
            asset = getattr(section.assets, name)
            named["assets", name, "url"] = asset.url if asset else ""
        for keys, text in named.items():
            place = ("training", *keys)
            if (ref := parse_ref(text)).store:
                yield from _store_of(session, ref, f"{file.where(place)}: {'.'.join(place)}", model)


def _unknown_keys(_: Session, model: ModelDir) -> Iterator[Problem]:
    for warning in model.environment.warnings:
        yield _problem("warning", "wiring", warning, "remove the line, or fix the name", model.path)


def _functions(_: Session, model: ModelDir) -> list[Problem]:
    """Of files that can be read without running them: those of the project, and what the monorepo shares."""
    environment, found = model.environment, list[Problem]()
    targets = []
    with contextlib.suppress(TrainyardError):  # a rule of its own
        where = environment.where("ROUTES")
        targets += [(one.module, one.function, where) for one in parse_routes(environment.get("ROUTES", ""), where)]
    with contextlib.suppress(TrainyardError):
        targets.append((*train_target(environment), environment.where("TRAIN_MODULE")))
    for module, function, where in targets:
        with _caught(found, "functions", model.path):
            if reason := missing_function(model.root, model.project, module, function):
                raise TrainyardError(f"{where}: {module}:{function}: {reason}", "write it, or fix the name")
    return found


def _locks(session: Session, model: ModelDir) -> Iterator[Problem]:
    for remark in session.resolver.lock_remarks(model):
        yield _problem("warning", "locks", remark, "run make lock", model.path)


LOOK: dict[str, Callable[[Session, ModelDir], Iterable[Problem]]] = {
    "makefile": _dataset,
    "config": _places,
    "wiring": _unknown_keys,
    "functions": _functions,
    "locks": _locks,
}
RULES = sorted({*(rule for rule, _ in READ), *LOOK, "names", "datastores"})
