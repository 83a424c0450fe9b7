"""Every kind of data store, against a real server of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from data.contract import NAMES, ReadOnlyContract, WritableContract
from data.file_servers import DvcRepository, nginx
from data.object_servers import AZURE, BUCKET
from trainyard.host.data.datastores import Datastore, Datastores
from trainyard.host.data.drivers import open_store
from trainyard.host.data.store import Store
from trainyard.settings.data import DataSettings

NUMBER = itertools.count()


def opened(
    url: str, environ: Mapping[str, str], root: Path, settings: DataSettings | None = None, **options: str
) -> Store:
    stores = Datastores(root / "datastores.yaml", {"lake": Datastore.model_validate({"url": url, **options})}, {})
    return open_store("lake", stores, environ, settings or DataSettings())


class TestS3(WritableContract):
    @pytest.fixture
    def store(self, s3_server: dict[str, str], tmp_path: Path) -> Store:
        return opened(f"s3://{BUCKET}/folder{next(NUMBER)}", s3_server, tmp_path)

    @pytest.fixture
    def missing(self, s3_server: dict[str, str], tmp_path: Path) -> Store:
        return opened(f"s3://bucket{next(NUMBER)}", s3_server, tmp_path)


class TestAzure(WritableContract):
    @pytest.fixture
    def store(self, missing: Store) -> Store:
        missing.make()
        return missing

    @pytest.fixture
    def missing(self, azure_endpoint: str, tmp_path: Path) -> Store:
        return opened(f"abfs://container{next(NUMBER)}/folder", AZURE, tmp_path, endpoint=azure_endpoint)


class TestSftp(WritableContract):
    clock = 1.1  # its times are in seconds

    @pytest.fixture
    def store(self, missing: Store) -> Store:
        missing.make()
        return missing

    @pytest.fixture
    def missing(self, sftp_server: dict[str, str], tmp_path: Path) -> Store:
        return opened(f"{sftp_server['URL']}{tmp_path}/a%20store", sftp_server, tmp_path)


class TestFolder(WritableContract):
    @pytest.fixture
    def store(self, missing: Store) -> Store:
        missing.make()
        return missing

    @pytest.fixture
    def missing(self, tmp_path: Path) -> Store:
        return opened(f"file://{tmp_path}/a%20store", {}, tmp_path)


class TestPath(TestFolder):
    @pytest.fixture
    def missing(self, tmp_path: Path) -> Store:
        return opened("a store", {}, tmp_path)


class TestWeb(ReadOnlyContract):
    names = tuple(name for name in NAMES if not name.startswith("."))  # nginx shows no hidden files

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        (tmp_path / "root" / "a store").mkdir(parents=True)
        with nginx(tmp_path / "nginx", tmp_path / "root") as url:
            yield opened(f"{url}/a%20store", {}, tmp_path)

    def fill(self, store: Store, files: dict[str, bytes], tmp_path: Path) -> None:
        for path, content in files.items():
            place = tmp_path / "root" / "a store" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


@pytest.mark.slow
class TestDvc(ReadOnlyContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        self.repository = DvcRepository(tmp_path / "dvc")
        self.repository.commit()
        return opened(f"dvc+{self.repository.bare}@main#data", {}, tmp_path)

    def fill(self, store: Store, files: dict[str, bytes], tmp_path: Path) -> None:
        for path, content in files.items():
            place = self.repository.folder / "data" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        self.repository.commit()
