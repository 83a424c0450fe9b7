"""Requirements files as people have them: what is read, and what is refused with which fix."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from package_index import hash_of, wheel

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.requirements.requirement_files import (
    Requirement,
    model_requirement,
    read_requirement,
    requirement_lines,
)
from trainyard.host.requirements.requirement_text import logical_lines

HASH = "sha256:" + "a" * 64
PROJECT = '[project]\nname = "{}"\nversion = "1.0"\ndependencies = ["six"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder in a project."""
    path = tmp_path / "projects" / "sums" / "one"
    path.mkdir(parents=True)
    return path


def read(folder: Path, text: str | bytes) -> Requirement:
    path = folder / "requirements_train.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_requirement(path, folder.parent, folder / "cache")


def lines(folder: Path, text: str | bytes) -> list[str]:
    return [line.whole for line in requirement_lines(read(folder, text))]


def refused(folder: Path, text: str) -> str:
    with pytest.raises(TrainyardError) as raised:
        lines(folder, text)
    assert raised.value.hint
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("six\t# ours\n  # a note\n\n idna # more\n", ["six", "idna"]),
        ("six \\\n  >=1.0\n", ["six   >=1.0"]),
        (
            f"six==1 \\\n    --hash={HASH} \\\n    --hash=sha512:ab\n    # via us\n",
            [f"six==1 --hash={HASH} --hash=sha512:ab"],
        ),
        ("\ufeffsix\r\nidna\r\n", ["six", "idna"]),
        ("six\r\nidna".encode("utf-16"), ["six", "idna"]),
        ("--require-hashes\n--prefer-binary\nsix", ["six"]),
        ("own @ https://host/own-1.tar.gz#sha256=" + "a" * 64, [f"own @ https://host/own-1.tar.gz --hash={HASH}"]),
        ("https://host/own-1-py3-none-any.whl", ["own @ https://host/own-1-py3-none-any.whl"]),
    ],
)
def test_what_pip_reads_is_read(folder: Path, text: str | bytes, found: list[str]) -> None:
    assert [" ".join(line.split()) for line in lines(folder, text)] == [" ".join(line.split()) for line in found]


def test_plain_files_stay_as_they_are_so_that_their_locks_do(folder: Path) -> None:
    text = "# ours\nsix>=1 # a note\n\nidna\n"
    assert read(folder, text).text == text


def test_includes_and_constraints_are_read_with_their_own_places(folder: Path) -> None:
    (folder.parent / "common.txt").write_text("# shared\nidna >== 1\n")
    (folder.parent / "limits.txt").write_text("six<2\n")
    found = read(folder, "-r ../common.txt\n-c ../limits.txt\nsix\n")
    assert (found.text, found.constraints) == ("idna >== 1\nsix\n", "six<2\n")
    assert "common.txt:2" in refused(folder, "-r ../common.txt\n")


def test_an_index_that_a_file_names_is_asked_besides(folder: Path) -> None:
    assert read(folder, "--extra-index-url https://host/whl/cpu/\ntorch\n").indexes == ("https://host/whl/cpu",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("six\n--index-url https://host/simple", "INDEX_URL"),
        ("six\n--pre", "name the version"),
        ("six\n-f https://host/torch_stable.html", "--extra-index-url"),
        ("six\n--no-binary :all:", "option that builds do not know"),
        ("six\n-r missing.txt", "is not there"),
        ("six\n-r requirements_train.txt", "includes this one"),
        ("six\n-r ../../../../etc/passwd", "is not below"),
        ("six\n-c https://host/limits.txt", "is not below"),
        ("six\nnumpy >== 2", "is not a requirement"),
        ("six\n/etc", "copy it beside the model"),
        ("six\nown @ file:///etc/own", "copy it beside the model"),
        ("six\n./missing", "No such file"),
        ("six\ngit+https://host/own@main", "40 digits"),
        ("six\nhg+https://host/own", "cannot be locked"),
        ("six\nhttps://host/archive.zip", "has no name"),
    ],
)
def test_what_cannot_be_locked_is_refused_with_its_line_and_the_fix(folder: Path, text: str, expected: str) -> None:
    message = refused(folder, text)
    assert "requirements_train.txt:2: " in message
    assert expected in message


@pytest.mark.parametrize(
    "text",
    [
        "own @ https://reader:s3cret@host/own.whl", "own @ https://reader:pa/s3cret@host/own.whl",
        "own @ https://reader:pa@s3cret#x@host/own.whl", "git+https://s3cret@host/own@main",
        "--extra-index-url https://reader:s3cret@host/simple", "--index-url https://reader:s3cret@host/simple",
        "-e git+https://reader:pa/s3cret@host/own", "https://reader:s3cret@host/own-1-py3-none-any.whl",
        "own @ ftp://host/s3cret/own.whl",
    ],
)  # fmt: skip
def test_a_password_in_a_url_is_refused_and_not_printed(folder: Path, text: str) -> None:
    assert "s3cret" not in refused(folder, f"{text}\n")


def test_a_wheel_beside_the_model_is_required_by_its_hash(folder: Path) -> None:
    package = wheel("own", "1.0")
    (folder / "wheels").mkdir()
    (folder / "wheels" / package[0]).write_bytes(package[1])
    found = read(folder, f"./wheels/{package[0]} ; python_version > '3'\n")
    assert found.text == f"own==1.0 ; python_version > '3' --hash={hash_of(package)}\n"
    assert [one.filename for one in found.packages] == [package[0]]
    (folder / "wheels" / package[0]).write_bytes(b"PK damaged")
    assert "damaged" in refused(folder, f"./wheels/{package[0]}\n")


