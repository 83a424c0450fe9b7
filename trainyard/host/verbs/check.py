"""make check: every problem of model directories in one list, for people, programs and code scanning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trainyard
from trainyard.errors import AlreadyPrinted, TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.problems import RULES, Problem, problems_of
from trainyard.host.operations.session import Session
from trainyard.host.support import console

# https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def check_model(session: Session, model: ModelDir) -> None:
    """Raises:
    TrainyardError: there are errors.
    """
    _check(session, [model.path])


def check_models(session: Session, _: Path) -> None:
    """Raises:
    TrainyardError: there are errors.
    """
    _check(session, session.repository.every_model_path())


def _check(session: Session, folders: list[Path]) -> None:
    found = problems_of(session, folders)
    root = session.repository.root
    form = session.experiments.format
    if form not in FORMS:
        raise TrainyardError(f"FORMAT={form}: not a form of make check", f"choose among {', '.join(FORMS)}")
    FORMS[form](found, root)
    errors = sum(one.level == "error" for one in found)
    session.reporter.step(f"{len(folders)} model(s): {errors} error(s), {len(found) - errors} warning(s)")
    if errors:
        raise AlreadyPrinted(f"{errors} errors")


def _place(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _as_text(found: Sequence[Problem], root: Path) -> None:
    for one in found:
        console.result(str(one).replace(f"{root}/", ""))


def _as_json(found: Sequence[Problem], root: Path) -> None:
    """An array of objects, one for each problem."""
    rows = [{**vars(one), "path": _place(one.path, root), "line": one.line or None} for one in found]
    console.result(json.dumps(rows, indent=2))


def _as_sarif(found: Sequence[Problem], root: Path) -> None:
    rules = [{"id": rule} for rule in RULES]
    driver = {"name": "trainyard check", "version": trainyard.__version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(one, root) for one in found]}
    console.result(json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, indent=2))


def _result(one: Problem, root: Path) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _place(one.path, root), "uriBaseId": "%SRCROOT%"}}
    if one.line:
        place["region"] = {"startLine": one.line}
    text = f"{one.what}: {one.fix}" if one.fix else one.what
    return {
        "ruleId": one.rule, "level": one.level, "message": {"text": text}, "locations": [{"physicalLocation": place}]
    }  # fmt: skip


FORMS = {"table": _as_text, "json": _as_json, "sarif": _as_sarif}
