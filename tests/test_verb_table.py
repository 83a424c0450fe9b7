"""Verbs and settings stand in one table each: what is written from them is up to date."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from dataclasses import fields
from pathlib import Path

import click
import pytest

from tools.make_files import generated
from trainyard.errors import TrainyardError
from trainyard.host.verbs.commands import Verbs, row_for
from trainyard.host.verbs.verb_options import DECLARED, READS
from trainyard.host.verbs.verb_table import ALL, MODEL, TOP, VERBS, Where, commands, verbs_of
from trainyard.settings.experiments import ExperimentSettings
from trainyard.settings.host import HostSettings
from trainyard.settings.scaffold import ScaffoldSettings

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "trainyard"
FOLDERS = {
    MODEL: "projects/finance_income_prediction/randomForest", ALL: "projects/finance_income_prediction/all", TOP: ".",
}  # fmt: skip


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_what_is_written_from_the_tables_of_verbs_and_settings_is_up_to_date(path: Path) -> None:
    assert path.read_text() == generated()[path], f"{path}: make format writes it anew"


@pytest.mark.parametrize("where", FOLDERS)
def test_help_lists_every_verb(where: Where) -> None:
    text = subprocess.run(["make", "-s", "help"], cwd=ROOT / FOLDERS[where], capture_output=True, text=True, check=True)
    found = dict(re.findall(r"^  ([a-z-]+) +(.*)$", text.stdout, re.M))
    own = re.findall(r"^([a-z-]+):.* ## (.*)$", (ROOT / "Makefile").read_text(), re.M) if where == TOP else []
    assert found == {verb.name: verb.help for verb in verbs_of(where)} | dict(own)


def test_help_of_a_model_at_the_top_lists_its_verbs() -> None:
    model = Path(FOLDERS[MODEL]).relative_to("projects")
    command = ["make", "-s", "help", f"MODEL={model}"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  ([a-z-]+) ", text, re.M)) == {verb.name for verb in verbs_of(MODEL)}


@pytest.mark.parametrize("where", FOLDERS)
def test_verbs_that_call_nothing_have_a_recipe(where: Where) -> None:
    text = (ROOT / {MODEL: "mk/model.mk", ALL: "mk/all.mk", TOP: "mk/monorepo.mk"}[where]).read_text()
    targets = {name for line in re.findall(r"^([a-z][a-z -]+):", text, re.M) for name in line.split()}
    assert {verb.name for verb in verbs_of(where) if not verb.calls} <= targets


def test_verbs_call_functions_that_exist() -> None:
    for verb in VERBS:
        if verb.calls:
            module, _, function = verb.calls.partition(":")
            tree = ast.parse((PACKAGE / "host/verbs" / f"{module}.py").read_text())
            assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, verb


def test_a_kind_of_folder_has_one_row_of_a_verb() -> None:
    for name, rows in commands().items():
        for kind in (MODEL, ALL, TOP):
            assert sum(kind in verb.where for verb in rows) <= 1, (name, kind)


@pytest.mark.parametrize("verb", READS)
def test_a_verb_has_an_option_once(verb: str) -> None:
    assert len(set(READS[verb])) == len(READS[verb])


@pytest.mark.parametrize("verb", sorted(commands().keys() - {"help"}))
def test_no_option_gets_the_value_of_another(verb: str) -> None:
    command = Verbs().get_command(click.Context(click.Group()), verb)
    assert command
    names = Counter(param.name for param in command.params)
    assert not [name for name, count in names.items() if count > 1]


def test_every_setting_is_an_option_of_some_verb() -> None:
    assert set(READS) <= set(commands())
    known = {name for names in READS.values() for name in names}
    assert known <= set(DECLARED)
    of_the_host = {
        declared.metadata["env"]
        for one in (HostSettings, ExperimentSettings, ScaffoldSettings)
        for declared in fields(one)
    }
    assert of_the_host & set(DECLARED) <= known


@pytest.mark.parametrize(
    ("verb", "folder", "calls"),
    [
        ("stop", ".", "predict:stop_everything"),
        ("stop", "projects/p/all", "predict:stop_all"),
        ("stop", "projects/p/m", "predict:stop_model"),
        ("list", "projects/p/m", "inventory:list_models"),
        ("train", "projects/p/m", "train:train"),
        ("train-all", "all", ""),
    ],
)
def test_the_folder_decides_what_a_verb_does(tmp_path: Path, verb: str, folder: str, calls: str) -> None:
    assert row_for(commands()[verb], tmp_path, tmp_path / folder).calls == calls


@pytest.mark.parametrize(("verb", "folder"), [("train", "."), ("train", "all"), ("predict-all", "projects/p/m")])
def test_a_verb_of_another_kind_of_folder_is_refused(tmp_path: Path, verb: str, folder: str) -> None:
    rows = [row for row in commands()[verb] if TOP not in row.where]
    with pytest.raises(TrainyardError, match="say which: trainyard"):
        row_for(rows, tmp_path, tmp_path / folder)
