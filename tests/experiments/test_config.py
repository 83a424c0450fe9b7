"""config.yaml: what is understood, and how mistakes are reported."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.contract.champion_rule import direction_of
from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import Config, read_config
from trainyard.host.experiments.parameters import environment_of, read_tuned, unread_of, with_params
from trainyard.host.experiments.yaml_files import dump_yaml
from trainyard.host.monorepo.model_dir import ModelDir

# As repositories with such files have them: keys that a tuner needs, sections that DVC needs.
AS_IT_WORKS_ELSEWHERE = """
input_paths:
  data: data/processed
output_paths:
  model:
    root: models/language_classifier
params:
  epochs: 10
  batch_size: 64
tuning:
  tune: True
  max_trials: 30
  hyperparams:
    learning_rate:
      default_value: 0.0001
    embedding_dim:
      default_value: 10
      tuning:
        tune: False
        param_type: int
        min: 64
        max: 128
        step: 32
        sampling: linear # "linear", "log", or "reverse_log"
    dropout:
      default_value: 1e-1
      tuning: {tune: true, param_type: float, min: 1e-3, max: 0.5, sampling: log}
    bidirectional:
      default_value: true
      tuning: {param_type: boolean}
    optimizer:
      default_value: adam
      tuning: {param_type: choice, values: [adam, sgd, 3]}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "config.yaml").write_text(text)
    return folder


def test_a_file_that_works_elsewhere_works_here(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, AS_IT_WORKS_ELSEWHERE))
    assert config.tuning.max_trials == 30
    assert config.defaults == {
        "epochs": 10, "batch_size": 64, "learning_rate": 0.0001, "embedding_dim": 10, "dropout": 0.1,
        "bidirectional": True, "optimizer": "adam",
    }  # fmt: skip
    assert list(config.tuned) == ["dropout", "bidirectional", "optimizer"]


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n"])
def test_no_file_and_an_empty_one_ask_for_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        write(tmp_path, text)
    assert read_config(tmp_path) == Config()


TUNED = "tuning:\n  hyperparams:\n    depth:\n      default_value: 3\n      tuning:\n        param_type: int\n"


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ("parms:\n  a: 1\n", 1, ["parms", "unknown key", "did you mean params?"]),
        ("params: {}\ntuning:\n  max_trails: 3\n", 3, ["tuning.max_trails", "did you mean max_trials?"]),
        ("tuning:\n  max_trials: many\n", 2, ["tuning.max_trials", "'many'"]),
        ("tuning:\n  max_trials: 0\n", 2, ["tuning.max_trials", "0"]),
        ("tuning:\n  direction: up\n", 2, ["tuning.direction", "'maximize' or 'minimize'"]),
        ("params: 3\n", 1, ["params", "write names and values below it"]),
        ("- a\n", 1, ["the file: not names and values"]),
        (TUNED + "        min: 5\n        max: 2\n", 5, ["depth.tuning", "no range"]),
        (TUNED + "        min: 0\n        max: 9\n        sampling: log\n", 5, ["needs a min above 0"]),
        (TUNED + "        min: 0.5\n        max: 9\n", 5, ["min 0.5 is not an int"]),
        (TUNED + "        min: 5\n", 5, ["needs min and max"]),
        (TUNED + "        min: 1\n        max: 9\n        step: 0\n", 9, ["depth.tuning.step"]),
        (TUNED + "        min: .nan\n        max: 9\n", 5, ["no range"]),
        (TUNED.replace("int", "choice"), 5, ["a choice needs values"]),
        (TUNED.replace("int", "integer"), 6, ["param_type", "'integer'"]),
        ("params:\n  a: 1\n  b: 2\n  a: 3\n", 4, ["a is there twice, first in line 2"]),
        ("params:\n  depth: 1\n" + TUNED + "        min: 1\n        max: 2\n", 1, ["depth is in params and in"]),
        ("params: [1, 2\n", 2, ["not YAML"]),
        ("params:\n\t- a\n", 2, ["not YAML"]),
        ("guards: {recall: -1}\n", 1, ["guards.recall.tolerance"]),
        ("environment: {A: true}\n", 1, ["environment.A", "valid string", "True"]),
        ("environment: {A B: 1}\n", 1, ["environment: 'A B' is not the name and value"]),
        ("environment: {WORKERS: 2}\n", 1, ["environment: make sets WORKERS itself", "(WORKERS=...)"]),
    ],
)
def test_mistakes_name_file_line_key_and_fix(tmp_path: Path, text: str, line: int, parts: list[str]) -> None:
    with pytest.raises(TrainyardError) as caught:
        read_config(write(tmp_path, text))
    output = str(caught.value)
    assert output.startswith(f"{tmp_path / 'config.yaml'}:{line}: "), output
    assert "\n" not in output
    for part in parts:
        assert part in output, output


