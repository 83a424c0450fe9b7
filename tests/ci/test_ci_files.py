"""The workflow files are right by the checkers of both hosts, and each command in them works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from image_registry import image_registry
from images import ensure_builders
from monorepo import ROOT, Monorepo
from needs import need

from ci.branches import Branches, git
from trainyard.host.ci.workflow_files import PLACES, workflow_files
from trainyard.host.verbs.verb_table import TOP, verbs_of

GITHUB, GITLAB = ".github/workflows/models.yml", ".gitlab-ci.yml"


def content(place: str) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(workflow_files(PLACES)[place])
    return found


def commands(place: str, job: str) -> list[str]:
    """What a job runs, one after the other."""
    if place == GITLAB:
        return list(content(place)[job]["script"])
    return [step["run"] for step in content(place)["jobs"][job]["steps"] if "run" in step]


def run(branches: Branches, command: str, env: dict[str, str]) -> str:
    """What a command prints, run as both hosts run it."""
    done = subprocess.run(["bash", "-ec", command], cwd=branches.repo.path, env=env, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    need("actionlint")
    path = tmp_path / "models.yml"
    path.write_text(workflow_files(["github"])[GITHUB])
    done = subprocess.run(["actionlint", "-no-color", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    path.write_text(path.read_text().replace("needs: machine", "needs: mashine"))
    assert subprocess.run(["actionlint", path], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize(("place", "schema"), [(GITHUB, "github-workflows"), (GITLAB, "gitlab-ci")])
def test_the_schema_of_the_host_finds_nothing(tmp_path: Path, place: str, schema: str) -> None:
    path = tmp_path / "ci.yml"
    path.write_text(workflow_files(PLACES)[place])
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    if schema == "gitlab-ci":
        check += ["--data-transform", "gitlab-ci"]
    done = subprocess.run([*check, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    path.write_text(path.read_text().replace("timeout", "tmeout"))
    assert subprocess.run([*check, path], capture_output=True, check=False).returncode == 1


def test_they_are_written_and_stay_as_they_were_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    branches = Branches(tmp_path)
    repo = branches.repo
    monkeypatch.setenv("CI", "true")  # as CI servers have it
    repo.make(None, "ci-files").failed("CI is missing", "CI=github,gitlab")
    monkeypatch.delenv("CI")
    repo.make(None, "ci-files").failed("CI is missing", "CI=github,gitlab")
    repo.make(None, "ci-files", "CI=github,jenkins").failed("jenkins is not a kind of CI")
    repo.make(None, "ci-files", "CI=none,github").failed("none, and others")
    assert "no file is written" in repo.make(None, "ci-files", "CI=none").succeeded().err
    assert f"\nwrite {GITLAB}\n" in repo.make(None, "-n", "ci-files", "CI=gitlab").succeeded().out
    assert f"Wrote {GITHUB}" in repo.make(None, "ci-files", "CI=github,gitlab").succeeded().err
    for place, text in workflow_files(PLACES).items():
        assert (repo.path / place).read_text() == text
    assert f"{GITHUB} is up to date" in repo.make(None, "ci-files", "CI=github").succeeded().err
    (repo.path / GITHUB).write_text("mine: {}\n")
    (repo.path / GITLAB).unlink()
    repo.make(None, "ci-files", "CI=github,gitlab").failed(GITHUB, "says something else", "FORCE=1")
    assert (repo.path / GITHUB).read_text() == "mine: {}\n"
    assert (repo.path / GITLAB).is_file(), "the other is written all the same"
    repo.make(None, "ci-files", "CI=github", "FORCE=1").succeeded()
    assert (repo.path / GITHUB).read_text() == workflow_files(["github"])[GITHUB]


def test_below_the_top_of_a_repository_none_is_written(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    repo = Monorepo(tmp_path / "models")
    repo.make(None, "ci-files", "CI=github").failed("not the top of its git repository", "-C models")
    assert not (repo.path / ".github").exists()


@pytest.mark.parametrize("text", workflow_files(PLACES).values(), ids=workflow_files(PLACES))
def test_what_they_call_is_there(text: str) -> None:
    lines = [line.partition(" #")[0] for line in text.splitlines() if not line.startswith("#")]
    called = re.findall(r"(?<= )[a-z-]+", " ".join(re.findall(r"\bmake(?: -k)?((?: [a-z-]+)+)", "\n".join(lines))))
    assert len(called) >= 5
    assert set(called) <= {verb.name for verb in verbs_of(TOP)}


def test_a_pull_request_gets_no_secret() -> None:
    jobs = content(GITHUB)["jobs"]
    assert "secrets." not in yaml.safe_dump(jobs["pull-request"])
    assert "head.repo.full_name == github.repository" in jobs["push"]["if"]  # the password of the registry
    assert set(content(GITHUB)[True]) == {"pull_request", "push"}  # never pull_request_target
    assert content(GITHUB)["permissions"] == {"contents": "read"}
    assert not [
        name for name, job in jobs.items() if "pull_request" in job.get("if", "") and "contents: write" in str(job)
    ]
    assert jobs["pull-request"]["permissions"] == {"contents": "read", "pull-requests": "write"}
    # Text of others is in no script: not a message, not the name of a branch.
    for job in jobs:
        assert not [command for command in commands(GITHUB, job) if "${{" in command]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "job"), [(GITHUB, "pull-request"), (GITLAB, "merge-request")])
def test_the_commands_for_a_pull_request_work(tmp_path: Path, place: str, job: str) -> None:
    branches = Branches(tmp_path)
    branches.one.replace("train.py", "A parabola", "A curve")
    branches.commit("A change")
    summary = tmp_path / "summary.md"
    env = branches.repo.environment(SINCE=branches.git("rev-parse", "main"), GITHUB_STEP_SUMMARY=str(summary))
    printed = ""
    for command in commands(place, job):
        if not command.startswith("gh "):
            printed += run(branches, command, env)
    assert '"sums/one"' in printed
    assert "sums-one-train" in printed
    assert "sums-two" not in printed
    report = summary if place == GITHUB else branches.repo.path / "report.md"
    assert "### <code>sums/one</code>: not trained" in report.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("place", [GITHUB, GITLAB])
def test_the_commands_for_a_training_work(tmp_path: Path, place: str) -> None:
    branches = Branches(tmp_path)
    branches.one.replace("config.yaml", "x: 0.0", "x: 1.0")
    branches.ask("[train] A change")
    env = branches.repo.environment(
        CI_COMMIT_BRANCH="work", CI_DEFAULT_BRANCH="main", SINCE="", GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md")
    )
    for command in commands(place, "train"):
        if not command.startswith(("cml ", "git remote")):
            run(branches, command, env)
    assert git(branches.remote, "log", "-1", "--format=%s", "work").startswith("Trained sums/one for ")
    (command,) = commands(place, "promote")
    run(branches, command, {**env, "SINCE": "HEAD"})


@pytest.mark.slow
def test_the_commands_for_images_work(tmp_path: Path) -> None:
    """Those of both hosts, once each; gh is another program's."""
    need("docker")
    ensure_builders()
    jobs = [(GITHUB, "push"), (GITLAB, "push"), (GITHUB, "release"), (GITLAB, "images")]
    found = [*content(GITLAB)["push"]["before_script"], *(one for job in jobs for one in commands(*job))]
    branches = Branches(tmp_path, "docker")
    branches.one.replace("train.py", "A parabola", "A curve")
    commit = branches.commit("A change")[:12]
    names = [branches.repo.container(f"sums-one-{role}") for role in ("predict", "train")]
    with image_registry(tmp_path / "registry") as registry:
        env = branches.repo.environment(
            REGISTRY=registry, REGISTRY_USER="me", REGISTRY_PASSWORD="word", DOCKER_CONFIG=str(tmp_path / "docker"),
            BASE=branches.git("rev-parse", "main"), SINCE="main", GITHUB_ENV=str(tmp_path / "env"),
            GITHUB_REF_NAME="v1.2", CI_COMMIT_TAG="v1.3",
        )  # fmt: skip
        for command in dict.fromkeys(found):
            if not command.startswith("gh "):
                run(branches, command, env)
        assert catalog(registry, *names) == {name: ["v1.2", "v1.3", commit] for name in names}
    assert (tmp_path / "env").read_text() == f"SINCE={branches.git('rev-parse', 'main')}\n"
    listed = json.loads((branches.repo.path / "images.json").read_text())
    assert {one["tag"] for one in listed} == {"v1.3"} and all("@sha256:" in one["reference"] for one in listed)


def catalog(registry: str, *names: str) -> dict[str, list[str]]:
    """The tags of images."""
    found = {}
    for name in names:
        with urllib.request.urlopen(f"http://{registry}/v2/{name}/tags/list", timeout=10) as answer:
            found[name] = sorted(json.load(answer)["tags"], key=lambda tag: (tag[0] != "v", tag))
    return found


def test_actionlint_is_built_from_a_pinned_source() -> None:
    assert "github.com/rhysd/actionlint" in (ROOT / "tools/actionlint/go.sum").read_text()
