"""When bin/s2i may build on a dependency image: where requirements and setup.sh alone decide what is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard.host.engines.container.shared_dependencies import dependency_plan
from trainyard.host.verbs.s2i_arguments import plain_build


@pytest.fixture
def source(tmp_path):
    """``source(files)``: a context with these files."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


PLAIN = "numpy==1.18.5\nscikit_learn >= 0.23 ; python_version > '3'\n\n# a comment\npandas[excel]  # why\n"


def test_plain_requirements_and_a_setup_script_are_the_whole_plan(source):
    setup = "#!/bin/bash\n# not ./native.so\napt-get update && apt-get install -y libgomp1\nrm -rf /tmp/* /var/tmp/*\n"

    plan = dependency_plan(source({"requirements.txt": PLAIN, "setup.sh": setup}), "train")

    assert plan
    assert (plan.lock, plan.setup, plan.role, plan.locked) == (PLAIN, setup.encode(), "train", False)


def test_no_requirements_is_a_plan_as_well(source):
    plan = dependency_plan(source({"predict.py": ""}), "predict")
    assert plan
    assert plan.lock == ""


def test_a_lock_comes_before_requirements(source):
    plan = dependency_plan(source({"requirements.txt": "a\n", "requirements.lock": "a==1 --hash=x\n"}), "predict")
    assert plan
    assert (plan.lock, plan.locked) == ("a==1 --hash=x\n", True)


@pytest.mark.parametrize(
    "line", ["-r more.txt", "-e .", "./vendored", "x @ file:///tmp/x", "wheels/x-1-py3-none-any.whl"]
)
def test_requirements_that_name_files_are_installed_with_the_sources(source, line):
    assert dependency_plan(source({"requirements.txt": f"numpy\n{line}\n"}), "train") is None


@pytest.mark.parametrize(
    "line",
    [
        "cp native.so /usr/lib",
        "pip install -r requirements.txt",
        "cd utils && make",
        "pip install .",
        "cp *.so /usr/lib",
        "cp $PWD/x /usr/lib",
        "cp /tmp/src/x /usr/lib",
        'bash "$(dirname "$0")/more.sh"',
    ],
)
def test_a_setup_script_that_names_the_sources_runs_with_them(source, line):
    files = {"setup.sh": f"set -e\n{line}\n", "native.so": "", "requirements.txt": "", "utils/a.py": ""}
    assert dependency_plan(source(files), "train") is None


@pytest.mark.parametrize("files", [{"requirements.2.lock": ""}, {".s2iignore": "setup.sh\n", "setup.sh": "true\n"}])
def test_contexts_with_more_to_them_are_left_alone(source, files):
    assert dependency_plan(source(files), "predict") is None


def test_strict_wants_a_lock(source):
    assert dependency_plan(source({"requirements.txt": "numpy\n"}), "train", strict=True) is None


def test_text_that_is_not_utf8_is_left_to_assemble(tmp_path):
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfen\0")
    assert dependency_plan(tmp_path, "train") is None


@pytest.mark.parametrize(
    "words",
    [
        "-c {} builder image",
        "{} builder image --copy --incremental --rm",
        "--loglevel 2 -n name {} builder",
        "--loglevel=2 {} builder image",
    ],
)
def test_a_plain_build_goes_on_a_dependency_image(tmp_path, words):
    build = plain_build(words.format(tmp_path).split())

    assert build
    assert (build.builder, build.source) == ("builder", tmp_path)
    expected = words.replace("builder", "deps").replace(" --incremental", "")
    assert build.on("deps") == expected.format(tmp_path).split()


@pytest.mark.parametrize(
    "words",
    [
        "",
        "{}",
        "{} builder image more",
        "-c {} builder image -e PIP_INDEX_URL=x",
        "-c {} builder image --network none",
        "-c {} builder image --as-dockerfile=x",
        "-c {} builder image --assemble-user 1001",
        "--context-dir a {} builder image",
        "-c {}/nowhere builder image",
        "https://example.org/models.git builder image",
    ],
)
def test_builds_that_say_more_are_left_as_they_are(tmp_path, words):
    assert plain_build(words.format(tmp_path).split()) is None


def test_a_git_repository_is_shared_where_its_files_are_copied(tmp_path):
    (tmp_path / ".git").mkdir()
    assert plain_build([str(tmp_path), "builder", "image"]) is None  # s2i clones: what is committed counts
    assert plain_build(["-c", str(tmp_path), "builder", "image"])
