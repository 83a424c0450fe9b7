"""``datastores.yaml`` at the top of a monorepo: the data stores by name, without any secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import field_validator

from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError
from trainyard.host.experiments.yaml_files import Section, dump_yaml, read_yaml
from trainyard.host.monorepo.dataset_ref import DATASTORES, STORE_NAME

FILE = DATASTORES
HEADER = "# The data stores of this repository: docs/data.md. `make datastores` shows them. No secret belongs here.\n"
EXAMPLE = "s3://bucket/folder, gs://, abfs://, https://, sftp://, file://, a path, dvc+https://host/repo.git#folder"
SCHEMES = ("s3", "gs", "abfs", "http", "https", "sftp", "file")
# Query parameters that let whoever has the URL in.
_SIGNATURES = re.compile(r"sig|signature|token|secret|password|key|x-(amz|goog)-.*", re.IGNORECASE)
_DVC = "dvc+"


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
        if isinstance(given, Mapping) and bool(given.get("variables")) == bool(given.get("file")):
            raise ValueError("say default, none, {variables: <prefix>} or {file: <path>}")
        return given

    @field_validator("url", "endpoint")
    @classmethod
    def _no_secret(cls, given: str) -> str:
        check_url(given)
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


@dataclass(frozen=True)
class Datastores:
    """The whole file, and the line of each store."""

    path: Path
    stores: Mapping[str, Datastore]
    lines: Mapping[str, int]

    def find(self, name: str) -> Datastore:
        """Raises:
        TrainyardError: there is none of that name."""
        if name in self.stores:
            return self.stores[name]
        known = f"it has {', '.join(self.stores)}" if self.stores else "it has none"
        raise TrainyardError(
            f"{self.path}: no data store {name}", f"{known}; make datastore-add NAME={name} URL=... adds one"
        )


def check_url(url: str) -> None:
    """Raises:
    ValueError: it is none that we know, or holds a password or a signature."""
    parts = urlsplit(url.removeprefix(_DVC))
    if parts.password is not None:
        raise ValueError("it holds a password: leave it out, and say where it comes from with credentials:")
    if any(_SIGNATURES.fullmatch(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise ValueError("it holds a signature or a key: leave out what follows the ?, and use credentials:")
    if not url.startswith(_DVC) and parts.scheme not in ("", *SCHEMES):
        raise ValueError(f"{parts.scheme}:// is none of {EXAMPLE}")
    if parts.scheme in ("s3", "gs", "abfs", "http", "https", "sftp") and not parts.netloc:
        raise ValueError("it names no bucket, and no host")
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise ValueError("it holds a character that no URL has")


def read_datastores(root: Path) -> Datastores:
    """The stores of the monorepo at ``root``; none where it has no such file.

    Raises:
        TrainyardError: naming file, line and fix; a wrong URL is not shown, as it may hold a secret.
    """
    path = root / FILE
    if not path.is_file():
        return Datastores(path, {}, {})
    file = read_yaml(path)
    content = {} if file.content is None else file.content
    if not isinstance(content, dict):
        raise TrainyardError(f"{path}:1: not a mapping of names to data stores", "write <name>: {url: <URL>}")
    stores = {}
    for name, given in content.items():
        where = file.where((str(name),))
        if not isinstance(name, str) or not STORE_NAME.fullmatch(name):
            raise TrainyardError(f"{where}: {name!r} cannot be the name of a data store", "letters, digits, - and _")
        for key in ("url", "endpoint") if isinstance(given, dict) else ():
            _check_line(key, str(given.get(key) or ""), file.where((name, key)))
        shifted = {place[1:]: line for place, line in file.lines.items() if place[0] == name and len(place) > 1}
        part = type(file)(path, given, shifted | {(): file.lines[(name,)]})
        stores[name] = part.check(Datastore)
    return Datastores(path, stores, {name: file.lines[(name,)] for name in stores})


def _check_line(key: str, url: str, where: str) -> None:
    """As ``check_url``, without the URL in the message."""
    try:
        check_url(url)
    except ValueError as error:
        raise TrainyardError(f"{where}: {key}: {error}", f"write one of {EXAMPLE}") from None


def write_datastore(root: Path, name: str, store: Datastore) -> None:
    """Add one store to the file, behind what is there.

    Raises:
        TrainyardError: the file has a mistake, or a store of that name.
        OSError: it cannot be written.
    """
    known = read_datastores(root)
    if name in known.stores:
        raise TrainyardError(
            f"{known.path}:{known.lines[name]}: {name} is there already", "edit that line, or take another name"
        )
    before = known.path.read_text() if known.path.is_file() else HEADER
    if before and not before.endswith("\n"):
        before += "\n"
    content = store.model_dump(exclude_defaults=True)
    write_whole(known.path, before + dump_yaml({name: content}))
