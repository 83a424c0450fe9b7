"""make wheelhouse: the wheels of every lock in one folder, for builds without a network.

Installing needs those of the engine's Python. Resolving anew (make lock, an all/) needs those of the oldest Python that
locks are made for, too, and one wheel of what other systems alone need. Setting .venv up needs our own dependencies.
"""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from packaging.requirements import Requirement

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines.base import Python
from trainyard.host.monorepo.model_dir import ROLES, read_model_dir
from trainyard.host.monorepo.pin import read_pin
from trainyard.host.network.build_settings import ca_bundle, index_environment
from trainyard.host.network.urls import without_logins
from trainyard.host.operations.build import plan_all
from trainyard.host.operations.session import Session
from trainyard.host.requirements.compiling import NEEDS_BUILD
from trainyard.host.requirements.install_target import OLDEST_PYTHON, Target
from trainyard.host.requirements.lock_files import indexes_of, with_indexes
from trainyard.host.requirements.requirement_files import model_requirement
from trainyard.host.requirements.resolver import Resolver
from trainyard.host.support.command import Limit
from trainyard.host.support.product import INSTALLED, PRODUCT

OTHER_SYSTEMS = ("--platform", "any", "--python-version", OLDEST_PYTHON)


class NoWheel(TrainyardError):
    """The index has no wheel of ``pin`` (name==version)."""

    exit_code = EXIT_FAILED

    def __init__(self, pin: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.pin = pin


def fill_wheelhouse(session: Session, _: Path) -> None:
    """Download what the locks of all models name into WHEELHOUSE.

    A model that cannot be locked, and a package that has no wheel, do not stop the others.

    Raises:
        TrainyardError: WHEELHOUSE is missing, the index fails, or something was left out; the message names it.
    """
    if not session.settings.wheelhouse:
        raise TrainyardError("WHEELHOUSE is missing", 'say which folder: make wheelhouse WHEELHOUSE="$PWD/wheels"')
    folder = Path(session.settings.wheelhouse).expanduser()
    if not folder.is_absolute():
        raise TrainyardError(f"WHEELHOUSE={folder}: not a whole path", 'say WHEELHOUSE="$PWD/<folder>"')
    online = replace(session, settings=replace(session.settings, wheelhouse=""))
    left_out: list[str] = []
    locked = _locked(online, left_out)
    lines, indexes = locked_lines(locked), indexes_of(locked)
    target = online.engine.builder.python()
    oldest = replace(target, version=f"{OLDEST_PYTHON}.0")
    pythons = {python.version.rpartition(".")[0]: python for python in (oldest, target)}.values()
    if not session.commands.dry_run:
        folder.mkdir(parents=True, exist_ok=True)
    with session.reporter.waiting(f"Filling {folder} ..."):
        for python in pythons:
            for batch in batches(line for line in lines if wanted(line, python)):
                left_out += _download_all(online, folder, batch, indexes, *platform_options(python))
        for line in lines:
            if not any(wanted(line, python) for python in pythons):
                _download_if_possible(online, folder, line, indexes)
        _download(online, folder, [], [], "--", *_own_requirements(session.repository.root))
    if missing := list(dict.fromkeys(left_out)):
        raise TrainyardError(f"{folder} is filled but for {len(missing)}: {'; '.join(missing)}", exit_code=EXIT_FAILED)


def _locked(session: Session, left_out: list[str]) -> str:
    """The locks of every model, and of what merges them, but for those that there cannot be: ``left_out`` gets them."""
    resolver = session.resolver
    paths, folders = session.repository.every_model_path(), session.repository.all_folders()
    asked: list[Callable[[], Iterable[str]]] = [partial(_of_model, session, resolver, path) for path in paths]
    asked += [partial(_of_merged, session, resolver, folder) for folder in folders]
    texts: list[str] = []
    for one in asked:
        try:
            texts += one()
        except TrainyardError as error:
            session.reporter.warn(f"left out: {error}")
            left_out.append(error.message)
    return "\n".join(texts)


def _of_model(session: Session, resolver: Resolver, path: Path) -> list[str]:
    model = read_model_dir(path, session.repository.root)
    beside = {package.hash for role in ROLES for package in model_requirement(model, role).packages}
    return [_without(resolver.model_lock(model, role).text, beside) for role in ROLES]


def _of_merged(session: Session, resolver: Resolver, folder: Path) -> list[str]:
    plan = plan_all(session, resolver, folder)
    beside = {package.hash for package in plan.local_packages}
    return [_without(lock, beside) for lock in plan.locks]


def _without(lock: str, hashes: set[str]) -> str:
    """A lock but for the packages that lie beside models: they come along anyway."""
    lines = locked_lines(lock)
    kept = [line for line in lines if not any(f"--hash={one}" in line for one in hashes)]
    return with_indexes("".join(f"{line}\n" for line in kept), indexes_of(lock))


def locked_lines(locks: str) -> list[str]:
    """The requirements of locks, each once and with its hashes on one line."""
    joined = re.sub(r"\\\n\s*", " ", locks)
    return sorted({line for line in joined.splitlines() if line.strip() and not line.startswith(("#", "-"))})


def wanted(line: str, python: Python) -> bool:
    """Whether a line's marker holds for a Python."""
    marker = Requirement(line.partition(" --hash")[0]).marker
    facts = {
        "python_full_version": python.version,
        "python_version": python.version.rpartition(".")[0],
        "platform_machine": python.machine,
    }
    return marker is None or marker.evaluate({**facts})


def batches(lines: Iterable[str]) -> list[list[str]]:
    """Lists that have each package once: pip refuses two versions of one in a file."""
    found: list[dict[str, str]] = []
    for line in lines:
        name, _, requirement = line.partition("==")
        plain = re.sub(" ;.*?(?= --hash|$)", "", requirement)  # its marker holds, and pip would ask its own Python
        batch = next((batch for batch in found if name not in batch), None)
        if batch is None:
            found.append(batch := {})
        batch[name] = f"{name}=={plain}"
    return [list(batch.values()) for batch in found]


def platform_options(python: Python) -> list[str]:
    """Which wheels run on it: every manylinux up to its glibc (PEP 600), and their names of old."""
    if not python.glibc:
        return []
    newest = int(python.glibc.split(".")[1])
    names = [f"manylinux_2_{minor}" for minor in range(newest, 4, -1)]
    names += ["manylinux2014", "manylinux2010", "manylinux1", "linux"]
    options = [part for name in names for part in ("--platform", f"{name}_{python.machine}")]
    return [*options, "--python-version", python.version.rpartition(".")[0]]


def _download_all(
    session: Session, folder: Path, lines: list[str], indexes: list[str], *options: str
) -> list[str]:  # fmt: skip
    """Download what has wheels; what has none, each with the fix."""
    missing: list[str] = []
    while lines:
        try:
            _download(session, folder, lines, indexes, *options)
        except NoWheel as error:
            if not _is_source_only(session, error.pin):
                raise
            missing.append(
                f"{error.pin} comes as source only: put a wheel of it beside the model (pip wheel --no-deps "
                f"--wheel-dir wheels {error.pin}) and write ./wheels/<name>.whl in its place"
            )
            lines = [line for line in lines if line.split()[0] != error.pin]
        else:
            break
    return missing


def _is_source_only(session: Session, pin: str) -> bool:
    """Whether the index has it, and no wheel of it."""
    complaint = session.resolver.compiler.complaint([pin], Target(OLDEST_PYTHON), "--universal")
    return NEEDS_BUILD.search(complaint) is not None


def _download(session: Session, folder: Path, lines: list[str], indexes: list[str], *options: str) -> None:
    settings = session.settings
    environment = index_environment(settings)
    if bundle := ca_bundle(settings):
        environment["PIP_CERT"] = str(bundle)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(with_indexes("\n".join(lines), indexes))
        file.flush()
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
        locked = ["--no-deps", "--require-hashes", "--requirement", file.name] if lines else []
        try:
            session.commands.run(
                [*pip, "--only-binary", ":all:", "--dest", str(folder), *locked, *options],
                Limit("BUILD_TIMEOUT", settings.build_timeout),
                env=session.commands.environment(environment),
            )
        except TrainyardError as error:
            reason = without_logins(error.message.partition("failed: ")[2] or error.message)
            message, hint = f"{folder} cannot be filled: {reason}", error.hint or "check the network and INDEX_URL"
            if found := re.search(r"No matching distribution found for (\S+)", reason):  # pip's words
                raise NoWheel(found[1], message, hint) from None
            raise TrainyardError(message, hint, EXIT_FAILED) from None


def _download_if_possible(session: Session, folder: Path, line: str, indexes: list[str]) -> None:
    try:
        _download(session, folder, batches([line])[0], indexes, *OTHER_SYSTEMS)
    except TrainyardError:
        name = line.partition(" --hash")[0]
        session.reporter.warn(f"{name}: no wheel for every system: make lock may not be able to do without the index")


def _own_requirements(root: Path) -> list[str]:
    """What the environment of a monorepo is made of: our package, or what its clone is built by and needs."""
    if INSTALLED:
        return [read_pin(root).requirement(root)]
    project = tomllib.loads((PRODUCT / "pyproject.toml").read_text())
    return [*project["build-system"]["requires"], *project["project"]["dependencies"]]
