"""``--build-arg use_pre_trained_model=true|false`` for the Dockerfile that ``s2i build --as-dockerfile`` has written.

s2i copies the sources beside the Dockerfile. Both kinds of assets are put there, too, as far as config.yaml names them,
each in a folder whose name ends in the argument's value, and three lines of the Dockerfile copy the one that is asked
for.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from trainyard.contract.environment import read_environment
from trainyard.contract.files import read_text, write_whole
from trainyard.contract.routes import routes_of
from trainyard.errors import TrainyardError
from trainyard.host.build.baked_files import write_files
from trainyard.host.build.builder_files import APP_ROOT
from trainyard.host.engines.container.shared_dependencies import application_folder
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.training_section import TrainingSection
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.assets.assets import assets_for
from trainyard.host.operations.assets.baked_assets import LABEL
from trainyard.host.operations.packaging.kept_packages import packages
from trainyard.host.operations.session import Session

ARGUMENT = "use_pre_trained_model"
VALUES = {"pretrained": "true", "trained": "false"}
FOLDER = "upload/assets"
_OPTION = "--as-dockerfile"


def written_by(words: Sequence[str]) -> Path | None:
    """The Dockerfile that ``s2i build`` with these words writes; None where it builds an image."""
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == _OPTION:
            path = Path(value if equals else "".join(words[number + 1 : number + 2]))
            return path / "Dockerfile" if path.is_dir() else path
    return None


def add_assets(session: Session, dockerfile: Path) -> None:
    """Put assets beside a Dockerfile of a predict image, and the lines that copy them into it; nothing where no model
    of it names any. What cannot be had is a warning.

    Raises:
        OSError: no space, no permission.
    """
    text = read_text(dockerfile)
    models = _models(session, dockerfile.parent / "upload" / "src")
    root = application_folder(text.partition("\n")[0].removeprefix("FROM").strip())
    if not models or root not in ("", APP_ROOT["predict"]):
        return
    there = [name for name in VALUES if _has(session, models, name) and _put(session, models, name, dockerfile.parent)]
    if not there:
        return
    lines = (
        f"# Which assets are in the image: true for pretrained, false for trained. {' and '.join(there)} can be had.\n"
        f"ARG {ARGUMENT}={VALUES[there[0]]}\n"
        f"COPY --chown=1001:0 {FOLDER}/{ARGUMENT}.${{{ARGUMENT}}} {APP_ROOT['predict']}/models\n"
        f'LABEL "{LABEL}.{ARGUMENT}"="${{{ARGUMENT}}}"\n'
    )
    before, mark, after = text.partition("# Run script sourced from")
    write_whole(dockerfile, before + lines + mark + after if mark else text + lines)
    session.reporter.step(f"{dockerfile} takes --build-arg {ARGUMENT}=true|false: {' and '.join(there)} can be had")


def _models(session: Session, sources: Path) -> list[ModelDir]:
    """The models of the monorepo that a context is of, by the modules of its routes."""
    path = sources / ".s2i" / "environment"
    try:
        routes = routes_of(read_environment(path)) if path.is_file() else ()
    except TrainyardError:  # which assemble reports
        return []
    folders = {session.repository.root / "projects" / "/".join(route.module.split(".")[:2]) for route in routes}
    return [session.repository.model(folder) for folder in sorted(folders) if (folder / "Makefile").is_file()]


def _has(session: Session, models: list[ModelDir], name: str) -> bool:
    """Whether every model names such assets, or has left some here."""
    for model in models:
        section: TrainingSection = read_config(model.path).training
        packed = name == "trained" and (section.results or packages(session, model))
        if not getattr(section.assets, name) and not packed:
            return False
    return True


def _put(session: Session, models: list[ModelDir], name: str, folder: Path) -> bool:
    """Write the files of some assets where the Dockerfile's line finds them; whether they could be had."""
    target = folder / FOLDER / f"{ARGUMENT}.{VALUES[name]}"
    shutil.rmtree(target, ignore_errors=True)
    try:
        assets = assets_for(session, models, name)
    except TrainyardError as error:
        session.reporter.warn(f"--build-arg {ARGUMENT}={VALUES[name]} has nothing to copy: {error}")
        return False
    write_files(assets.files if assets else (), target)
    return True
