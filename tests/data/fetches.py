"""A cache and a store of S3 behind a proxy, for tests of what fetches."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from monorepo import Monorepo

from data.hostile import Hostile
from data.object_servers import BUCKET
from trainyard.errors import TrainyardError
from trainyard.host.data.cache import Cache, CachedDataset, PlacedDataset
from trainyard.host.data.datastores import Datastore, Datastores
from trainyard.host.data.drivers import open_store
from trainyard.host.data.resolving import resolve
from trainyard.host.data.store import Store
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.support.command import Limit
from trainyard.host.support.reporter import SILENT
from trainyard.settings.data import DataSettings

SETTINGS = DataSettings(data_timeout=5, data_retries=3)


@dataclass
class Lake:
    """``files`` is the folder below which the server keeps the objects."""

    proxy: Hostile
    environ: Mapping[str, str]
    files: Path
    folder: Path
    settings: DataSettings = field(default=SETTINGS)

    def put(self, path: str, content: bytes | str) -> Path:
        place = self.files / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        return place

    def declare(self, repo: Monorepo) -> None:
        """As the store ``lake`` of a repository."""
        text = f"lake:\n  url: {self.url}\n  endpoint: {self.proxy.url}\n"
        (repo.path / "datastores.yaml").write_text(text)

    def there(self) -> dict[str, str]:
        """The text of every object, by its path."""
        return {
            path.relative_to(self.files).as_posix(): path.read_text()
            for path in sorted(self.files.rglob("*")) if path.is_file()
        }  # fmt: skip

    def replace(self, path: str, content: bytes) -> None:
        """By the server, which gives it another etag then."""
        source = self.folder / "source"
        source.write_bytes(content)
        self.store(endpoint=self.proxy.target).write(path, source)

    def etag(self, path: str) -> str:
        """As the server says it; its list has the same."""
        item = self.store(endpoint=self.proxy.target).find(path)
        assert item
        return f'"{item.version}"'

    def store(self, **options: str) -> Store:
        given = {"url": self.url, "endpoint": self.proxy.url} | options
        stores = Datastores(self.folder / "datastores.yaml", {"lake": Datastore.model_validate(given)}, {})
        return open_store("lake", stores, self.environ, self.settings)

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/{self.files.name}"

    def cache(self, name: str = "cache") -> Cache:
        return Cache(self.folder / name, self.settings, Limit("LOCK_TIMEOUT", 60), SILENT)

    def fetch(self, path: str, cache: str = "cache") -> CachedDataset:
        store = self.store()
        part = PlacedDataset(resolve(parse_ref(f"lake:{path}"), store, self.url, SILENT), store)
        return self.cache(cache).dataset([part], f"lake:{path}")

    def with_settings(self, **values: int) -> None:
        self.settings = replace(self.settings, **values)


def content_of(cached: CachedDataset) -> dict[str, bytes]:
    return {
        path.relative_to(cached.folder).as_posix(): path.read_bytes()
        for path in cached.folder.rglob("*") if path.is_file()
    }  # fmt: skip


def opened(url: str, endpoint: str, folder: str) -> Store:
    """As the variables of this process have its credentials."""
    stores = Datastores(Path(folder) / "datastores.yaml", {"lake": Datastore(url=url, endpoint=endpoint)}, {})
    return open_store("lake", stores, os.environ, SETTINGS)


def ask(url: str, endpoint: str, folder: str, path: str) -> None:
    """A fetch in a process of its own; its error is printed as ours are."""
    store = opened(url, endpoint, folder)
    try:
        part = PlacedDataset(resolve(parse_ref(f"lake:{path}"), store, url, SILENT), store)
        Cache(Path(folder) / "cache", SETTINGS, Limit("LOCK_TIMEOUT", 60), SILENT).dataset([part], path)
    except TrainyardError as error:
        sys.exit(f"error: {error}")
