"""What an MLproject may say, what it may not, and which values its entry point gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from retrain.projects import write_project
from trainyard.errors import TrainyardError
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.mlprojects.parameters import rule_of, values_for
from trainyard.host.retrain.mlprojects.project_file import is_project, read_project
from trainyard.host.retrain.mlprojects.staging import command_in, staged_project

MAIN = 'entry_points:\n  main:\n    command: "python train.py"\n'


def request(**asked: object) -> RetrainRequest:
    return RetrainRequest.model_validate({"git_uri": "https://here/x.git", **asked})


def test_the_file_of_the_older_instructions(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "repo", "cars", environment="docker_env:\n  image: training-container:detectron2")
    assert is_project(folder)
    assert not is_project(tmp_path)
    (folder / ".s2i").mkdir()
    (folder / ".s2i" / "environment").write_text("ROUTES=x:y:z\n")
    assert not is_project(folder), "a model directory of ours"
    project = read_project(folder)
    assert (project.name, project.image) == ("cars", "training-container:detectron2")
    assert {name: one.default for name, one in project.parameters.items()} == {
        "model_name": "cars", "experiment_name": "default", "lower_is_better": "False", "primary_metric": "mAP",
        "base_model": "None", "dataset_repo": "not_used", "quality": "0.5",
    }  # fmt: skip
    command = command_in(project, values_for(project, request()))
    assert " ".join(command.split()) == (
        "python train.py --model_name cars --experiment_name default --lower False --p_metric mAP --base_model None "
        "--dataset_repo not_used --quality 0.5"
    )


def test_a_request_gives_what_is_declared(tmp_path: Path) -> None:
    project = read_project(write_project(tmp_path / "repo", "cars"))
    given = values_for(
        project,
        request(
            experiment_name="income", dataset_repo="https://here/data.git", base_model="cars/3",
            params={"quality": 0.7, "lower_is_better": True, "primary_metric": "loss"},
        ),
        "0123abcd",
    )  # fmt: skip
    assert given == {
        "model_name": "cars", "experiment_name": "income", "lower_is_better": "True", "primary_metric": "loss",
        "base_model": "0123abcd", "dataset_repo": "https://here/data.git", "quality": "0.7",
    }  # fmt: skip
    assert (rule_of(given).metric, rule_of(given).direction) == ("loss", "minimize")


def test_what_is_not_declared_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "MLproject").write_text(MAIN)
    plain, known = read_project(folder), read_project(write_project(tmp_path / "repo", "cars"))
    assert values_for(plain, request(experiment_name="income")) == {}
    for project, asked, expected in (
        (plain, {"base_model": "abc"}, "declares no parameter base_model: leave out base_model, or declare it"),
        (plain, {"dataset_uri": "https://x/y"}, "declares no parameter dataset_repo: leave out dataset_uri"),
        (known, {"params": {"qualty": 1}}, "declares no parameter qualty: leave out params, or declare it; declared"),
        (known, {"params": {"quality": [1]}}, "params: quality is [1], not one value"),
        (known, {"base_model": "a", "params": {"base_model": "b"}}, "base_model is given twice"),
        (known, {"params": {"quality": "a" * 6001}}, "has 6001 characters"),
        (known, {"params": {"quality": "a\nb"}}, "quality has a control character"),
    ):
        with pytest.raises(TrainyardError, match=re.escape(expected)):
            values_for(project, request(**asked))


def test_where_there_is_none_and_no_default(tmp_path: Path) -> None:
    """As the older projects compare: "None" and "not_used"."""
    (tmp_path / "MLproject").write_text(
        MAIN + "    parameters: {base_model: string, dataset_repo: {type: string}, depth: float, dataset_uri: uri}\n"
    )
    project = read_project(tmp_path)
    found = values_for(project, request(params={"depth": 3}))
    assert found == {"base_model": "None", "dataset_repo": "not_used", "dataset_uri": "not_used", "depth": "3"}
    with pytest.raises(TrainyardError, match="the parameter depth has no default, and none is given: give it"):
        values_for(project, request())


DOCKER = "docker_env:\n  image: trainer\n"


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (f'{DOCKER}  volumes: ["/:/host"]\n{MAIN}', 3, "docker_env.volumes is refused: it would mount folders"),
        (f'{DOCKER}  volumes: ["/var/run/docker.sock:/var/run/docker.sock"]\n{MAIN}', 3, "volumes is refused"),
        (f'{DOCKER}  environment: ["AWS_SECRET_ACCESS_KEY"]\n{MAIN}', 3, "environment is refused: it would copy"),
        (f'{DOCKER}  environment: [["LD_PRELOAD", "x"]]\n{MAIN}', 3, "environment is refused"),
        (f'docker_env:\n  image: "--privileged"\n{MAIN}', 2, "'--privileged' is no name of an image"),
        (f'docker_env:\n  image: "x -v /:/host x"\n{MAIN}', 2, "is no name of an image"),
        (f'docker_env:\n  image: "x; touch /tmp/y"\n{MAIN}', 2, "is no name of an image"),
        (f"docker_env:\n  volumes: []\n{MAIN}", 1, "docker_env has no image"),
        (f"docker_env: [a]\n{MAIN}", 1, "docker_env is not names and values"),
        (f"{DOCKER}conda_env: conda.yaml\n{MAIN}", 3, "conda_env beside docker_env"),
        (f"conda_env: ../conda.yaml\n{MAIN}", 1, "../conda.yaml is not in the project"),
        (f"python_env: /etc/passwd\n{MAIN}", 1, "/etc/passwd is not in the project"),
        (f"python_env: linked.yaml\n{MAIN}", 1, "linked.yaml is not in the project"),
        (f"python_env: gone.yaml\n{MAIN}", 1, "gone.yaml: no such file"),
        ("name: x\nentry_points:\n  test: {command: x}\n", 2, "has no entry point main: there are test"),
        ("name: x\n", 1, "has no entry point main"),
        ("entry_points:\n  main:\n    parameters: {}\n", 2, "main has no command"),
        ("entry_points:\n  main:\n    command: 5\n", 3, "command is not text"),
        ('entry_points:\n  main:\n    command: "a {b}"\n', 3, "{b} is no parameter: declare it"),
        ('entry_points:\n  main:\n    command: "a {b.__class__}"\n', 3, "{b.__class__} is no parameter"),
        ('entry_points:\n  main:\n    command: "a {b!r}"\n', 3, "{b!r} is no parameter"),
        ('entry_points:\n  main:\n    command: "a {"\n', 3, "its braces do not match"),
        (f'{MAIN}    parameters:\n      "a b": string\n', 5, "'a b' cannot be a parameter"),
        (f"{MAIN}    parameters:\n      a: {{default: [1]}}\n", 5, "the default of a is not one value"),
        (f"{MAIN}    parameters:\n      a: 5\n", 5, "a has no type"),
        ("name: [\n", 2, "not YAML"),
        ("name: !!python/object/apply:os.system [touch x]\n", 1, "not YAML"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, text: str, line: int, expected: str) -> None:
    (tmp_path / "MLproject").write_text(text)
    (tmp_path / "linked.yaml").symlink_to("/etc/hostname")
    with pytest.raises(TrainyardError) as caught:
        read_project(tmp_path)
    assert expected in str(caught.value)
    assert re.match(rf"{re.escape(str(tmp_path))}/MLproject:({line}: | not)", str(caught.value)), str(caught.value)


def test_only_one_file_and_no_link(tmp_path: Path) -> None:
    (tmp_path / "mlproject").write_text(MAIN)
    assert read_project(tmp_path).command == "python train.py"
    (tmp_path / "MLproject").write_text(MAIN)
    with pytest.raises(TrainyardError, match="has MLproject and mlproject: keep one"):
        read_project(tmp_path)
    (tmp_path / "mlproject").unlink()
    (tmp_path / "MLproject").unlink()
    (tmp_path / "MLproject").symlink_to("/etc/hostname")
    with pytest.raises(TrainyardError, match="not a regular file"):
        read_project(tmp_path)


def test_what_mlflow_reads_is_written_by_us(tmp_path: Path) -> None:
    """MLflow has a shell of this machine read `<engine> run <image> <command>`: the whole command is one word of it."""
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "mlproject").write_text(
        DOCKER
        + "  volumes:\nsomething: else\nentry_points:\n  main:\n    command: |\n      a && b; {{c}} | $(d)\n      e\n"
    )
    (folder / "secret").symlink_to("/etc/hostname")
    project = read_project(folder)
    with staged_project(tmp_path / "there", project, command_in(project, {})) as staged:
        (written,) = [path for path in staged.code.iterdir() if path.name.lower() == "mlproject"]
        content = yaml.safe_load(written.read_text())
        assert (staged.code / "secret").is_symlink()
        assert not (staged.home / ".aws").exists()
    assert content == {
        "name": "project",
        "docker_env": {"image": "trainer"},
        "entry_points": {"main": {"command": "sh -c 'a && b; {{c}} | $(d)\ne'"}},
    }
    assert not (tmp_path / "there").exists()
