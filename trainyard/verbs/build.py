"""make build-train, build-predict, lock, builders: from a model directory to an image."""

from __future__ import annotations

from pathlib import Path

from trainyard import console
from trainyard.builder_files import Role
from trainyard.conflicts import explain_conflict, requirement_lines
from trainyard.context import model_context
from trainyard.dependencies import Requirement
from trainyard.engines.base import BuildPlan
from trainyard.errors import TrainyardError
from trainyard.files import write_whole
from trainyard.merge import Merged, merge, write_merged
from trainyard.model_dir import ModelDir, read_variables
from trainyard.repository import all_members
from trainyard.routes import train_target
from trainyard.verbs.session import Session

WIRING = ".s2i/environment"


def build_model(session: Session, model: ModelDir, role: Role, image: str = "") -> str:
    """Build one model's train or predict image; its name."""
    session.repository.check_names(model)
    _check(model, role)
    lock = session.resolver.model_lock(model, role)
    context = model_context(model, role, lock.text)
    setup = model.setup.read_bytes() if model.setup else b""
    plan = BuildPlan(image or model.image(role), role, context, lock.text, setup)
    _build(session, plan, model.path)
    if not session.commands.dry_run:
        stamp = _stamp_path(session, plan.image)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        write_whole(stamp, model_context(model, role, "").sha256)
    return plan.image


def warn_if_stale(session: Session, model: ModelDir, role: Role, image: str) -> None:
    """Say so where a model's sources are not those that its image was built from."""
    stamp = _stamp_path(session, image)
    if stamp.is_file() and stamp.read_text() != model_context(model, role, "").sha256:
        console.warn(f"the sources of {model.name} have changed since {image} was built: make build-{role}")


def _stamp_path(session: Session, image: str) -> Path:
    return session.repository.state / "built" / f"{session.engine.name}-{image.replace('/', '%')}"


def build_all(session: Session, folder: Path) -> str:
    """Build the ``all`` image of an ``all/`` folder; its name."""
    merged = create_routes(session, folder)
    image = all_image(session, folder)
    lock = _merged_lock(session, merged, folder)
    _build(session, BuildPlan(image, "predict", merged.context(lock), lock, merged.setup.encode()), folder)
    return image


def create_routes(session: Session, folder: Path) -> Merged:
    """Generate the files of an ``all/`` folder."""
    merged = merge(session.repository.model(path) for path in all_members(folder, session.repository))
    for model in merged.members:
        _check(model, "predict")
    if not session.commands.dry_run:
        write_merged(merged, folder)
    _say_written(session, [folder / path for path in merged.files()])
    return merged


def all_image(session: Session, folder: Path) -> str:
    """The image of an ``all/`` folder: its CONTAINER_NAME."""
    variables = read_variables(folder / "Makefile")
    given = session.repository.overrides.get("CONTAINER_NAME")
    name = given or (variables["CONTAINER_NAME"].text if "CONTAINER_NAME" in variables else "")
    if not name:
        raise TrainyardError(f"{folder / 'Makefile'}: CONTAINER_NAME is missing", "add a line CONTAINER_NAME := ...")
    return name


def lock_model(session: Session, model: ModelDir) -> None:
    """Resolve the requirements and write both lock files."""
    _say_written(session, session.resolver.write_locks(model))


def _merged_lock(session: Session, merged: Merged, folder: Path) -> str:
    """A lock for all members together, with the versions of their own locks wherever that is possible."""
    resolver = session.resolver
    inputs = (Requirement(folder / "requirements.txt", merged.requirements), resolver.runtime)
    own = "".join(resolver.model_lock(model, "predict").text for model in merged.members)
    try:
        return resolver.together(inputs, preferred=own)[0].text
    except TrainyardError as error:
        raise explain_conflict(merged.members, resolver, str(error)) from None


def _say_written(session: Session, paths: list[Path]) -> None:
    for path in paths:
        if session.commands.dry_run:
            console.result(f"write {session.short(path)}")
        else:
            console.step(f"Wrote {session.short(path)}")


def _check(model: ModelDir, role: Role) -> None:
    """Everything that can be said before an engine starts."""
    for warning in model.environment.warnings:
        console.warn(warning)
    if role == "train":
        train_target(model.environment)
    else:
        _ = model.routes
    for _ in requirement_lines(model.requirements(role)):
        pass


def _build(session: Session, plan: BuildPlan, folder: Path) -> None:
    """Build; what assemble says of the context's own file is said of the file that the user can mend."""
    try:
        session.engine.build(plan)
    except TrainyardError as error:
        if error.message.startswith(WIRING):
            raise TrainyardError(f"{folder}/{error.message}", error.hint, error.exit_code) from None
        raise
    if not session.commands.dry_run:
        console.step(f"Built {plan.image}")
