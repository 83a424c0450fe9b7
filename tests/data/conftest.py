"""Servers that a worker starts once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.fetches import Lake
from data.file_servers import sftp
from data.hostile import hostile
from data.object_servers import BUCKET, azurite, s3


@pytest.fixture(scope="module")
def s3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Below which the server keeps its buckets, objects as files."""
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def s3_server(s3_folder: Path) -> Iterator[dict[str, str]]:
    with s3(s3_folder) as environ:
        yield environ


@pytest.fixture(scope="module")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azurite(tmp_path_factory.mktemp("azure")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with sftp(tmp_path_factory.mktemp("sshd")) as environ:
        yield environ


@pytest.fixture
def lake(s3_folder: Path, s3_server: dict[str, str], tmp_path: Path) -> Iterator[Lake]:
    """A folder of a bucket, behind a proxy."""
    files = s3_folder / BUCKET / f"lake-{secrets.token_hex(4)}"
    files.mkdir()
    with hostile(s3_server["AWS_ENDPOINT_URL"]) as proxy:
        yield Lake(proxy, s3_server, files, tmp_path)
