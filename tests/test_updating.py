"""make update-model: a later template is merged into a model, and what its owner changed stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import trainyard
from trainyard.errors import TrainyardError
from trainyard.host.scaffold import templates
from trainyard.host.scaffold.rendering import render
from trainyard.host.scaffold.updating import ANSWERS, update_model

NEXT = "9.9.9"
OURS = f"_src_path: {templates.URL}\n"
ANSWERED = {
    "project": "p", "name": "m", "model_name": "p_m", "container": "p-m", "framework": "xgboost", "family": "xgboost",
    "task": "classification", "dataset": "data/a.csv",
    "table": {"target": "y", "rows": 20, "columns": [{"name": "x", "kind": "number", "what": "", "does": ""}],
              "left_out": [], "missing": [], "decimal": ".", "separator": "", "encoding": "", "parquet": False},
}  # fmt: skip
Change = Callable[[str, str, str], None]


@pytest.fixture
def own_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the templates, which a test may change, and which keeps this version as a release does."""
    folder = tmp_path / "templates"
    shutil.copytree(templates.TEMPLATES, folder)
    monkeypatch.setattr(templates, "TEMPLATES", folder)
    monkeypatch.setattr(templates, "HISTORY", folder / "history.bundle")
    templates.keep_version()
    return folder


@pytest.fixture
def model(tmp_path: Path, own_templates: Path) -> Path:
    folder = tmp_path / "repo" / "projects" / "p" / "m"
    render("model", folder, ANSWERED)
    (folder / "notes.txt").write_text("the owner's\n")
    return folder


@pytest.fixture
def release(own_templates: Path, monkeypatch: pytest.MonkeyPatch) -> Change:
    """Change a text of a template, and make that the next version."""

    def change(file: str, old: str, new: str) -> None:
        path = own_templates / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        monkeypatch.setattr(trainyard, "__version__", NEXT)

    return change


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_later_template_comes_and_changes_stay(model: Path, release: Change) -> None:
    train = model / "train.py"
    train.write_text(train.read_text().replace('"max_depth": 4', '"max_depth": 5'))
    mode = train.stat().st_mode
    release("parts/fitted/train.py.jinja", "The rows to train on, and those", "Rows to train on, and those")
    found = update_model(model, dry_run=True)
    assert [str(path) for path in found.written] == [ANSWERS, "train.py"]
    assert "Rows to train on" not in train.read_text()
    assert update_model(model, dry_run=False).conflicts == ()
    assert "Rows to train on" in train.read_text()
    assert '"max_depth": 5' in train.read_text()
    assert train.stat().st_mode == mode
    assert f"_commit: {NEXT}" in (model / ANSWERS).read_text()
    assert (model / "notes.txt").read_text() == "the owner's\n"
    assert update_model(model, dry_run=False).written == ()


def test_a_conflict_looks_as_one_of_git(model: Path, release: Change) -> None:
    predict = model / "predict.py"
    predict.write_text(predict.read_text().replace("The likeliest class", "The best class"))
    release("parts/fitted/predict.py.jinja", "The likeliest class", "The most probable class")
    found = update_model(model, dry_run=False)
    assert [str(path) for path in found.conflicts] == ["predict.py"]
    text = predict.read_text()
    assert (
        text.index("<<<<<<<") < text.index("The best class") < text.index("=======") < text.index("The most probable")
    )


def test_a_file_that_was_deleted_or_renamed_or_made_binary(model: Path, release: Change, own_templates: Path) -> None:
    (model / "README.md").unlink()
    (model / "schema.py").rename(model / "columns.py")
    (model / "data_preparation" / "README.md").write_bytes(b"\x89PNG\r\n\x1a\n\0\1\2")
    (own_templates / "model" / "new.txt.jinja").write_text("of the next version\n")
    for file, text in (
        ("README.md", "| file |"),
        ("schema.py", "The table:"),
        ("data_preparation/README.md", "Describe"),
    ):
        release(f"model/{file}.jinja", text, f"{text} changed")
    found = update_model(model, dry_run=False)
    assert [str(path) for path in found.kept] == ["data_preparation/README.md"]
    assert (model / "new.txt").read_text() == "of the next version\n"
    assert not (model / "README.md").exists()
    assert not (model / "schema.py").exists()
    assert "changed" not in (model / "columns.py").read_text()
    assert (model / "data_preparation" / "README.md").read_bytes() == b"\x89PNG\r\n\x1a\n\0\1\2"


@pytest.mark.slow
def test_changes_that_are_not_committed_are_refused(model: Path, release: Change) -> None:
    root = model.parents[2]
    identity = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=root, check=True, env={**os.environ, **identity})
    (root / "elsewhere").write_text("changed\n")  # of no concern
    release("model/README.md.jinja", "| file |", "| a file |")
    (model / "train.py").write_text("mine\n")
    before = contents(model)
    with pytest.raises(TrainyardError, match=r"not committed: projects/p/m/train\.py"):
        update_model(model, dry_run=False)
    assert contents(model) == before
    subprocess.run(["git", "checkout", "-q", "."], cwd=root, check=True)
    assert update_model(model, dry_run=False).written


@pytest.mark.slow
@pytest.mark.parametrize(
    "answers",
    [
        "",
        "_commit: 0.1.0\n_src_path: https://elsewhere/x\n",
        *(OURS + rest for rest in ("", "_commit: [\n", "_commit: 0.0.1\n")),
    ],
)
def test_an_answers_file_that_is_none(model: Path, release: Change, answers: str) -> None:
    release("model/README.md.jinja", "| file |", "| a file |")
    (model / ANSWERS).write_text(answers)
    before = contents(model)
    with pytest.raises(TrainyardError):
        update_model(model, dry_run=False)
    assert contents(model) == before


@pytest.mark.slow
def test_a_disk_that_is_full_amid_writing(model: Path, release: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    release("model/README.md.jinja", "| file |", "| a file |")
    release("model/schema.py.jinja", "The table:", "A table:")
    before, replace = contents(model), Path.replace
    calls: list[Path] = []

    def full(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(TrainyardError, match="No space left on device"):
        update_model(model, dry_run=False)
    assert contents(model) == before
