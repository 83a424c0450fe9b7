"""One commit of a repository arrives, from real git servers; each trouble has its own line."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from data.file_servers import nginx
from monorepo import free_port
from needs import can_mount
from outages import serving_badly

from retrain.fetched import SETTINGS, fetched, refused, with_limits
from retrain.git_servers import CLEAN, GitServer
from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.git_errors import Trouble
from trainyard.host.support.reporter import Recording


def in_checkout(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("speaks_v2", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_each_way_to_name_a_commit(server: GitServer, tmp_path: Path, speaks_v2: bool) -> None:
    server.speaks_v2 = speaks_v2
    repo = server.new()
    first = repo.commit({"a": "1"})
    tagged = repo.commit({"a": "2"})
    repo.git("-c", "user.name=me", "tag", "-a", "-m", "a tag", "v1", tagged)
    newest = repo.commit({"a": "3"})
    branch = repo.commit({"a": "4"}, "fix/it")
    named = {
        "": newest, "HEAD": newest, "main": newest, "fix/it": branch, "refs/heads/fix/it": branch, "v1": tagged,
        newest: newest, first: first, first[:9]: first, first[:12].upper(): first,
    }  # fmt: skip
    for number, (name, commit) in enumerate(named.items()):
        folder = tmp_path / f"checkout{number}"
        assert fetched(f"{server.url}/repo.git", folder, name) == commit
        assert (folder / "a").read_text() == {first: "1", tagged: "2", newest: "3", branch: "4"}[commit]
        assert in_checkout(folder, "rev-parse", "HEAD") == commit
        assert in_checkout(folder, "status", "--porcelain") == ""
        assert in_checkout(folder, "remote", "get-url", "origin") == f"{server.url}/repo.git"


@pytest.mark.slow
def test_the_history_stays_where_it_is(server: GitServer, tmp_path: Path) -> None:
    repo = server.new()
    for number in range(3):
        repo.commit({"a": str(number)})
    first = repo.git("rev-list", "--max-parents=0", "main")
    for number, name in enumerate(("", "main", first, first[:9])):
        folder = tmp_path / str(number)
        fetched(f"{server.url}/repo.git", folder, name)
        assert in_checkout(folder, "rev-list", "--all", "HEAD", "--count") == "1", name


@pytest.mark.parametrize("speaks_v2", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_commit_that_no_branch_leads_to(server: GitServer, tmp_path: Path, speaks_v2: bool) -> None:
    """As those of forks and of proposals, which some servers hand out by their ids: anybody may have pushed one."""
    server.speaks_v2 = speaks_v2
    repo = server.new()
    kept = repo.commit({"a": "1"})
    repo.commit({"a": "2"})
    other = repo.commit({"a": "of a stranger"}, "gone")
    repo.git("update-ref", "refs/pull/1/head", other)
    repo.git("update-ref", "-d", "refs/heads/gone")
    repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    for name in (other, other[:10], "refs/pull/1/head", "pull/1/head"):
        refused(f"{server.url}/repo.git", tmp_path / "new", Trouble.NO_COMMIT, name)
    assert fetched(f"{server.url}/repo.git", tmp_path / "kept", kept) == kept


@pytest.mark.slow
def test_a_server_that_takes_no_notice_of_filters(server: GitServer, tmp_path: Path) -> None:
    repo = server.new()
    repo.git("config", "uploadpack.allowFilter", "false")
    first = repo.commit({"a": "1"})
    repo.commit({"a": "2"})
    for number, name in enumerate((first, first[:8])):
        assert fetched(f"{server.url}/repo.git", tmp_path / str(number), name) == first
        assert (tmp_path / str(number) / "a").read_text() == "1"


@pytest.mark.slow
def test_a_repository_of_sha256(server: GitServer, tmp_path: Path) -> None:
    repo = server.new("repo.git", "--object-format=sha256")
    first, newest = repo.commit({"a": "1"}), repo.commit({"a": "2"})
    named = {"": newest, "main": newest, newest: newest, first: first}
    for number, (name, commit) in enumerate(named.items()):
        assert fetched(f"{server.url}/repo.git", tmp_path / str(number), name) == commit


def test_what_is_no_commit(server: GitServer, tmp_path: Path) -> None:
    repo = server.new()
    repo.commit({"a": "1"})
    for speaks_v2 in (True, False):
        server.speaks_v2 = speaks_v2
        for name in ("nobranch", "0123456789", "e" * 40, repo.blob("1"), repo.blob("1")[:10]):
            message = refused(f"{server.url}/repo.git", tmp_path / "new", Trouble.NO_COMMIT, name)
            assert "commit" in message
    server.new("empty.git")
    refused(f"{server.url}/empty.git", tmp_path / "new", Trouble.NO_COMMIT)


NO_NAMES = ("--upload-pack=x", "-x", "a..b", "a:b", "a^", "HEAD~1", "@{-1}", "a b", "a*", ":/fix", "x.lock", "@", "/a")


@pytest.mark.parametrize("name", [*NO_NAMES, "a\nb", "a\\b", "x" * 300])
def test_expressions_and_options_are_no_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrainyardError, match=r"^commit_hash .*: no commit, branch or tag can be called so"):
        fetched("https://127.0.0.1/a/b", tmp_path / "new", name)
    assert not (tmp_path / "new").exists()


def test_a_password(server: GitServer, tmp_path: Path) -> None:
    commit = server.new().commit({"a": "1"})
    server.login = "me:right word"
    url = f"{server.url}/repo.git"
    assert "needs a credential" in refused(url, tmp_path / "new", Trouble.LOGIN)
    wrong = url.replace("//", "//me:wrong@")
    assert "refuses the credential" in refused(wrong, tmp_path / "new", Trouble.LOGIN)
    assert fetched(url.replace("//", "//me:right%20word@"), tmp_path / "in_address") == commit
    named = replace(SETTINGS, credentials=f"{server.url}/other=OTHER {server.url}/*=TOKEN")
    environ = {"TOKEN": "me:right word", "OTHER": "x"}
    assert fetched(url, tmp_path / "named", settings=named, environ=environ) == commit


def test_a_token_of_the_older_service(server: GitServer, tmp_path: Path) -> None:
    """https://{token}@host, and https://git@host for what needs none."""
    commit = server.new().commit({"a": "1"})
    assert fetched(f"{server.url}/repo.git".replace("//", "//git@"), tmp_path / "open") == commit
    server.login = "x-access-token:tok3n"
    assert fetched(f"{server.url}/repo.git".replace("//", "//tok3n@"), tmp_path / "token") == commit


