"""What is wrong with model directories, all of it at once, without an engine, an index or the models' own code."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainyard.contract.routes import parse_routes, routes_of, train_target
from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import read_config
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
    found += _namesakes(models, [*_readable(session)])
    return sorted(set(found), key=lambda one: (str(one.path), one.line, one.what))


@contextlib.contextmanager
def _caught(found: list[Problem], rule: str, path: Path) -> Iterator[None]:
    """Adds what is raised; where the message names no file, it is about ``path``."""
    try:
        yield
    except TrainyardError as error:
        match = _PLACE.fullmatch(error.message)
        if match and Path(match["path"]).is_absolute():
            place, line, what = Path(match["path"]), int(match["line"] or 0), match["what"]
        else:
            place, line, what = path, 0, error.message
        found.append(Problem("error", rule, place, line, what, error.hint))
    except OSError as error:
        place = Path(error.filename or path)
        found.append(Problem("error", rule, place, 0, str(error.strerror), "check its permissions"))


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


def _dataset(_: Session, model: ModelDir) -> Iterator[Problem]:
    data = model.project / model.dataset_name
    in_dvc = any(path.with_name(f"{path.name}.dvc").exists() for path in (data, data.parent))
    if not data.exists() and not in_dvc:
        yield _about(model, "DATASET_NAME", "warning", f"{data} is not there", "put the data there before you train")


def _about(model: ModelDir, variable: str, level: Level, what: str, fix: str) -> Problem:
    """A problem with a variable of the Makefile, at its line."""
    source, _, line = model.variables[variable].source.rpartition(":")
    place = (Path(source), int(line)) if line.isdecimal() else (model.path / "Makefile", 0)  # of the command line
    return Problem(level, "names" if level == "error" else "makefile", *place, what, fix)


def _unknown_keys(_: Session, model: ModelDir) -> Iterator[Problem]:
    for warning in model.environment.warnings:
        path, line, what = warning.split(":", 2)
        yield Problem("warning", "wiring", Path(path), int(line), what.strip(), "remove the line, or fix the name")


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
        path, _, what = remark.partition(": ")
        yield Problem("warning", "locks", Path(path), 0, what, "run make lock")


LOOK: dict[str, Callable[[Session, ModelDir], Iterable[Problem]]] = {
    "makefile": _dataset,
    "wiring": _unknown_keys,
    "functions": _functions,
    "locks": _locks,
}
RULES = sorted({*(rule for rule, _ in READ), *LOOK, "names"})


def _readable(session: Session) -> Iterator[ModelDir]:
    for path in session.repository.every_model_path():
        with contextlib.suppress(TrainyardError, OSError):
            yield session.repository.model(path)


def _namesakes(models: list[ModelDir], known: list[ModelDir]) -> Iterator[Problem]:
    """Names by which models would overwrite each other's images or binaries."""
    asked = {model.path for model in models}
    for name in ("CONTAINER_NAME", "MODEL_NAME"):
        users: dict[tuple[object, str], list[ModelDir]] = defaultdict(list)
        for model in known:
            if name in model.variables:
                project = model.project if name == "MODEL_NAME" else None
                users[project, model.variables[name].text].append(model)
        for (_, text), sharing in users.items():
            for model in sharing if len(sharing) > 1 else ():
                if model.path in asked:
                    others = " and ".join(other.name for other in sharing if other is not model)
                    yield _about(model, name, "error", f"{others} has the {name} {text!r}, too", "rename one of them")
