"""Servers that a worker starts once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data.file_servers import sshd
from data.object_servers import azurite, s3


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3(tmp_path_factory.mktemp("s3")) as environ:
        yield environ


@pytest.fixture(scope="module")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azurite(tmp_path_factory.mktemp("azure")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with sshd(tmp_path_factory.mktemp("sshd")) as environ:
        yield environ