def test_what_is_not_there(server: GitServer, tmp_path: Path) -> None:
    assert "does not exist" in refused(f"{server.url}/gone.git", tmp_path / "new", Trouble.NOT_THERE)
    assert "DNS" in refused("https://nosuch.invalid/a/b", tmp_path / "new", Trouble.UNKNOWN_HOST)
    away = f"http://127.0.0.1:{free_port()}/repo.git"
    assert "Couldn't connect" in refused(away, tmp_path / "new", Trouble.AWAY)


def test_a_server_with_something_wrong(tmp_path: Path) -> None:
    with serving_badly() as server:
        url = server.index.removesuffix("/simple") + "/repo.git"
        for kind, trouble in (("503", Trouble.AWAY), ("403", Trouble.LOGIN), ("html", Trouble.NO_COMMIT)):
            server.kind = kind
            refused(url, tmp_path / "new", trouble)
        server.kind = "silent"
        message = refused(url, tmp_path / "new", Trouble.TIMEOUT, settings=with_limits(seconds=1))
        assert "1 s" in message
        assert "RETRAIN_FETCH_TIMEOUT" in message


def test_a_redirect_is_not_followed(server: GitServer, tmp_path: Path) -> None:
    """It could lead out of what may be fetched from, and take a credential along."""
    server.new().commit({"a": "1"})
    server.login, server.elsewhere = "me:word", "http://127.0.0.1:9"
    assert "sends elsewhere" in refused(f"http://me:word@{server.host}/repo.git", tmp_path / "new", Trouble.REDIRECT)


def test_too_large(server: GitServer, tmp_path: Path) -> None:
    server.new("noise.git").commit({"noise": secrets.token_hex(1_000_000)})
    server.new("zeros.git").commit({"zeros": "0" * 2_000_000})
    for name in ("noise", "zeros"):
        limits = with_limits(megabytes=1)
        message = refused(f"{server.url}/{name}.git", tmp_path / "new", Trouble.TOO_LARGE, settings=limits)
        assert "1 MB" in message
        assert "RETRAIN_FETCH_MB" in message
        fetched(f"{server.url}/{name}.git", tmp_path / name, settings=with_limits(megabytes=5))


