"""make wheelhouse: the wheels of every lock in one folder, for builds without a network.

Installing needs those of the engine's Python. Resolving anew (make lock, an all/) needs those of the oldest Python that
locks are made for, too, and one wheel of what other systems alone need. Setting .venv up needs our own dependencies.
"""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement

from trainyard import console
from trainyard.build_settings import ca_bundle, index_environment
from trainyard.command import Limit
from trainyard.engines.base import Python
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.model_dir import ROLES
from trainyard.requirements.resolver import Resolver
from trainyard.requirements.targets import OLDEST_PYTHON
from trainyard.verbs.build import plan_all
from trainyard.verbs.session import Session

OTHER_SYSTEMS = ("--platform", "any", "--python-version", OLDEST_PYTHON)


def fill_wheelhouse(session: Session, _: Path) -> None:
    """Download what the locks of all models name into WHEELHOUSE.

    Raises:
        TrainyardError: WHEELHOUSE is missing, or a package cannot be had as a wheel.
    """
    if not session.settings.wheelhouse:
        raise TrainyardError("WHEELHOUSE is missing", 'say which folder: make wheelhouse WHEELHOUSE="$PWD/wheels"')
    folder = Path(session.settings.wheelhouse).expanduser()
    if not folder.is_absolute():
        raise TrainyardError(f"WHEELHOUSE={folder}: not a whole path", 'say WHEELHOUSE="$PWD/<folder>"')
    online = replace(session, settings=replace(session.settings, wheelhouse=""))
    lines = _locked(online)
    target = online.engine.python()
    oldest = replace(target, version=f"{OLDEST_PYTHON}.0")
    pythons = {python.version.rpartition(".")[0]: python for python in (oldest, target)}.values()
    if not session.commands.dry_run:
        folder.mkdir(parents=True, exist_ok=True)
    with console.waiting(f"Filling {folder} ..."):
        for python in pythons:
            for batch in batches(line for line in lines if wanted(line, python)):
                _download(online, folder, batch, *platform_options(python))
        for line in lines:
            if not any(wanted(line, python) for python in pythons):
                _download_if_possible(online, folder, line)
        _download(online, folder, [], "--", *_own_requirements(session.repository.package))


def _locked(session: Session) -> list[str]:
    """Each line of each lock once: of every model, and of what merges them."""
    resolver = session.resolver
    texts = [resolver.model_lock(model, role).text for model in session.repository.models() for role in ROLES]
    texts += [lock for folder in session.repository.all_folders() for lock in _merged(session, resolver, folder)]
    return sorted({line for text in texts for line in locked_lines(text)})


def _merged(session: Session, resolver: Resolver, folder: Path) -> tuple[str, ...]:
    try:
        return plan_all(session, resolver, folder).locks
    except TrainyardError as error:
        console.warn(f"{session.short(folder)} is left out: {error.message}")
        return ()


def locked_lines(lock: str) -> list[str]:
    """The requirements of a lock, each with its hashes on one line."""
    joined = re.sub(r"\\\n\s*", " ", lock)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


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


def _download(session: Session, folder: Path, lines: list[str], *options: str) -> None:
    settings = session.settings
    environment = index_environment(settings)
    if bundle := ca_bundle(settings):
        environment["PIP_CERT"] = str(bundle)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
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
            reason = error.message.partition("failed: ")[2] or error.message
            raise TrainyardError(
                f"{folder} cannot be filled: {reason}", error.hint or "check the network and INDEX_URL", EXIT_FAILED
            ) from None


def _download_if_possible(session: Session, folder: Path, line: str) -> None:
    try:
        _download(session, folder, batches([line])[0], *OTHER_SYSTEMS)
    except TrainyardError:
        name = line.partition(" --hash")[0]
        console.warn(f"{name}: no wheel for every system: make lock may not be able to do without the index")


def _own_requirements(package: Path) -> list[str]:
    project = tomllib.loads((package / "pyproject.toml").read_text())
    return [*project["build-system"]["requires"], *project["project"]["dependencies"]]
