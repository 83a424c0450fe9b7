"""Build contexts: what goes in, what never does, equal bytes for equal sources."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from monorepo import Model, Monorepo

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import read_model_dir
from trainyard.host.monorepo.sources import model_context, read_setup, setup_files
from trainyard.host.support.context import LARGE, OLDEST_TIME, Context


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Monorepo(tmp_path / "repo").add_model("one")


def context(model: Model) -> Context:
    root = model.path.parents[2]
    return model_context(read_model_dir(model.path, root), "", "lock\n")


def names(model: Model) -> set[str]:
    return {str(file.path) for file in context(model).files}


def tar(model: Model) -> bytes:
    stream = io.BytesIO()
    context(model).write_tar("src", stream)
    return stream.getvalue()


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


def test_setup_sh_is_given_the_files_that_it_names(model: Model) -> None:
    for name in ("apt.txt", "debs/a.deb", "native.patch", "words.txt", "data/big.bin", ".env"):
        (model.path / name).parent.mkdir(exist_ok=True)
        (model.path / name).write_text("")
    (model.path / "setup.sh").write_bytes(
        b'#!/bin/bash\r\nset -e\r\ncd "$(dirname "$0")"\r\nxargs apt-get install <apt.txt\r\n'
        b'test -d data && . .env; dpkg -i "$PWD"/debs/*.deb *.patch; rm -rf /tmp/*\r\n'
    )
    found = read_model_dir(model.path, model.path.parents[2])
    assert {str(file.path) for file in setup_files(found)} == {"apt.txt", "debs/a.deb", "native.patch"}
    assert b"\r" not in context(model).read("setup.sh")
    assert context(model).read("setup.sh") == read_setup(found)


def test_the_hash_is_of_the_content_alone(model: Model) -> None:
    first, first_tar = context(model), tar(model)
    os.utime(model.path / "predict.py", (1, 1))
    assert context(model).sha256 == first.sha256
    assert tar(model) == first_tar
    (model.path / "predict.py").chmod(0o755)
    assert context(model).sha256 != first.sha256
    (model.path / "predict.py").chmod(0o600)
    assert context(model).sha256 == first.sha256
    model.replace("predict.py", "factor", "factors")
    assert context(model).sha256 != first.sha256


def test_a_tar_is_roots_and_readable(model: Model) -> None:
    (model.path / "predict.py").chmod(0o600)
    with tarfile.open(fileobj=io.BytesIO(tar(model))) as archive:
        members = archive.getmembers()
    assert all((member.uid, member.gid, member.mtime) == (0, 0, OLDEST_TIME) for member in members)
    assert all(member.mode & 0o444 == 0o444 for member in members)
    assert all(PurePosixPath(member.name).parts[0] == "src" for member in members)


def test_a_tar_ends_with_its_mark(model: Model) -> None:
    content = tar(model)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        last = archive.getmembers()[-1]
    end = last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    assert content[end:] == bytes(2 * tarfile.BLOCKSIZE)


OUT = "/etc/hostname"


@pytest.mark.parametrize(
    ("link", "target", "reason"),
    [
        ("weights", "/nonexistent", "leads nowhere"),
        ("loop", "loop", "leads nowhere"),
        ("notes.md", OUT, "out of the monorepo, to /etc/hostname"),
        ("chain.md", "middle", "out of the monorepo, to /etc/hostname"),
        ("settings.txt", "../../../.env", r"to .*\.env, which never gets into an image"),
        ("folder", "../../../.venv", "out of the monorepo|never gets into an image"),
        ("self", ".", "a link to a folder around it"),
        ("up", "../one", "a link to a folder around it"),
        ("etc", "/etc", "out of the monorepo, to /etc"),
        ("null", "/dev/null", "out of the monorepo, to /dev/null"),
        ("pipe", "../pipe", "neither a file nor a folder"),
        ("setup.sh", OUT, "setup.sh: a link out of the monorepo"),
        ("../__init__.py", OUT, "__init__.py: a link out of the monorepo"),
        ("../common_utils", "/etc", "common_utils: a link out of the monorepo"),
    ],
)
def test_a_link_that_is_not_followed(model: Model, link: str, target: str, reason: str) -> None:
    (model.path.parents[2] / ".env").write_text("PASSWORD=1\n")
    (model.path / "middle").symlink_to(OUT)
    if link != "chain.md":
        (model.path / "middle").unlink()
    os.mkfifo(model.path.parent / "pipe")
    (model.path / link).symlink_to(target)
    with pytest.raises(TrainyardError, match=reason):
        context(model)


def test_links_within_the_monorepo_are_followed(model: Model) -> None:
    lists = model.path.parents[2] / "shared"
    (lists / "deep").mkdir(parents=True)
    (lists / "deep" / "words.txt").write_text("kept\n")
    (model.path / "folder").symlink_to("../../../shared")
    (model.path / "one.txt").symlink_to("two.txt")
    (model.path / "two.txt").symlink_to(lists / "deep" / "words.txt")
    found = context(model)
    for name in ("folder/deep/words.txt", "one.txt", "two.txt"):
        assert found.read(f"sums/one/{name}") == b"kept\n"


def test_a_pipe_is_named_and_not_opened(model: Model) -> None:
    os.mkfifo(model.path / "queue")
    with pytest.raises(TrainyardError, match=r"queue: neither a file nor a folder: remove it, or"):
        context(model)
    (model.path / ".s2iignore").write_text("queue\n")
    assert "sums/one/queue" not in names(model)


@pytest.mark.parametrize("name", [b"caf\xe9.txt", b"caf\xe9/words.txt"])
def test_a_name_that_is_not_utf8(model: Model, name: bytes) -> None:
    path = model.path / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    with pytest.raises(TrainyardError, match=r"caf\\xe9(\.txt)?: the name is not UTF-8: rename it"):
        context(model)
    (model.path / ".s2iignore").write_text("caf?*\n")
    assert not any("caf" in name for name in names(model))


def test_what_stays_out_is_named_with_its_reason(model: Model) -> None:
    (model.path / ".s2iignore").write_text("*.csv\n!lookup.csv\n")
    for name in ("raw.csv", "lookup.csv", ".env", "data/table.csv", "__pycache__/a.pyc"):
        (model.path / name).parent.mkdir(exist_ok=True)
        (model.path / name).write_text("")
    assert "sums/one/lookup.csv" in names(model)
    (remark,) = context(model).remarks()
    assert remark == (
        "Left out of the image: sums/one/.env (may hold credentials), sums/one/data (a container has sums/data in its "
        "place), sums/one/raw.csv (.s2iignore)"
    )


def test_what_is_large_is_named_and_not_kept_in_memory(model: Model, tmp_path: Path) -> None:
    (model.path / "weights").mkdir()
    for name in ("a.bin", "b.bin"):
        with (model.path / "weights" / name).open("wb") as file:
            file.truncate(LARGE - 1)
    found = context(model)
    assert sum(len(file.content) for file in found.files if isinstance(file.content, bytes)) < LARGE
    (remark,) = found.remarks()
    assert remark.startswith("Large: sums/one/weights brings 40 MiB into the image")
    assert context(model).sha256 == found.sha256
    found.write(tmp_path / "written")
    assert (tmp_path / "written" / "sums" / "one" / "weights" / "a.bin").stat().st_size == LARGE - 1


def test_a_large_file_that_changes_meanwhile_is_an_error(model: Model, tmp_path: Path) -> None:
    large = model.path / "large.bin"
    with large.open("wb") as file:
        file.truncate(LARGE)
    found = context(model)
    first = found.sha256
    with large.open("r+b") as file:
        file.write(b"another")
    with pytest.raises(TrainyardError, match=r"large.bin: changed while the image was built: build again"):
        found.write(tmp_path / "written")
    assert context(model).sha256 != first


def test_files_have_one_time_in_contexts_and_in_builds() -> None:
    scripts = (Path(__file__).resolve().parents[1] / "builders" / "common.sh").read_text()
    assert f': "${{SOURCE_DATE_EPOCH:={OLDEST_TIME}}}"' in scripts
