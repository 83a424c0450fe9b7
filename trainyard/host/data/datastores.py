"""``datastores.yaml`` at the top of a monorepo: the data stores by name, without any secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import RootModel, field_validator

from trainyard.host.experiments.named_entries import NamedEntries, read_named
from trainyard.host.experiments.yaml_files import Section
from trainyard.host.monorepo.dataset_ref import DATASTORES, STORE_NAME

FILE = DATASTORES
EXAMPLE = "s3://bucket/folder, gs://, abfs://, https://, sftp://, file://, a path, dvc+https://host/repo.git#folder"
OBJECTS = ("s3", "gs", "abfs")  # schemes of stores of objects
SCHEMES = (*OBJECTS, "http", "https", "sftp", "file")
# Query parameters that let whoever has the URL in.
_SIGNATURES = re.compile(r"sig|signature|token|secret|password|key|x-(amz|goog)-.*", re.IGNORECASE)
_DVC = "dvc+"
_WAYS = "write default, none, {variables: <prefix>} or {file: <path>}"


class Credentials(Section):
    """Where credentials come from, if not by the usual chain of the provider."""

    variables: str = ""  # a prefix: LAKE_ has LAKE_AWS_ACCESS_KEY_ID be AWS_ACCESS_KEY_ID
    file: str = ""  # of KEY=value lines, outside of the monorepo

    @field_validator("variables")
    @classmethod
    def _prefix(cls, given: str) -> str:
        if given and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", given):
            raise ValueError("not the beginning of variables' names, such as LAKE_")
        return given


class Datastore(Section):
    """One store. ``endpoint`` and ``region`` are of S3 and of what speaks its protocol."""

    url: str
    endpoint: str = ""
    region: str = ""
    credentials: Credentials | Literal["default", "none"] = "default"

    @field_validator("credentials", mode="before")
    @classmethod
    def _one_way(cls, given: object) -> object:
        if isinstance(given, Mapping):
            if bool(given.get("variables")) == bool(given.get("file")):
                raise ValueError(_WAYS)
        elif not isinstance(given, Credentials) and given not in ("default", "none"):
            raise ValueError(_WAYS)  # it is not shown: somebody may have put a secret there
        return given

    @field_validator("url")
    @classmethod
    def _url(cls, given: str) -> str:
        if not given:
            raise ValueError(f"it is empty: write one of {EXAMPLE}")
        check_url(given)
        return given

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, given: str) -> str:
        check_endpoint(given)
        return given

    @property
    def scheme(self) -> str:
        """Of the URL; ``file`` of a path, ``dvc`` of a DVC repository."""
        if self.url.startswith(_DVC):
            return "dvc"
        return urlsplit(self.url).scheme or "file"

    @property
    def dvc_place(self) -> tuple[str, str, str]:
        """Of a DVC repository: where it is, the commit, branch or tag (may be empty), the folder in it."""
        url, _, folder = self.url.removeprefix(_DVC).partition("#")
        before, at, revision = url.rpartition("@")
        if not at or "/" in revision or (":" not in before and "/" not in before):
            before, revision = url, ""
        return before, revision, folder.strip("/")


class _Stores(RootModel[dict[str, Datastore]]):
    """The whole file."""


@dataclass(frozen=True)
class Datastores(NamedEntries[Datastore]):
    """``datastores.yaml``."""

    WHAT = "data store"
    HEADER = (
        "# The data stores of this repository: docs/data.md. `make datastores` shows them. No secret belongs here.\n"
    )
    ADDING = "datastore-add NAME={name} URL=..."


def check_name(name: object) -> None:
    """Raises:
    ValueError: it cannot be the name of a data store."""
    if not isinstance(name, str) or not STORE_NAME.fullmatch(name):
        raise ValueError("not the name of a data store: letters, digits, - and _, such as lake")
    if name in SCHEMES:
        raise ValueError(f"not the name of a data store: {name}: begins a URL")


def check_url(url: str) -> None:
    """Raises:
    ValueError: it is none that we know, or holds a password or a signature."""
    parts = urlsplit(url.removeprefix(_DVC))
    if parts.password is not None:
        raise ValueError("it holds a password: leave it out, and name where it comes from by `credentials`")
    if any(_SIGNATURES.fullmatch(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise ValueError("it holds a signature or a key: leave out what follows the ?, and use `credentials`")
    if not url.startswith(_DVC) and parts.scheme not in ("", *SCHEMES):
        raise ValueError(f"{parts.scheme}:// is none of {EXAMPLE}")
    if parts.scheme in ("s3", "gs", "abfs", "http", "https", "sftp") and not parts.netloc:
        raise ValueError("it names no bucket, and no host")
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise ValueError("it holds a character that no URL has")


def check_endpoint(url: str) -> None:
    """Raises:
    ValueError: it is no address of a server, or holds a password or a signature."""
    check_url(url)
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("it does not begin with http:// or https://")


def read_datastores(root: Path) -> Datastores:
    """The stores of the monorepo at ``root``; none where it has no such file.

    Raises:
        TrainyardError: naming file, line and fix; a wrong URL is not shown, as it may hold a secret.
    """
    path = root / FILE
    file = read_named(path, "data stores", "<name>: {url: <URL>}", check_name)
    if file is None:
        return Datastores(path, {}, {})
    named = {name: {"url": given} if isinstance(given, str) else given for name, given in file.content.items()}
    stores = replace(file, content=named).check(_Stores).root
    return Datastores(path, stores, {name: file.lines[(name,)] for name in stores})


def write_datastore(root: Path, name: str, store: Datastore) -> None:
    """Add one store to the file, behind what is there.

    Raises:
        TrainyardError: the file has a mistake, or a store of that name.
        OSError: it cannot be written.
    """
    read_datastores(root).append(name, store.model_dump(exclude_defaults=True))
