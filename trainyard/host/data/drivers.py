"""Which driver reads a store, and how it is set up: with the store's own credentials, timeouts, checked host keys."""

from __future__ import annotations

import atexit
import importlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from trainyard.errors import TrainyardError
from trainyard.host.data.credentials import variables_of
from trainyard.host.data.datastores import OBJECTS, Datastore, Datastores
from trainyard.host.data.store import Store
from trainyard.settings.data import DataSettings

# The extra of the package that has what a kind of store needs, and a module by which its absence is seen.
DRIVERS: Mapping[str, tuple[str, str]] = {
    "s3": ("s3", "obstore"),
    "gs": ("gs", "obstore"),
    "abfs": ("abfs", "obstore"),
    "http": ("https", "aiohttp"),
    "https": ("https", "aiohttp"),
    "sftp": ("sftp", "sshfs"),
    "dvc": ("dvc", "dvc.api"),
}


def open_store(name: str, stores: Datastores, environ: Mapping[str, str], settings: DataSettings) -> Store:
    """The store of that name, which was not asked anything yet.

    Raises:
        TrainyardError: there is none, its driver is not installed, or its credentials are not there.
    """
    store = stores.find(name)
    try:
        return open_datastore(name, store, variables_of(name, store, environ, stores.path.parent), settings, stores)
    except TrainyardError as error:
        if error.message.startswith(("data store ", f"{name}:")):
            raise
        raise TrainyardError(f"data store {name}: {error.message}", error.hint, error.exit_code) from None


def open_datastore(
    name: str, store: Datastore, environ: Mapping[str, str], settings: DataSettings, stores: Datastores
) -> Store:
    """A store by its declaration; ``environ`` is as it shall see it."""
    _check_driver(name, store)
    if store.scheme in OBJECTS:
        from trainyard.host.data.object_store import ObjectStore

        return ObjectStore(name, store, environ, settings)
    from trainyard.host.data.fsspec_store import FsspecStore

    if store.scheme in ("http", "https"):
        from trainyard.host.data.web_store import WebStore

        return WebStore(name, lambda: _web(store, environ, settings), store.url, writable=False)
    if store.scheme == "sftp":
        place = unquote(urlsplit(store.url).path) or "/"
        return FsspecStore(name, lambda: _sftp(store, environ, settings), place)
    if store.scheme == "dvc":
        return FsspecStore(name, lambda: _dvc(store), f"/{store.dvc_place[2]}", writable=False)
    path = unquote(urlsplit(store.url).path) if store.url.startswith("file:") else store.url
    folder = (stores.path.parent / path).resolve()
    if folder.is_file():
        raise TrainyardError(f"{folder} is a file, not a data store", "name the folder that it is in")
    return FsspecStore(name, lambda: _filesystem("file"), str(folder))


def _check_driver(name: str, store: Datastore) -> None:
    extra, module = DRIVERS.get(store.scheme, ("", ""))
    if not module:
        return
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        raise TrainyardError(
            f"data store {name}: the driver of {store.scheme}:// is not installed", f"sh mk/setup.sh . {extra}"
        ) from None


def _filesystem(protocol: str, **options: Any) -> Any:
    """Each of its own, without a list that it remembers: what is there now counts."""
    import fsspec

    return fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **options)


def _dvc(store: Datastore) -> Any:
    """DVC clones the repository into a temporary folder, which it leaves."""
    from dvc.api import DVCFileSystem
    from dvc.repo.open_repo import clean_repos

    place, revision, _ = store.dvc_place
    atexit.register(clean_repos)
    return DVCFileSystem(place, rev=revision or None)


def _web(store: Datastore, environ: Mapping[str, str], settings: DataSettings) -> Any:
    import aiohttp

    headers, own = {"Accept-Encoding": "identity"}, {}
    if token := environ.get("HTTP_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    elif user := environ.get("HTTP_USERNAME"):
        own["auth"] = aiohttp.BasicAuth(user, environ.get("HTTP_PASSWORD", ""))
    seconds = settings.data_timeout
    limits = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
    client = {"trust_env": True, "headers": headers, "timeout": limits, **own}
    return _filesystem(store.scheme, client_kwargs=client)


def _sftp(store: Datastore, environ: Mapping[str, str], settings: DataSettings) -> Any:
    """The user's own ssh: configuration, agent, keys, and the host keys that are known; another host is refused."""
    from sshfs import SSHFileSystem

    place = urlsplit(store.url)
    named = {
        "username": unquote(place.username or "") or environ.get("SFTP_USERNAME"),
        "password": environ.get("SFTP_PASSWORD"), "port": place.port,
        "client_keys": [environ["SFTP_KEY_FILE"]] if environ.get("SFTP_KEY_FILE") else None,
    }  # fmt: skip
    given = {option: value for option, value in named.items() if value}
    return SSHFileSystem(
        place.hostname, skip_instance_cache=True, connect_timeout=settings.data_timeout,
        login_timeout=settings.data_timeout, keepalive_interval=settings.data_timeout, keepalive_count_max=1,
        # Without a word about them sshfs takes any host; () are those of ~/.ssh.
        known_hosts=environ.get("SFTP_KNOWN_HOSTS") or (), **given,
    )  # fmt: skip
