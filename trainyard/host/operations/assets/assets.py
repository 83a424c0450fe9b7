"""Assets in the place of what is in models/: fetched, verified, unpacked and kept, then baked into an image."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from trainyard.contract.files import promote_folder
from trainyard.errors import TrainyardError
from trainyard.host.build.baked_files import BakedFile, files_beside
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.assets.arranging import arrange
from trainyard.host.operations.assets.baked_assets import LABEL, LABEL_FROM, Assets
from trainyard.host.operations.assets.sources import Source, check_name, fetch, source_of
from trainyard.host.operations.session import Session
from trainyard.host.support.command import Limit
from trainyard.host.support.digests import digest_of
from trainyard.host.support.locking import locked
from trainyard.host.support.unpacking import is_archive, unpack

_FORM = "1"  # of what is kept; another one is fetched anew


def assets_for(session: Session, models: Iterable[ModelDir], name: str) -> Assets | None:
    """The assets of that name of some models; None where no name is given. A dry run fetches nothing.

    Raises:
        TrainyardError: a model has none, or they cannot be fetched, or are not what was published.
        OSError: no space, no permission.
    """
    if not check_name(name):
        return None
    files: list[BakedFile] = []
    sources: dict[str, Source] = {}
    for model in models:
        source = source_of(session, model, name)
        sources[model.model_name] = source
        if session.commands.dry_run:
            session.reporter.would(f"put the {name} assets of {model.name} into its image, from {source.place}")
        else:
            files += files_beside(models_of(session, model, source), model.model_name)
    named = ",".join(f"{quote(model)}={quote(one.place, safe=':/')}@{one.hash}" for model, one in sources.items())
    return Assets(name, tuple(sorted(files, key=lambda file: file.name)), {LABEL: name, LABEL_FROM: named})


def models_of(session: Session, model: ModelDir, source: Source) -> Path:
    """The folder that has the files of a source as models/ has those of a training; it is made once."""
    renamed = (f"{inside}={outside}" for inside, outside in source.files.items())
    key = digest_of(_FORM, model.model_name, source.name, source.place, source.hash, *renamed)[:32]
    folder = session.repository.state / "assets" / key
    if folder.is_dir():
        return folder
    limit = Limit("LOCK_TIMEOUT", session.settings.lock_timeout)
    what = f"the {source.name} assets of {model.name}"
    with locked(session.repository.state / "locks" / f"assets-{key}", what, limit, session.reporter):
        if not folder.is_dir():
            _make(session, model, source, folder)
    return folder


def _make(session: Session, model: ModelDir, source: Source, folder: Path) -> None:
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    fetched, name = temporary / "fetched", _name(source)
    try:
        with session.reporter.waiting(f"Fetching {source.place} ..."):
            fetch(session, source, fetched)
        unpacked = temporary / "unpacked"
        if is_archive(name):
            unpack(fetched, source.place, unpacked, session.settings.assets_gb * 10**9)
        else:  # a file that is the model
            unpacked.mkdir()
            suffix = "".join(PurePosixPath(name).suffixes[-1:])
            shutil.copyfile(fetched, unpacked / f"{model.model_name}{suffix}")
            if source.files:
                raise TrainyardError(f"{source.place}: files: is for archives", "remove it")
        arrange(unpacked, temporary / "models", model, source)
        promote_folder(temporary / "models", folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _name(source: Source) -> str:
    """Of the file that is fetched."""
    if source.archive:
        return source.archive.name
    ref = parse_ref(source.place)
    path = ref.path if ref.store else urlsplit(source.place).path
    return PurePosixPath(path).name