@pytest.mark.parametrize("text", ["./own", "-e ./own", "own/", "own[plot] @ ./own", "own @ file:own"])
def test_a_folder_beside_the_model_is_packed_the_same_way_every_time(folder: Path, text: str) -> None:
    (folder / "own").mkdir()
    (folder / "own" / "pyproject.toml").write_text(
        PROJECT.format("own") + 'optional-dependencies = {plot = ["idna"]}\n'
    )
    (folder / "own" / "own.py").write_text("X = 1\n")
    first = read(folder, f"{text}\n")
    (folder / "own" / "own.egg-info").mkdir()
    (folder / "own" / "__pycache__").mkdir()
    assert read(folder, f"{text}\n") == first
    assert "Requires-Dist: six" in first.packages[0].metadata
    assert "Requires-Dist: idna ; extra == 'plot'" in first.packages[0].metadata
    assert first.text.startswith(("own==1.0 ", "own[plot]==1.0 "))
    (folder / "own" / "own.py").write_text("X = 2\n")
    assert read(folder, f"{text}\n").text != first.text


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"setup.py": "from setuptools import setup\nsetup(name='own', version='2', install_requires=['six'])"}, "2"),
        ({"setup.cfg": "[metadata]\nname = own\nversion = 3\n[options]\ninstall_requires =\n  six\n"}, "3"),
        ({"setup.py": "setup(name='own', version=read())"}, "setup.py computes its version"),
        ({"setup.py": "setup(name='own', version='1', install_requires=open('r').read())"}, "computes its install_req"),
        ({"setup.py": "setup(**facts)"}, "does not write out"),
        ({"setup.py": "def ("}, "setup.py:1"),
        ({"setup.cfg": "[metadata]\nname = own\nversion = attr: own.V\n"}, "does not write out its version"),
        ({"pyproject.toml": '[project]\nname = "own"\ndynamic = ["version"]\n'}, "does not write out its version"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml is damaged"),
        ({"README": ""}, "neither a pyproject.toml"),
    ],
)
def test_what_a_folder_says_of_itself_is_read_and_not_run(folder: Path, files: dict[str, str], version: str) -> None:
    (folder / "own").mkdir()
    for name, text in files.items():
        (folder / "own" / name).write_text(text)
    if version.isdecimal():
        (package,) = read(folder, "./own\n").packages
        assert (package.version, "Requires-Dist: six" in package.metadata) == (version, True)
    else:
        message = refused(folder, "./own\n")
        assert version in message
        assert "wheel" in message


def test_a_commit_of_git_is_fetched_once(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "pyproject.toml").write_text(PROJECT.format("own"))
    (source / "link").symlink_to("/etc/hostname")
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    line = f"git+file://{source}@{commit}#egg=own\n"
    first = read(folder, line)
    assert first.text.startswith("own==1.0 --hash=sha256:")
    assert b"/etc/hostname" in first.packages[0].content  # where it leads, and not what is there
    source.rename(tmp_path / "gone")
    assert read(folder, line) == first
    assert "cannot be fetched" in refused(folder, line.replace(commit, "0" * 40))


def required(folder: Path, role: str = "train") -> list[str]:
    model = ModelDir(folder, folder.parents[2])
    return [line.text for line in requirement_lines(model_requirement(model, role))]


def test_the_roles_own_file_comes_before_the_one_of_both_and_that_before_the_project(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        PROJECT.format("one")
        + 'optional-dependencies = {train = ["xgboost"]}\n'
        + '[dependency-groups]\npredict = [{include-group = "web"}]\nweb = ["requests"]\n'
    )
    assert required(folder) == ["six", "xgboost"]
    assert required(folder, "predict") == ["six", "requests"]
    (folder / "requirements.txt").write_text("idna\n")
    (folder / "requirements_train.txt").write_text("attrs\n")
    assert required(folder) == ["attrs"]
    assert required(folder, "predict") == ["idna"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.ruff]\n", "has no [project]"),
        ('[project]\nname = "one"\ndynamic = ["dependencies"]\n', "are computed"),
        ('[tool.poetry.dependencies]\nnumpy = "^2"\n', "poetry export"),
        (PROJECT.format("one") + "[tool.uv.sources]\n", "uv lock"),
        (PROJECT.format("one").replace("six", "one[all]"), "names the project itself"),
        (PROJECT.format("one").replace("six", "own @ file:///own"), "where its package is"),
    ],
)
def test_a_project_that_does_not_say_all_is_refused(folder: Path, text: str, expected: str) -> None:
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(TrainyardError, match=r"pyproject\.toml") as raised:
        required(folder)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("environment.yml", "names that they have on PyPI"), ("Pipfile", "pipenv requirements"),
        ("poetry.lock", "poetry export"), ("pdm.lock", "pdm export"), ("setup.py", "-e ."),
        ("requirements.in", "mv requirements.in"),
    ],
)  # fmt: skip
def test_the_file_of_another_tool_is_named_with_the_way_from_it(folder: Path, name: str, expected: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(TrainyardError, match=f"{name} is not read") as raised:
        required(folder)
    assert expected in raised.value.hint


def test_no_requirements_at_all(folder: Path) -> None:
    with pytest.raises(TrainyardError, match=r"requirements_predict\.txt: no such file"):
        required(folder, "predict")


@settings(max_examples=200)
@given(st.text(st.sampled_from("six=<>1 \\\n\t#-rc@:/.[];'hash"), max_size=60))
def test_any_text_is_lines_or_one_error(text: str) -> None:
    try:
        found = list(logical_lines(Path("r.txt"), text))
    except TrainyardError as error:
        assert "\n" not in str(error)
        return
    assert all(line.text and "\n" not in line.text and not line.text.startswith("#") for line in found)
    assert [line.number for line in found] == sorted({line.number for line in found})
