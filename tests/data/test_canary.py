"""Credentials of stores are in no file of the repository, the cache or the image, in no message, in no process list."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from monorepo import Made, Model, Monorepo
from processes_watched import watched

from data.fetches import Lake
from data.file_servers import nginx
from data.object_servers import AZURE, azurite

CANARY = "canary9f3b1c"
ROWS = "a,b\n1,2\n"
OTHERS = ("variables", "file", "wrong")


def assert_nowhere(secrets: tuple[str, ...], made: list[Made], *folders: Path) -> None:
    for one in made:
        for secret in secrets:
            assert secret not in one.out + one.err
    files = 0
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and ".venv" not in path.parts:
                files += 1
                content = path.read_bytes()
                for secret in secrets:
                    assert secret.encode() not in content, path
    assert files > 20


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    return Monorepo(tmp_path / "repo")


@pytest.fixture
def model(repo: Monorepo) -> Model:
    return repo.add_model("m0")


@pytest.mark.parametrize("way", ["prefix", *(pytest.param(way, marks=pytest.mark.slow) for way in OTHERS)])
def test_keys_of_s3(repo: Monorepo, model: Model, lake: Lake, tmp_path: Path, way: str) -> None:
    lake.put("v1/train.csv", ROWS)
    lake.declare(repo)
    keys = {name: lake.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    others = {"AWS_ACCESS_KEY_ID": f"{CANARY}id", "AWS_SECRET_ACCESS_KEY": f"{CANARY}key"}
    secrets = (keys["AWS_SECRET_ACCESS_KEY"], CANARY)
    declared = repo.path / "datastores.yaml"
    environ = keys
    if way == "prefix":
        declared.write_text(f"{declared.read_text()}  credentials: {{variables: LAKE_}}\n")
        # A token of another store: sent to this one, it would be refused, and known to it.
        environ = {**others, "AWS_SESSION_TOKEN": CANARY, **{f"LAKE_{name}": value for name, value in keys.items()}}
    elif way == "file":
        path = tmp_path / "keys"
        path.write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
        path.chmod(0o600)
        declared.write_text(f"{declared.read_text()}  credentials: {{file: {path}}}\n")
        environ = {**others, "AWS_SESSION_TOKEN": CANARY}
    elif way == "wrong":
        environ = others
    seen: set[str] = set()
    with watched(seen, *secrets):
        made = [
            repo.make(model, "train", "DATASET_NAME=lake:v1/train.csv", "DATA_RETRIES=0", **environ),
            repo.make(None, "datastores", "DATA_RETRIES=0", **environ),
            repo.make(None, "data-list", "STORE=lake", **environ),
            repo.make(None, "data-push", "FROM=pyproject.toml", "TO=lake:v9/", **environ),
            repo.make(model, "-n", "train", "DATASET_NAME=lake:v1/train.csv", **environ),
        ]
    assert (made[0].status == 0) == (way != "wrong"), made[0].err
    if way == "wrong":
        assert "lake:v1/train.csv: the store refuses (XAdminUserNotFound)" in made[0].err
    assert_nowhere(secrets, made, repo.path)
    assert not seen
    asked = "".join(map(str, lake.proxy.asked))
    assert CANARY not in asked


@pytest.mark.slow
def test_a_token_of_a_web_server(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    (tmp_path / "root/v1").mkdir(parents=True)
    (tmp_path / "root/v1/train.csv").write_text(ROWS)
    refuse = f'if ($http_authorization != "Bearer {CANARY}") {{ return 401; }}'
    with nginx(tmp_path / "nginx", tmp_path / "root", refuse) as url:
        (repo.path / "datastores.yaml").write_text(f"web: {{url: '{url}'}}\n")
        seen: set[str] = set()
        with watched(seen, CANARY):
            made = [
                repo.make(model, "train", "DATASET_NAME=web:v1/train.csv", HTTP_TOKEN=CANARY).succeeded(),
                repo.make(None, "datastores", HTTP_TOKEN=f"{CANARY}2"),
                repo.make(None, "datastores", "DATA_RETRIES=0"),
            ]
        assert "the store refuses (status 401)" in made[1].out
        assert "the store refuses (status 401)" in made[2].out
    assert_nowhere((CANARY,), made, repo.path)
    assert not seen


@pytest.mark.slow
def test_a_key_of_azure(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    secret = AZURE["AZURE_STORAGE_ACCOUNT_KEY"]
    with azurite(tmp_path / "azure") as endpoint:
        (repo.path / "datastores.yaml").write_text(f"blob: {{url: 'abfs://box/x', endpoint: '{endpoint}'}}\n")
        (tmp_path / "v1").mkdir()
        (tmp_path / "v1" / "train.csv").write_text(ROWS)
        made = [repo.make(None, "data-list", "STORE=blob", **AZURE)]
        made[0].failed("blob: there is no such bucket or container")
        from data.test_stores import opened

        opened("abfs://box/x", AZURE, tmp_path, endpoint=endpoint).make()
        made += [
            repo.make(None, "data-push", f"FROM={tmp_path}/v1", "TO=blob:v1", **AZURE).succeeded(),
            repo.make(model, "train", "DATASET_NAME=blob:v1/train.csv", **AZURE).succeeded(),
            repo.make(None, "datastores", **{**AZURE, "AZURE_STORAGE_ACCOUNT_KEY": "bm90IGl0"}),
        ]
        assert "the store refuses (Auth" in made[-1].out
    assert_nowhere((secret, "bm90IGl0"), made, repo.path)


@pytest.mark.slow
def test_a_password_of_sftp(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    """Of a server in a process of its own: Debian's takes those of the machine's users alone."""
    (tmp_path / "root/v1").mkdir(parents=True)
    (tmp_path / "root/v1/train.csv").write_text(ROWS)
    with passwords(tmp_path) as (port, known_hosts):
        (repo.path / "datastores.yaml").write_text(f"box: {{url: 'sftp://127.0.0.1:{port}/'}}\n")
        environ = {"SFTP_USERNAME": "me", "SFTP_PASSWORD": CANARY, "SFTP_KNOWN_HOSTS": str(known_hosts)}
        seen: set[str] = set()
        with watched(seen, CANARY):
            made = [
                repo.make(model, "train", "DATASET_NAME=box:v1/train.csv", **environ).succeeded(),
                repo.make(None, "datastores", "DATA_RETRIES=0", **{**environ, "SFTP_PASSWORD": f"{CANARY}x"}),
                repo.make(None, "datastores", "DATA_RETRIES=0", **{**environ, "SFTP_KNOWN_HOSTS": os.devnull}),
            ]
    assert "the store refuses" in made[1].out
    assert "the host's key is not known" in made[2].out
    assert_nowhere((CANARY,), made, repo.path)
    assert not seen


PASSWORDS = """
import asyncio, sys, asyncssh

