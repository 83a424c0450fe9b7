"""The commit that a change is compared with, and what it has of a model: metrics and parameters."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import FILE as CONFIG
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.parameters import TUNED, read_tuned
from trainyard.host.experiments.training_metrics import SUMMARY
from trainyard.host.experiments.yaml_files import read_yaml
from trainyard.host.monorepo.commits import text_in
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.revision import git

DEFAULT_BRANCHES = ("refs/remotes/origin/main", "refs/remotes/origin/master")
FIX = "name a commit: SINCE=<git ref>"


def base_commit(root: Path, since: str) -> str:
    """The commit ``since``; where none is named, the one that this branch left the default branch of origin at, and on
    that branch the commit before.

    Raises:
        TrainyardError: there is none, as in a shallow clone of depth 1.
    """
    if since.strip("0"):  # GitHub and GitLab write zeros for no commit
        if since.startswith("-"):
            raise TrainyardError(f"SINCE={since}: not a git ref", "name a branch, a tag or a commit")
        return _commit(root, since) or _missing(root, f"SINCE={since}: not in this clone")
    head = _commit(root, "HEAD")
    if not head:
        return _missing(root, "there is no commit yet")
    found = _left_default_branch(root)
    if found and found != head:
        return found
    return _commit(root, "HEAD^") or _missing(root, f"nothing to compare {head[:12]} with")


def _missing(root: Path, what: str) -> str:
    if _asked(root, "rev-parse", "--is-shallow-repository") == "true":
        raise TrainyardError(f"{what}: this clone is shallow", f"git fetch --unshallow, or {FIX}")
    raise TrainyardError(what, FIX)


def _left_default_branch(root: Path) -> str:
    """Empty where origin, or its default branch, is not known here, or has nothing in common with this branch."""
    named = _asked(root, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
    for name in filter(None, (named, *DEFAULT_BRANCHES)):
        if _commit(root, name):
            return _asked(root, "merge-base", "HEAD", name)
    return ""


def _commit(root: Path, name: str) -> str:
    return _asked(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _asked(root: Path, *arguments: str) -> str:
    """Git's answer; empty where it has none."""
    try:
        return git(root, *arguments).strip()
    except TrainyardError:
        return ""


def metrics_in(root: Path, commit: str, model: ModelDir) -> dict[str, float] | None:
    """The metrics that a commit has of a model; None where it has none of it."""
    return metrics_of(text_in(root, commit, f"{model.project.relative_to(root).as_posix()}/{SUMMARY}"), model)


def metrics_of(summary: str, model: ModelDir) -> dict[str, float] | None:
    """A model's part of training_metrics.json: numbers alone. None where there is none, or the file is somebody's."""
    try:
        content = json.loads(summary)
    except ValueError:
        return None
    found = content.get(model.model_name) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        return None
    numbers = {name: value for name, value in found.items() if type(value) in (int, float)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def params_now(model: ModelDir) -> dict[str, Any]:
    """The parameters that a training gets, unless PAYLOAD says others.

    Raises:
        TrainyardError: a file of the model has a mistake.
    """
    return {**read_config(model.path).defaults, **read_tuned(model)}


def params_in(root: Path, commit: str, model: ModelDir) -> Mapping[str, Any]:
    """The same as a commit has it.

    Raises:
        TrainyardError: a file in there has a mistake.
    """
    place = model.path.relative_to(root).as_posix()
    with tempfile.TemporaryDirectory(prefix="trainyard-base-") as name:
        folder = Path(name)
        for file in (CONFIG, TUNED):
            (folder / file).write_text(text_in(root, commit, f"{place}/{file}"))
        tuned = read_yaml(folder / TUNED).content or {}
        return {**read_config(folder).defaults, **(tuned if isinstance(tuned, dict) else {})}