def test_too_large_while_it_comes(server: GitServer, tmp_path: Path) -> None:
    server.new().commit({"noise": secrets.token_hex(3_000_000)})
    server.free, server.halfway = threading.Event(), True
    try:
        refused(f"{server.url}/repo.git", tmp_path / "new", Trouble.TOO_LARGE, settings=with_limits(60, megabytes=1))
    finally:
        server.free.set()
    assert server.asked.is_set()


@pytest.mark.slow
def test_a_certificate(server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = server.new().commit({"a": "1"})
    with nginx(tmp_path / "nginx", tmp_path, f"location / {{ proxy_pass {server.url}; }}", tls=True) as url:
        monkeypatch.delenv("GIT_SSL_CAINFO", raising=False)
        assert "not trusted" in refused(f"{url}/repo.git", tmp_path / "new", Trouble.CERTIFICATE)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nginx" / "cert.pem"))
        monkeypatch.delenv("CA_BUNDLE", raising=False)
        assert fetched(f"{url}/repo.git", tmp_path / "trusted") == commit


@pytest.mark.slow
def test_a_server_of_files(server: GitServer, tmp_path: Path) -> None:
    repo = server.new()
    repo.commit({"a": "1"})
    repo.git("update-server-info")
    with nginx(tmp_path / "nginx", server.folder) as url:
        assert "git's protocol" in refused(f"{url}/repo.git", tmp_path / "new", Trouble.NOT_THERE)


def test_a_folder_with_something_in_it_stays(server: GitServer, tmp_path: Path) -> None:
    server.new().commit({"a": "1"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work").write_text("of weeks")
    with pytest.raises(TrainyardError, match="is there already"):
        fetched(f"{server.url}/repo.git", tmp_path / "mine")
    assert (tmp_path / "mine" / "work").read_text() == "of weeks"


def test_nothing_of_the_users_configuration_counts(
    server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rewritten addresses, credential helpers, templates with hooks, filters, a .netrc, an askpass program."""
    commit = server.new().commit({"a": "1", ".gitattributes": "* filter=bad"})
    run = tmp_path / "run"
    home, template = tmp_path / "home", tmp_path / "template"
    for folder in (home, template / "hooks"):
        folder.mkdir(parents=True)
    program = template / "hooks" / "post-checkout"
    program.write_text(f"#!/bin/sh\ntouch {run}\n")
    program.chmod(0o755)
    (home / ".netrc").write_text("machine 127.0.0.1 login me password word\n")
    settings = {
        "url.http://127.0.0.1:9/.insteadOf": f"{server.url}/", "credential.helper": f"!touch {run}",
        "init.templateDir": str(template), "core.hooksPath": str(template / "hooks"), "core.askPass": str(program),
        "filter.bad.smudge": f"touch {run}; cat", "core.fsmonitor": str(program), "core.sshCommand": str(program),
    }  # fmt: skip
    for key, value in settings.items():
        subprocess.run(["git", "config", "--file", home / ".gitconfig", key, value], check=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_ASKPASS", str(program))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    assert fetched(f"{server.url}/repo.git", tmp_path / "new") == commit
    server.login = "me:word"
    refused(f"{server.url}/repo.git", tmp_path / "other", Trouble.LOGIN)
    assert not server.logins
    assert not run.exists()


def test_what_is_reported(server: GitServer, tmp_path: Path) -> None:
    commit = server.new().commit({"a": "1"})
    reporter = Recording()
    fetched(f"{server.url}/repo.git".replace("//", "//tok3n-of-us@"), tmp_path / "new", reporter=reporter)
    assert reporter.noted("step") == [
        f"Fetching {server.url}/repo.git ...", f"Fetched commit {commit[:12]} of {server.url}/repo.git"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_full_disk(server: GitServer, tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("no file system can be mounted here")
    server.new().commit({"noise": secrets.token_hex(4_000_000)})
    (tmp_path / "small").mkdir()
    code = (
        "import pathlib\nfrom retrain.fetched import fetched\n"
        f"fetched('{server.url}/repo.git', pathlib.Path('{tmp_path}/small/new'))\n"
    )
    mounted = f'mount -t tmpfs -o size=2m tmpfs {tmp_path}/small && {sys.executable} -c "$CODE"; ls {tmp_path}/small'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted], capture_output=True, text=True, check=False,
        env={**CLEAN, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "CODE": code, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert "no room on the disk: make room" in done.stderr
    assert done.stdout == ""