@pytest.mark.parametrize("text", ["training: b1:x\n", "training:\n  assets: b1:x\n", "- training\n"])
def test_a_value_where_names_and_values_belong(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(TrainyardError) as caught:
        read_config(tmp_path)
    assert "not names and values: write names and values below it" in str(caught.value)
    assert "instance" not in str(caught.value)
    assert "b1:x" not in str(caught.value)


def test_what_may_be_a_secret_is_not_shown(tmp_path: Path) -> None:
    write(tmp_path, "training:\n  assets:\n    pretrained: {url: s3://the-key, sha256: aa}\n")
    with pytest.raises(TrainyardError) as caught:
        read_config(tmp_path)
    assert "neither https" in str(caught.value)
    assert "the-key" not in str(caught.value)


def test_variables_are_text_and_only_read_where_there_are_some(tmp_path: Path) -> None:
    model = ModelDir(tmp_path, tmp_path)
    assert environment_of(model) == {}
    write(tmp_path, "environment: {OMP_NUM_THREADS: 2, MODE: fast, RATE: 0.5}\n")
    assert environment_of(model) == {"OMP_NUM_THREADS": "2", "MODE": "fast", "RATE": "0.5"}


def test_sections_of_other_tools_are_named(tmp_path: Path) -> None:
    model = ModelDir(tmp_path, tmp_path)
    assert unread_of(model) == ""
    write(tmp_path, AS_IT_WORKS_ELSEWHERE)
    assert "config.yaml:2: input_paths and output_paths are not read: data is in data/" in unread_of(model)


def test_guards_in_short() -> None:
    long = Config.model_validate({"guards": {"recall": {"tolerance": 0.01}, "log_loss": {}}})
    assert Config.model_validate({"guards": {"recall": 0.01, "log_loss": None}}) == long
    assert list(Config.model_validate({"guards": ["recall", "log_loss"]}).guards) == ["recall", "log_loss"]


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("log_loss", "minimize"), ("rmse", "minimize"), ("val-error", "minimize"), ("roc_auc", "maximize"),
     ("", "maximize"), ("lossless_share", "maximize")],
)  # fmt: skip
def test_which_way_a_metric_is_better(metric: str, direction: str) -> None:
    assert direction_of(metric) == direction


def test_the_primary_metric_is_promotions_else_tunings() -> None:
    tuning = {"metric": "f1", "direction": "minimize"}
    assert Config.model_validate({"tuning": tuning}).direction == "minimize"
    both = Config.model_validate({"tuning": tuning, "promotion": {"metric": "rmse"}})
    assert (both.metric, both.direction) == ("rmse", "minimize")


def test_who_overrides_whom() -> None:
    config = Config.model_validate({"params": {"a": 1, "b": 1, "c": 1}})
    payload = with_params({"$ref": "x", "params": {"c": 3}}, config.defaults, {"b": 2, "c": 2})
    assert payload == {"$ref": "x", "params": {"a": 1, "b": 2, "c": 3}}
    assert with_params({"$ref": "x"}, {}, {}) == {"$ref": "x"}


def test_a_file_of_tuned_parameters_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "hyperparameters.yaml").write_text("- 1\n")
    with pytest.raises(TrainyardError, match=r"hyperparameters\.yaml:1: not a mapping"):
        read_tuned(ModelDir(tmp_path, tmp_path))


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON)
def test_anything_is_a_configuration_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    folder = write(tmp_path_factory.mktemp("any"), yaml.safe_dump(content, allow_unicode=True))
    try:
        read_config(folder)
    except TrainyardError as error:
        assert str(error).startswith(str(folder / "config.yaml"))


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), JSON, max_size=5))
def test_parameters_come_out_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, params: dict[str, Any]
) -> None:
    folder = write(tmp_path_factory.mktemp("params"), dump_yaml({"params": params}))
    assert read_config(folder).defaults == params


@settings(deadline=None)
@given(st.floats(1e-300, 1e300))
def test_numbers_as_json_writes_them(tmp_path_factory: pytest.TempPathFactory, number: float) -> None:
    value = read_config(write(tmp_path_factory.mktemp("n"), f"params: {{a: {number!r}}}")).defaults["a"]
    assert isinstance(value, float)
    assert math.isclose(value, number)
