"""Fetching from an OpenSSH server on loopback, by key; its own key has to be known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ssh_server import SshServer, make_key, ssh_server

from retrain.fetched import SETTINGS, fetched, refused
from retrain.git_servers import Bare
from trainyard.host.retrain.sources.git_errors import Trouble
from trainyard.settings.retrain import JobSettings


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def repo(tmp_path: Path) -> Bare:
    bare = Bare(tmp_path / "repo.git")
    bare.path.mkdir()
    bare.git("init", "-q", "--bare", "-b", "main")
    return bare


def address(ssh: SshServer, repo: Bare) -> str:
    return f"ssh://{ssh.user}@127.0.0.1:{ssh.port}{repo.path}"


def settings(ssh: SshServer, key: Path | None = None) -> JobSettings:
    credentials = f"ssh://127.0.0.1:{ssh.port}/*={key or ssh.key}"
    return replace(SETTINGS, known_hosts=str(ssh.known_hosts), credentials=credentials)


def test_a_key_by_name(ssh: SshServer, repo: Bare, tmp_path: Path) -> None:
    first = repo.commit({"a": "1"})
    newest = repo.commit({"a": "2"})
    for number, (name, commit) in enumerate({"": newest, first[:10]: first}.items()):
        assert fetched(address(ssh, repo), tmp_path / str(number), name, settings(ssh)) == commit
    config = (tmp_path / "0" / ".git" / "config").read_text()
    assert f"url = {address(ssh, repo)}" in config


@pytest.mark.slow
def test_a_key_that_is_not_let_in(ssh: SshServer, repo: Bare, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    other = settings(ssh, tmp_path / "other")
    assert "refuses the credential" in refused(address(ssh, repo), tmp_path / "new", Trouble.LOGIN, settings=other)


def test_a_host_whose_key_is_not_known(ssh: SshServer, repo: Bare, tmp_path: Path) -> None:
    """And one that has another key than before."""
    known = tmp_path / "known"
    known.write_text("")
    unknown = replace(settings(ssh), known_hosts=str(known))
    message = refused(address(ssh, repo), tmp_path / "new", Trouble.HOST_KEY, settings=unknown)
    assert "RETRAIN_KNOWN_HOSTS" in message
    host, kind, _ = ssh.known_hosts.read_text().split()[:3]
    make_key(tmp_path / "host")
    known.write_text(f"{host} {(tmp_path / 'host.pub').read_text()}")
    refused(address(ssh, repo), tmp_path / "new", Trouble.HOST_KEY, settings=unknown)
    assert kind in known.read_text()  # nothing was added, nothing replaced
    assert len(known.read_text().splitlines()) == 1


@pytest.mark.slow
def test_what_is_not_there(ssh: SshServer, repo: Bare, tmp_path: Path) -> None:
    gone = address(ssh, repo).replace("repo.git", "gone.git")
    refused(gone, tmp_path / "new", Trouble.NOT_THERE, settings=settings(ssh))
    refused("ssh://me@127.0.0.1:9/repo", tmp_path / "new", Trouble.AWAY, settings=SETTINGS)
    refused("git@nosuch.invalid:a/b", tmp_path / "new", Trouble.UNKNOWN_HOST, settings=SETTINGS)
