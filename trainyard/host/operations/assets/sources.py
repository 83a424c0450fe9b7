"""Where the assets that ASSETS names are: a URL, a path of a data store, or an archive that is here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainyard.contract.files import sha256_of
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.datastores import check_url
from trainyard.host.experiments.config import FILE, read_config
from trainyard.host.experiments.training_section import ASSET_NAMES, Asset, TrainingSection
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.network.downloading import download
from trainyard.host.operations.packaging.kept_packages import latest_of, packages
from trainyard.host.operations.packaging.places import open_place
from trainyard.host.operations.session import Session

_GB = 10**9


@dataclass(frozen=True)
class Source:
    """Assets of one model. ``place`` is a URL or ``<store>:<path>``; ``archive`` one that is here already; ``hash``
    is ``sha256:...`` or ``sha512:...``; ``files``: names in ``models/`` by those in the archive."""

    name: str
    place: str
    hash: str
    files: Mapping[str, str] = field(default_factory=dict)
    archive: Path | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What the record says of where the model came from."""
        kind, _, digits = self.hash.partition(":")
        return {"name": self.name, "from": self.place, kind: digits}


def check_name(name: str) -> str:
    """Raises:
    TrainyardError: there are no such assets."""
    if name not in ("", *ASSET_NAMES):
        raise TrainyardError(f"ASSETS={name}: no such assets", f"say ASSETS={' or ASSETS='.join(ASSET_NAMES)}")
    return name


def source_of(session: Session, model: ModelDir, name: str) -> Source:
    """The assets of that name.

    Raises:
        TrainyardError: config.yaml names none, or there is no package yet.
    """
    section = read_config(model.path).training
    asset: Asset | None = getattr(section.assets, name)
    if asset:
        _check_no_secret(asset.url, f"{session.short(model.path / FILE)}: training.assets.{name}.url")
        digits = f"sha256:{asset.sha256}" if asset.sha256 else f"sha512:{asset.sha512}"
        return Source(name, asset.url, digits.lower(), asset.files)
    if name == "pretrained":
        raise TrainyardError(
            f"{session.short(model.path / FILE)}: training.assets.pretrained is missing",
            "write there url: of the published model, and its sha256: or sha512:",
        )
    return _packed(session, model, section)


def _check_no_secret(url: str, where: str) -> None:
    """A label, a record and a page say the URL; the message does not."""
    if parse_ref(url).store:
        return
    try:
        check_url(url)
    except ValueError:
        fix = "name a URL that needs none, or <store>:<path> of a data store, which has credentials"
        raise TrainyardError(f"{where}: it holds a signature or a key", fix) from None


def _packed(session: Session, model: ModelDir, section: TrainingSection) -> Source:
    """The newest package: that of the place of results, else the one that is here."""
    here = packages(session, model)
    if not section.results:
        if not here:
            raise TrainyardError(f"{model.name} has no package yet", "make package")
        archive = here[0].archive
        return Source("trained", session.short(archive), f"sha256:{sha256_of(archive)}", archive=archive)
    place = open_place(session, section.results_ref)
    latest = latest_of(place)
    run = latest.archive.partition("/")[0]
    same = (one.archive for one in here if one.run == run and sha256_of(one.archive) == latest.sha256)
    ref = f"{place.ref.store}:{place.path(latest.archive)}"
    return Source("trained", ref, f"sha256:{latest.sha256}", archive=next(same, None))


def fetch(session: Session, source: Source, target: Path) -> None:
    """Write the file that a source names to ``target``, and compare its hash.

    Raises:
        TrainyardError: it is not there, or is another one than config.yaml says.
        OSError: it cannot be written.
    """
    most = session.settings.assets_gb * _GB
    ref = parse_ref(source.place)
    if source.archive:
        target.symlink_to(source.archive.absolute())
    elif ref.store:
        _copy_of(session, DatasetRef(ref.store, ref.path, literal=True), target, most)
    else:
        download(source.place, target, session.settings, session.data.data_timeout, most)
    kind, _, wanted = source.hash.partition(":")
    with target.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != wanted:
        raise TrainyardError(
            f"{source.place}: its {kind} is {found[:12]}..., not the {wanted[:12]}... that was published",
            f"check the URL; if it is to be trusted, correct {kind} in config.yaml", EXIT_FAILED,
        )  # fmt: skip


def _copy_of(session: Session, ref: DatasetRef, target: Path, most: int) -> None:
    store = open_place(session, ref).store
    item = store.find(ref.path)
    if item is None:
        raise TrainyardError(f"{ref} is not there", f"make data-list STORE={ref.store}")
    if item.size > most:
        raise TrainyardError(f"{ref}: {item.size / _GB:,.1f} GB", "set ASSETS_GB higher, if that is right")
    _write(target, store.read(item), lambda size: size == item.size, str(ref))


def _write(target: Path, pieces: Iterable[bytes], is_all: Callable[[int], bool], name: str) -> None:
    size = 0
    with target.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            file.write(piece)
    if not is_all(size):
        raise TrainyardError(f"{name}: the store gave {size:,} bytes, not all of it", "try again", EXIT_FAILED)
