"""The section ``training:`` of config.yaml: where training data is, where results go, which assets are published."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from trainyard.host.experiments.yaml_files import Section
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref

SAMPLE_DATA = "sample_training_data/data"
AssetName = Literal["pretrained", "trained"]
ASSET_NAMES: tuple[AssetName, ...] = ("pretrained", "trained")
_DIGITS = {"sha256": 64, "sha512": 128}


class Asset(Section):
    """A published model: an archive, or one file. ``files``: the name in ``models/`` of a file that has another one in
    the archive."""

    url: str
    sha256: str = ""
    sha512: str = ""
    files: dict[str, str] = Field(default_factory=dict)

    @field_validator("url")
    @classmethod
    def _place(cls, given: str) -> str:
        if parse_ref(given).store:
            return given
        place = urlsplit(given)
        if place.scheme not in ("https", "http") or not place.hostname:
            raise ValueError("neither https://host/path nor <store>:<path>")
        if place.username is not None or place.password is not None:
            raise ValueError("it holds a user or a password: put the file into a data store, which has credentials")
        return given

    @field_validator("files")
    @classmethod
    def _names(cls, given: dict[str, str]) -> dict[str, str]:
        for name in (*given, *given.values()):
            if PurePosixPath(name).is_absolute() or not _is_plain(name):
                raise ValueError(f"{name!r} is not a path in the archive, or below models/")
        return given

    @model_validator(mode="after")
    def _one_hash(self) -> Asset:
        if bool(self.sha256) == bool(self.sha512):
            raise ValueError("say either sha256 or sha512: what is fetched is compared with it before it is unpacked")
        name, value = ("sha256", self.sha256) if self.sha256 else ("sha512", self.sha512)
        if not re.fullmatch(rf"[0-9a-fA-F]{{{_DIGITS[name]}}}", value):
            raise ValueError(f"a {name} has {_DIGITS[name]} digits 0 to f")
        return self


class Assets(Section):
    """The published assets. ``trained``: in place of those that ``make package`` left."""

    pretrained: Asset | None = None
    trained: Asset | None = None


class TrainingSection(Section):
    """What somebody says who trains the model on data of their own. ``data`` and ``results`` are ``<store>:<prefix>``;
    the files of ``data`` appear below ``data/<key_prefix>``."""

    data: str = ""
    key_prefix: str = ""
    results: str = ""
    sample_data: str = SAMPLE_DATA
    raw_data: list[str] = Field(default_factory=list)  # below the project; what data_preparation/ reads
    framework: str = ""
    serialization: str = ""
    assets: Assets = Field(default_factory=Assets)

    @field_validator("data", "results")
    @classmethod
    def _in_a_store(cls, given: str) -> str:
        if given:
            check_place(given)
        return given

    @field_validator("key_prefix")
    @classmethod
    def _prefix(cls, given: str) -> str:
        return check_key_prefix(given)

    @field_validator("sample_data")
    @classmethod
    def _folder(cls, given: str) -> str:
        if PurePosixPath(given).is_absolute() or not _is_plain(given):
            raise ValueError("not a folder of the model's directory, or of its project")
        return given.rstrip("/")

    @field_validator("raw_data")
    @classmethod
    def _raw(cls, given: list[str]) -> list[str]:
        for path in given:
            if PurePosixPath(path).is_absolute() or not _is_plain(path):
                raise ValueError(f"{path!r} is not a file or a folder of the project")
        return given

    @property
    def data_ref(self) -> DatasetRef:
        return DatasetRef(parse_ref(self.data).store, parse_ref(self.data).path, literal=True)

    @property
    def results_ref(self) -> DatasetRef:
        return DatasetRef(parse_ref(self.results).store, parse_ref(self.results).path, literal=True)


def check_place(text: str) -> str:
    """``<store>:<prefix>``, or ``<store>:`` for all of it.

    Raises:
        ValueError: it is no place of a data store.
    """
    ref = parse_ref(text)
    if not ref.store:
        raise ValueError("not a place of a data store: write <store>:<prefix>")
    if ref.path and not _is_plain(ref.path):
        raise ValueError("its path leads out of the data store, or nowhere")
    if DatasetRef("", ref.path).is_open:
        raise ValueError("it leaves open which folder is meant: name one")
    return text


def check_key_prefix(text: str) -> str:
    """A folder below ``data/``, without slashes around it; may be empty.

    Raises:
        ValueError: it leads out of there.
    """
    if text.strip("/") and not _is_plain(text.strip("/")):
        raise ValueError("not a folder below data/")
    return text.strip("/")


def _is_plain(path: str) -> bool:
    parts = path.rstrip("/").split("/")
    return not {"", ".", ".."} & set(parts) and not re.search(r"[\x00-\x1f\x7f]", path)
