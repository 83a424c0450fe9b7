"""``experiment.yaml``, or the ``exp_config.json`` that other repositories have: a training, or a search, written down.

Such files have keys in upper case, and some that mean something elsewhere only: those are named, never dropped in
silence.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from trainyard.errors import TrainyardError
from trainyard.host.experiments.yaml_files import Section, YamlFile, read_yaml
from trainyard.host.support.product import page

FILES = ("experiment.yaml", "exp_config.json")
ELSEWHERE = {
    "env_config_file": "there is no environment to set up",
}


class Experiment(Section):
    """What such a file says. Keys may be in upper case."""

    description: str = ""
    exp_name: str = ""
    model: str = ""
    docker_image: str = ""
    data_mount: str = ""
    image_type: str = ""
    train_csv: str = ""
    test_csv: str = ""
    eval_conf: float | None = None
    run_params: dict[str, Any] = Field(default_factory=dict)
    model_params: dict[str, Any] = Field(default_factory=dict)
    hypertune: bool = False
    compute_name: str = ""
    nodes: Annotated[int, Field(ge=1)] = 0
    trials: Annotated[int, Field(ge=1)] = 0

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of both groups; those in a group of their own as ``<group>.<name>``."""
        return {**flat(self.run_params), **flat(self.model_params)}

    @property
    def tags(self) -> dict[str, str]:
        """What a run of it is found again by, beside its datasets."""
        named = {name.lower(): value for name, value in self.params.items()}
        found = {
            "experiment": self.exp_name, "description": self.description,
            "base_model": named.get("base_model", ""), "steps": named.get("steps", ""),
        }  # fmt: skip
        return {name: str(value) for name, value in found.items() if value != ""}


@dataclass(frozen=True)
class ExperimentFile:
    """A file, what it says, and what of it means nothing here: one line each."""

    file: YamlFile
    experiment: Experiment
    ignored: tuple[str, ...]

    def where(self, param: str) -> str:
        """``file:line`` of one of its parameters."""
        ways = [(group, *way) for group in ("run_params", "model_params") for way in ([param], param.split("."))]
        return self.file.where(next((way for way in ways if way in self.file.lines), ()))


def read_experiment(path: Path) -> ExperimentFile:
    """Read a file.

    Raises:
        TrainyardError: naming file, line, key and fix.
    """
    file = read_yaml(path)
    if not isinstance(file.content, dict):
        raise TrainyardError(f"{path}:1: not a mapping of names to values", f"example: {page('experiments.md')}")
    known: dict[str, Any] = {}
    ignored = []
    for key, value in file.content.items():
        name = str(key).lower()
        if name in known:
            raise TrainyardError(f"{file.where((str(key),))}: {key} is there in upper and in lower case", "keep one")
        if name in Experiment.model_fields:
            known[name] = value
        else:
            ignored.append(f"{file.where((str(key),))}: {key} means nothing here: {_why(name)}")
    lines = {(str(place[0]).lower(), *place[1:]): line for place, line in file.lines.items()}
    lower = replace(file, content=known, lines=lines)
    experiment = lower.check(Experiment)
    if both := sorted(flat(experiment.run_params).keys() & flat(experiment.model_params).keys()):
        raise TrainyardError(f"{lower.where(('model_params',))}: {both[0]} is in run_params, too", "keep one")
    if not experiment.hypertune:
        given = [name for name, what in (("nodes", experiment.nodes), ("trials", experiment.trials)) if what > 1]
        ignored += [f"{lower.where((name,))}: {name} means nothing without hypertune" for name in given]
    return ExperimentFile(lower, experiment, tuple(ignored))


def flat(params: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Groups of parameters as single ones, ``FIRST_STAGE.STRIDE``: each can be tuned, overridden and compared."""
    found: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def spelt_as(known: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters by the names that config.yaml has for them, whatever their case; others as they are."""
    by_lower = {name.lower(): name for name in known}
    return {name if name in known else by_lower.get(name.lower(), name): value for name, value in params.items()}


def _why(name: str) -> str:
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    near = difflib.get_close_matches(name, Experiment.model_fields, 1)
    return f"did you mean {near[0].upper()}?" if near else f"known are {', '.join(Experiment.model_fields).upper()}"
