"""configure, prepare, package, predict: shipped projects, in a bucket that is not there yet; DVC prepares data."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from experiments.stores import PASSWORD, object_store
from monorepo import ROOT, Model, Monorepo, ask

MODELS = sorted(path.parent for path in ROOT.glob("projects/*/*/train.py"))
PROJECT = "healthcare_diabetes_progression"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    repo = Monorepo(tmp_path_factory.mktemp("shipped") / "repo", resolved=False)
    listed = subprocess.run(["git", "ls-files", "projects"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        (repo.path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, repo.path / name)
    return repo


@pytest.mark.slow
def test_in_a_bucket(shipped: Monorepo, tmp_path: Path) -> None:
    model = shipped.path / "projects" / PROJECT / "ridge"
    with object_store(tmp_path / "s3") as keys:
        url = f"url: s3://packages/of the team, endpoint: '{keys['MLFLOW_S3_ENDPOINT_URL']}', region: us-east-1"
        (shipped.path / "datastores.yaml").write_text(f"lake: {{{url}, credentials: {{variables: LAKE_}}}}\n")
        given = {f"LAKE_{name}": keys[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        printed = ""
        for verb in ("configure", "prepare", "package"):
            made = shipped.make(model, verb, *(["YES=1"] if verb == "prepare" else []), **given).succeeded()
            printed += made.out + made.err
        bucket = tmp_path / "s3" / "packages" / "of the team" / PROJECT / "ridge"
        assert [path.name for path in (bucket / "training-data").iterdir()] == ["diabetes_progression.csv"]
        latest = json.loads((bucket / "results" / "latest.json").read_text())
        assert (bucket / "results" / latest["archive"]).is_file()
        shutil.rmtree(shipped.path / ".trainyard" / "packages")  # as on another machine
        (model.parent / "models" / "diabetes_progression_rr.pkl").unlink(missing_ok=True)
        with shipped.serving(model, ASSETS="trained", **given) as port:
            sample = json.loads((model / "test" / "test_instances.json").read_text())
            route = yaml.safe_load((model / ".s2i" / "environment").read_text().replace("=", ": ", 1).split("\n")[0])
            path = route["ROUTES"].partition(":")[0]
            status, text = ask(port, path, json.dumps(sample).encode())
            assert (status, len(json.loads(text)["payload"]["predictions"])) == (
                200,
                len(sample["payload"]["instances"]),
            )
    assert PASSWORD not in printed
    run = json.loads(next((model.parent / "runs").glob("*/run.json")).read_text())
    assert run["tags"]["dataset"] == f"lake:{PROJECT}/ridge/training-data"
    assert PASSWORD not in json.dumps(run)


@pytest.mark.slow
@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_shipped_model_trains_on_the_sample(shipped: Monorepo, tmp_path: Path, path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (shipped.path / "datastores.yaml").write_text(f"near: {{url: {tmp_path / 'lake'}, credentials: none}}\n")
    model = shipped.path / path.relative_to(ROOT)
    before = (ROOT / path / "config.yaml").read_text()
    (model / "config.yaml").write_text(before)
    for verb in ("configure", "prepare", "package"):
        shipped.make(model, verb).succeeded()
    assert (model / "config.yaml").read_text().startswith(before)
    shipped.make(model, "build-predict", "ASSETS=trained").succeeded()


def prepared_by(model: Model, name: str, text: str) -> None:
    folder = model.path / "data_preparation"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (model.path.parent / "data" / "raw.txt").write_text("1 2\n3 4\n")
    (model.path / "config.yaml").write_text("training:\n  raw_data: [data/raw.txt]\n")


def stages(repo: Monorepo, model: Model) -> dict[str, dict[str, object]]:
    repo.make(None, "dvc").succeeded()
    return yaml.safe_load((model.path.parent / "dvc.yaml").read_text())["stages"]


def test_a_script_becomes_a_stage(repo: Monorepo, model: Model) -> None:
    prepared_by(model, "prepare.py", "def prepare(table):\n    return table\n")
    assert list(stages(repo, model)) == [model.name]  # a part of training
    prepared_by(model, "prepare.sh", "sed 's/ /,/; 1i a,b' data/raw.txt > data/numbers.csv\n")
    found = stages(repo, model)
    assert found[f"prepare-{model.name}"] == {
        "cmd": f"sh {model.name}/data_preparation/prepare.sh",
        "deps": ["data/raw.txt", *(f"{model.name}/data_preparation/prepare.{end}" for end in ("py", "sh"))],
        "outs": [{"data/numbers.csv": {"cache": False, "persist": True}}],
    }
    deps = found[model.name]["deps"]
    assert f"{model.name}/data_preparation/prepare.sh" not in deps
    assert {"data/numbers.csv", f"{model.name}/data_preparation/prepare.py"} <= set(deps)


@pytest.mark.slow
def test_dvc_prepares_and_trains(repo: Monorepo, model: Model) -> None:
    script = 'if __name__ == "__main__":\n    rows = open("data/raw.txt").read().replace(" ", ",")\n'
    prepared_by(model, "prepare.py", f'{script}    open("data/numbers.csv", "w").write("a,b\\n" + rows)\n')
    stages(repo, model)
    for command in (["git", "init", "-q"], [str(ROOT / ".venv/bin/dvc"), "init", "-q", "-f"]):
        subprocess.run(command, cwd=repo.path, check=True, capture_output=True)
    reproduce = [str(ROOT / ".venv/bin/dvc"), "repro"]
    first = subprocess.run(
        reproduce, cwd=model.path.parent, env=repo.environment(), capture_output=True, text=True, check=False
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert (model.path.parent / "data" / "numbers.csv").read_text() == "a,b\n1,2\n3,4\n"
    assert model.binary.is_file()
    again = subprocess.run(
        reproduce, cwd=model.path.parent, env=repo.environment(), capture_output=True, text=True, check=False
    )
    assert "Training" not in again.stdout + again.stderr
