"""A compute that there is not, or that cannot be asked, is one line before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest
from monorepo import Model, Monorepo

CLUSTER = "lab:\n  kind: kubernetes\n  registry: registry.example.com/team"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    repo = Monorepo(tmp_path_factory.mktemp("names") / "repo")
    (repo.path / "datastores.yaml").write_text(
        "lake: s3://team/lake\nbox: sftp://box/data\nopen: {url: 's3://open', credentials: none}\n"
    )
    return repo


@pytest.fixture(scope="module")
def model(repo: Monorepo) -> Model:
    return repo.add_model("one")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lab: {kind: ssh}", ("compute.yaml:1", "host")),
        ("lab: {kind: shh, host: x}", ("compute.yaml:1", "'shh' is none: there are local, ssh, kubernetes, slurm")),
        ("Lab: {kind: local}", ("compute.yaml:1", "'Lab' is not the name of a compute")),
        ("lab: {kind: ssh, host: -oProxyCommand=x}", ("compute.yaml:1", "begins with -")),
        ("lab:\n  kind: ssh\n  host: x\n  foldr: y", ("compute.yaml:4", "did you mean folder?")),
        ("lab: {kind: local, resources: {memory: lots}}", ("compute.yaml:1", "such as 16g")),
        ("lab: {kind: local, resources: {time: 8}}", ("compute.yaml:1", "time")),
        ("lab: {kind: kubernetes}", ("compute.yaml:1", "images reach a cluster by a registry")),
        ("- lab", ("compute.yaml:1", "not a mapping")),
        (
            f"{CLUSTER}\n  storage: {{store: nope}}",
            ("compute.yaml:4", "no data store nope", "has lake, box, open; make"),
        ),
        (f"{CLUSTER}\n  storage: {{store: box}}", ("compute.yaml:4", "box is sftp://", "s3://, gs:// or abfs://")),
        (f"{CLUSTER}\n  storage: {{store: open}}", ("compute.yaml:4", "cannot sign links")),
        (f"{CLUSTER}\n  storage: {{store: lake, volume: x}}", ("compute.yaml:4", "or {store: <data store>}")),
        ("lab: {kind: ssh, host: x, storage: {store: lake}}", ("compute.yaml:1", "kind kubernetes alone")),
    ],
)
def test_a_mistake_in_the_file_is_one_line(repo: Monorepo, model: Model, text: str, parts: tuple[str, ...]) -> None:
    (repo.path / "compute.yaml").write_text(text)
    repo.make(None, "computes").failed(*parts)
    repo.make(model, "train", "COMPUTE=lab").failed(*parts)
    assert not (model.path.parent / "runs").exists()


def test_there_is_none_of_that_name(repo: Monorepo, model: Model) -> None:
    (repo.path / "compute.yaml").write_text("lab: {kind: local}\n")
    made = repo.make(model, "train", "COMPUTE=nope")
    made.failed("no compute nope: it has lab")
    assert "Built" not in made.err
    assert not (model.path.parent / "runs").exists()


def test_the_process_engine_has_no_images_for_others(repo: Monorepo, model: Model) -> None:
    (repo.path / "compute.yaml").write_text("lab: {kind: local}\n")
    repo.make(model, "train", "COMPUTE=lab").failed("no other machine can run it", "ENGINE=")
    assert not (model.path.parent / "runs").exists()


def test_one_that_does_not_answer_keeps_nothing_from_the_others(repo: Monorepo, tmp_path: Path) -> None:
    (repo.path / "compute.yaml").write_text(
        f"away: {{kind: ssh, host: nobody.invalid}}\ncluster: {{kind: slurm, folder: {tmp_path}}}\n"
    )
    made = repo.make(None, "computes", "CALL_TIMEOUT=3", SLURM_CONF=str(tmp_path / "none"))
    made.failed("away, cluster: see above")
    assert "nobody.invalid" in made.out
    assert next(line for line in made.out.splitlines() if line.startswith("cluster ")).count(" yes ") == 0
