"""What a server is started with: its folders, its environment."""

from __future__ import annotations

from collections.abc import Iterable

from trainyard.contract.records import is_trained
from trainyard.errors import TrainyardError
from trainyard.host.build.baked_files import files_of
from trainyard.host.engines.base import Mount
from trainyard.host.experiments.parameters import environment_of
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.image_to_run import ImageToRun
from trainyard.host.operations.session import Session


def environment_of_all(session: Session, models: Iterable[ModelDir]) -> dict[str, str]:
    """What the models set in config.yaml. One server has one environment: the first value counts, and that is printed,
    as is a file that cannot be read; neither keeps the other models from being served."""
    found: dict[str, str] = {}
    whose: dict[str, str] = {}
    for model in models:
        try:
            own = environment_of(model)
        except TrainyardError as error:
            session.reporter.warn(f"{error}; the server starts without the environment of {model.name}")
            continue
        for name, value in own.items():
            if found.setdefault(name, value) != value:
                two = f"{found[name]} for {whose[name]} and {value} for {model.name}"
                session.reporter.warn(f"{name} is {two}: the server has {found[name]}")
            whose.setdefault(name, model.name)
    return found


def models_of(
    session: Session, image: ImageToRun, mounts: tuple[Mount, ...], models: Iterable[ModelDir]
) -> tuple[tuple[Mount, ...], dict[str, str]]:
    """What is mounted at models/, and the variables that go with it: nothing hides the binaries of a baked image,
    unless that is asked for."""
    if not image.baked:
        return mounts, {}
    if session.settings.mount:
        session.reporter.step(f"models/ is mounted over the binaries that are in {image.name} (MOUNT=1)")
        return mounts, {"BAKED_MODELS": ""}
    whose, how = "its binaries", "MOUNT=1 mounts it all the same"
    if image.assets:
        whose, how = f"the {image.assets} assets", f"BAKE=1 puts the binaries of models/ there instead; {how}"
    session.reporter.step(f"models/ is not mounted: {image.name} has {whose} in it ({how})")
    for model in models if not image.assets else ():
        if is_trained(model.binary, links=False) and not _is_in(image, model):
            session.reporter.warn(
                f"{session.short(model.binary)} is not the one in {image.name}: build with BAKE=1 to put it in"
            )
    return (), {}


def _is_in(image: ImageToRun, model: ModelDir) -> bool:
    """Whether all files of a model are those that were baked into an image; not so if they are damaged."""
    try:
        return all(image.baked.get(file.name) == file.sha256 for file in files_of([model]))
    except TrainyardError:
        return False
