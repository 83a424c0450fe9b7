"""Where the credential of a repository comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.git_credentials import USER_OF_TOKEN, GitCredential, credential_of
from trainyard.host.retrain.sources.git_uri import parse

URI = parse("https://github.com/ours/repo.git")
WITH_TOKEN = parse("https://t0k3n@github.com/ours/repo.git")
ENVIRON = {"TOKEN": "abc", "LOGIN": "me:a:b"}


def test_by_the_name_of_a_variable(tmp_path: Path) -> None:
    setting = "https://github.com/other/*=MISSING https://github.com/ours/*=TOKEN https://github.com/*=LOGIN"
    assert credential_of(URI, setting, ENVIRON, tmp_path) == GitCredential(USER_OF_TOKEN, "abc")
    other = parse("https://github.com/them/repo")
    assert credential_of(other, setting, ENVIRON, tmp_path) == GitCredential("me", "a:b")


def test_one_by_name_comes_before_that_of_the_address(tmp_path: Path) -> None:
    assert credential_of(WITH_TOKEN, "https://github.com/ours/*=TOKEN", ENVIRON, tmp_path) == GitCredential(
        USER_OF_TOKEN, "abc"
    )
    assert credential_of(WITH_TOKEN, "https://other.example/*=TOKEN", ENVIRON, tmp_path) == GitCredential(
        USER_OF_TOKEN, "t0k3n"
    )
    assert credential_of(parse("https://me:word@a.b/c"), "", {}, tmp_path) == GitCredential("me", "word")


def test_none(tmp_path: Path) -> None:
    for text in ("https://github.com/ours/repo", "https://git@github.com/ours/repo", "git@github.com:ours/repo"):
        assert credential_of(parse(text), "https://other.example/*=TOKEN", ENVIRON, tmp_path) is None


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "token"
    file.parent.mkdir()
    file.write_text("me:abc\n")
    file.chmod(0o600)
    setting = f"https://github.com/ours/*={file}"
    assert credential_of(URI, setting, {}, tmp_path / "monorepo") == GitCredential("me", "abc")
    ssh = parse("git@github.com:ours/repo.git")
    assert credential_of(ssh, f"git@github.com:ours/*={file}", {}, tmp_path / "monorepo") == GitCredential(key=file)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("https://github.com/ours/*", "is no <pattern>=<name>"),
        ("https://github.com/ours/*=", "is no <pattern>=<name>"),
        ("github.com/ours/*=TOKEN", "is no pattern of addresses"),
        ("https://github.com/ours/*=MISSING", "the variable MISSING is not set: set MISSING"),
        ("https://github.com/ours/*=EMPTY", "the variable EMPTY is not set"),
        ("https://github.com/ours/*=LINES", "the variable LINES holds no credential"),
        ("https://github.com/ours/*=HALF", "the variable HALF holds no credential"),
        ("https://github.com/ours/*=/no/such/file", "is not there"),
        ("https://github.com/ours/*={root}/token", "lies in the monorepo"),
        ("https://github.com/ours/*=./token", "lies in the monorepo"),
        ("https://github.com/ours/*={root}/../open", "can be read by other users: chmod 600"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, setting: str, message: str) -> None:
    root = tmp_path / "monorepo"
    root.mkdir()
    (root / "token").write_text("s3cr3t")
    (tmp_path / "open").write_text("s3cr3t")
    (tmp_path / "open").chmod(0o644)
    environ = {"EMPTY": "", "LINES": "s3cr3t\npath=x", "HALF": "s3cr3t:"}
    with pytest.raises(TrainyardError) as caught:
        credential_of(URI, setting.format(root=root), environ, root)
    assert str(caught.value).startswith("RETRAIN_CREDENTIALS: ")
    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_a_variable_is_nothing_for_ssh(tmp_path: Path) -> None:
    with pytest.raises(TrainyardError, match="ssh takes a file"):
        credential_of(parse("git@github.com:ours/r"), "git@github.com:ours/*=TOKEN", ENVIRON, tmp_path)


def test_a_credential_does_not_show_its_secret() -> None:
    assert "abc" not in repr(GitCredential("me", "abc"))
