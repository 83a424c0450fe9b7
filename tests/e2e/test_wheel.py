"""The wheel holds the product: installed, it works in a folder that has none of our sources."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from monorepo import ROOT, Monorepo, ask, free_port
from needs import need
from wheels import attempt, run

pytestmark = pytest.mark.slow  # what is installed is what a clone runs; each engine installs it anew


def test_one_copy_of_each_file(wheel: Path) -> None:
    """Builders and make files are those at the top of the clone, and can be executed where these can."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {info.filename: info for info in archive.infolist()}
        for folder in ("builders", "mk", "docs"):
            tracked = run(["git", "ls-files", folder], ROOT).split()
            assert {f"trainyard/product/{path}" for path in tracked} == {
                name for name in packed if name.startswith(f"trainyard/product/{folder}/")
            }
            for path in tracked:
                info = packed[f"trainyard/product/{path}"]
                assert archive.read(info) == (ROOT / path).read_bytes(), path
                assert bool(info.external_attr >> 16 & 0o100) == os.access(ROOT / path, os.X_OK), path


@pytest.mark.parametrize("engine", ["process", "docker"])
def test_a_model_in_a_folder_without_our_sources(program: str, tmp_path: Path, engine: str) -> None:
    if engine != "process":
        need(engine)
    made = Monorepo(tmp_path / "clone", engine).add_model("prices")
    mine = tmp_path / "my monorepo"
    shutil.copytree(made.path.parents[1], mine / "projects")
    shutil.rmtree(tmp_path / "clone")
    (mine / "trainyard.toml").touch()
    model = mine / "projects" / made.project / made.name

    def trainyard(*arguments: str) -> str:
        """Options in place of make's variables."""
        return run([program, *arguments, "--engine", engine, str(model)], tmp_path)

    for verb in ("build-train", "train", "build-predict"):
        trainyard(verb)
    port = free_port()
    trainyard("predict", "--detach", "--port", str(port))
    try:
        status, text = ask(port, "prices/predict", b'{"payload": {"instances": [[1, 2]]}}')
        assert (status, json.loads(text)["payload"]) == (200, {"predictions": [6]})
        trainyard("test-endpoint", "--port", str(port))
    finally:
        trainyard("stop")
        trainyard("clean")


def test_a_folder_that_is_no_monorepo(program: str, tmp_path: Path) -> None:
    done = attempt([program, "list", str(tmp_path)])
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}: not inside a Trainyard monorepo (no trainyard.toml above it)")


def test_a_shell_completes_verbs_and_options(program: str, tmp_path: Path) -> None:
    script = run([program, "completion", "bash"])
    asked = 'COMP_WORDS=(trainyard {}); COMP_CWORD={}; _trainyard_completion trainyard; echo "${{COMPREPLY[@]}}"'
    path = f"{Path(program).parent}:{os.environ['PATH']}"

    def completed(words: str, at: int) -> list[str]:
        return run(["bash", "-c", f"{script}\n{asked.format(words, at)}"], tmp_path, PATH=path).split()

    assert completed("pred", 1) == ["predict-all", "predict", "predict-local"]
    assert "--port" in completed("predict --p", 2)
    assert "--trials" not in completed("predict --tr", 2)


def test_a_mistake_is_one_line(program: str, tmp_path: Path) -> None:
    (tmp_path / "trainyard.toml").touch()
    done = attempt([program, "train", str(tmp_path)])
    assert done.returncode == 2
    assert done.stderr.startswith("error: train is of a model directory") and done.stderr.count("\n") == 1
