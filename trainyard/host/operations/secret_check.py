"""The gate before a build: nothing that would go into an image may hold a credential."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.secret_forms import ALLOW, START, was_written
from trainyard.errors import TrainyardError
from trainyard.host.engines.base import BuildPlan
from trainyard.host.operations.session import Session
from trainyard.host.secrets.credentials import SHORTEST, Credential, all_credentials, too_short
from trainyard.host.secrets.leaks import Finding, find, line_at, look_through
from trainyard.host.support.context import ContextFile

REQUIREMENTS = "requirements.txt"


def refuse_secrets(session: Session, plan: BuildPlan, folder: Path) -> None:
    """Look through the files of a build; ``folder`` is the model's, or an ``all/``.

    Raises:
        TrainyardError: one holds a credential; the message names file, line and kind, and not the secret.
    """
    credentials = all_credentials(session.settings)
    for name in too_short(credentials):
        session.reporter.warn(f"{name} is shorter than {SHORTEST} characters: images are not searched for it")
    for file in plan.context.files:
        for finding in _findings(file, credentials):
            with file.open() as content:
                line = line_at(content, finding.offset)
            fix = "remove it, or list the file in .s2iignore"
            if not finding.known:
                fix += f"; where it is no secret, say so on its line: {ALLOW.decode()}"
            place = f"{session.short(_source(session, plan, file, folder))}:{line}"
            raise TrainyardError(f"{place}: {finding.what} would get into {plan.image}", fix)


def _findings(file: ContextFile, credentials: list[Credential]) -> tuple[Finding, ...]:
    kinds = was_written(file.size, file.start(START))
    if not kinds and not credentials:  # to read some hundred megabytes takes longer than all the rest
        return ()
    with file.open() as content:
        return look_through(str(file.path), content, lambda _, part: tuple(find(part, credentials, kinds=kinds)))


def _source(session: Session, plan: BuildPlan, file: ContextFile, folder: Path) -> Path:
    """The file that a person wrote, of a file in a context."""
    root = session.repository.root
    name = f"requirements_{plan.role}.txt" if str(file.path) == REQUIREMENTS else file.path
    candidates = (folder / name, root / "projects" / file.path, root / file.path)
    return next((path for path in candidates if path.is_file()), folder / file.path)