class Server(asyncssh.SSHServer):
    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == ("me", sys.stdin_password)

async def main(folder):
    sys.stdin_password = sys.stdin.readline().strip()
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key],
        sftp_factory=lambda chan: asyncssh.SFTPServer(chan, chroot=folder.encode()))
    print(server.get_port(), key.export_public_key().decode().strip(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


@contextmanager
def passwords(folder: Path) -> Iterator[tuple[int, Path]]:
    """An SFTP server that asks for the password CANARY; its port, and a file with its key."""
    command = [sys.executable, "-c", PASSWORDS, str(folder / "root")]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin and server.stdout
    try:
        server.stdin.write(f"{CANARY}\n")
        server.stdin.flush()
        port, _, key = server.stdout.readline().strip().partition(" ")
        (folder / "known").write_text(f"[127.0.0.1]:{port} {key}\n")
        assert re.fullmatch(r"\d+", port)
        yield int(port), folder / "known"
    finally:
        server.terminate()
        server.communicate()


@pytest.mark.slow
@pytest.mark.engine("docker")
def test_no_key_is_in_an_image(tmp_path: Path, lake: Lake) -> None:
    repo = Monorepo(tmp_path / "repo", "docker")
    lake.put("v1/train.csv", ROWS)
    lake.declare(repo)
    model = repo.add_model("m0")
    secret = lake.environ["AWS_SECRET_ACCESS_KEY"]
    made = repo.make(model, "build-train", "train", "DATASET_NAME=lake:v1/train.csv", **lake.environ).succeeded()
    image = f"{model.container}-train"
    said = subprocess.run(["docker", "inspect", image], capture_output=True, text=True, check=True).stdout
    history = subprocess.run(
        ["docker", "history", "--no-trunc", image], capture_output=True, text=True, check=True
    ).stdout
    assert secret not in said + history
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
        assert saved.stdout
        tail = b""
        while piece := saved.stdout.read(1 << 20):
            assert secret.encode() not in tail + piece
            tail = piece[-100:]
    assert_nowhere((secret,), [made], repo.path)
