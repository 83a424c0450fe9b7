"""Build contexts: what goes in, what never does, equal bytes for equal sources."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from monorepo import Model, Monorepo

from trainyard.context import OLDEST_TIME, Context, model_context
from trainyard.errors import TrainyardError
from trainyard.model_dir import read_model_dir


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Monorepo(tmp_path / "repo").add_model("one")


def context(model: Model) -> Context:
    root = model.path.parents[2]
    return model_context(read_model_dir(model.path, root), "predict", "lock\n")


def names(model: Model) -> set[str]:
    return {str(file.path) for file in context(model).files}


def test_the_layout_of_a_context(model: Model) -> None:
    (model.path / "setup.sh").write_text("true\n")
    (model.path / "words.txt").write_text("kept\n")
    (model.path.parent / "common_utils").mkdir()
    (model.path.parent / "common_utils" / "own.py").write_text("")
    found = names(model)
    assert {
        ".s2i/environment", "requirements.txt", "requirements.lock", "setup.sh", "sums/one/predict.py",
        "sums/one/train.py", "sums/one/words.txt", "sums/one/test/test_instances.json", "sums/common_utils/own.py",
        "common_utils/encoders.py", "utils/binaries.py",
    } <= found  # fmt: skip
    assert not any("requirements_" in name or name.endswith("Makefile") for name in found)


@pytest.mark.parametrize(
    "secret",
    [".env", ".env.local", ".git/config", "data/table.csv", "models/one.pkl", "server.key", "ca.pem", "id_rsa",
     ".netrc", ".aws/credentials", "__pycache__/predict.pyc", ".venv/bin/python", "deep/er/.env"],
)  # fmt: skip
def test_what_never_enters_a_context(model: Model, secret: str) -> None:
    path = model.path / secret
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("secret")
    assert not any(secret in name for name in names(model))


def test_s2iignore(model: Model) -> None:
    (model.path / ".s2iignore").write_text("# notes\n*.log\nnotes/draft.md\n")
    for name in ("a.log", "notes/draft.md", "notes/final.md", "notes/b.log"):
        (model.path / name).parent.mkdir(exist_ok=True)
        (model.path / name).write_text("")
    found = {name for name in names(model) if name.startswith("sums/one/")}
    assert {"sums/one/notes/final.md", "sums/one/notes/b.log"} <= found
    assert not found & {"sums/one/a.log", "sums/one/notes/draft.md"}


def test_the_hash_is_of_the_content_alone(model: Model) -> None:
    first = context(model)
    os.utime(model.path / "predict.py", (1, 1))
    assert context(model).sha256 == first.sha256
    assert context(model).tar("src") == first.tar("src")
    (model.path / "predict.py").chmod(0o755)
    assert context(model).sha256 != first.sha256
    (model.path / "predict.py").chmod(0o600)
    assert context(model).sha256 == first.sha256
    model.replace("predict.py", "factor", "factors")
    assert context(model).sha256 != first.sha256


def test_a_tar_is_roots_and_readable(model: Model) -> None:
    (model.path / "predict.py").chmod(0o600)
    with tarfile.open(fileobj=io.BytesIO(context(model).tar("src"))) as archive:
        members = archive.getmembers()
    assert all((member.uid, member.gid, member.mtime) == (0, 0, OLDEST_TIME) for member in members)
    assert all(member.mode & 0o444 == 0o444 for member in members)
    assert all(PurePosixPath(member.name).parts[0] == "src" for member in members)


def test_a_tar_ends_with_its_mark(model: Model) -> None:
    content = context(model).tar("src")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        last = archive.getmembers()[-1]
    end = last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    assert content[end:] == bytes(2 * tarfile.BLOCKSIZE)


def test_a_dangling_link_is_named(model: Model) -> None:
    (model.path / "weights").symlink_to("/nonexistent")
    with pytest.raises(TrainyardError, match=r"weights: not a file"):
        context(model)
