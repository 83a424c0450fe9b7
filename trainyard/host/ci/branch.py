"""The branch that results are pushed to, and which trainings it has the results of.

Git keeps the state: a commit with results names the commit that asked for them, and their models, in its last lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.ci.git_calls import call_git
from trainyard.host.ci.model_news import head_of
from trainyard.host.monorepo.revision import git

FOR, MODEL = "Trained-For", "Trained-Model"
SKIP = "[skip ci]"  # GitHub and GitLab start nothing for a commit whose message has it
_LINE = re.compile(rf"^({FOR}|{MODEL}): (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Results:
    """A commit with results: which commit asked for them, and the models."""

    commit: str
    asked_by: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Branch:
    """``name`` of origin, where the commit ``asking`` is on; ``seconds`` are those of one call over the network."""

    root: Path
    name: str
    asking: str
    seconds: int

    def tip(self) -> str:
        """Its newest commit, fetched.

        Raises:
            TrainyardError: it is not there, or does not have the commit that asks any more.
        """
        call_git(self.root, "fetch", "--no-tags", "origin", f"refs/heads/{self.name}", seconds=self.seconds)
        tip = git(self.root, "rev-parse", "FETCH_HEAD").strip()
        if not self.has(self.asking, tip):
            raise TrainyardError(
                f"{self.name} does not have {self.asking[:12]} any more: it was force-pushed",
                "nothing is pushed to it; push a commit with a mark to train for what is there now",
            )
        return tip

    def has(self, commit: str, tip: str) -> bool:
        """Whether ``tip`` is that commit, or follows it."""
        try:
            git(self.root, "merge-base", "--is-ancestor", commit, tip)
        except TrainyardError:
            return False
        return True

    def results(self, tip: str) -> list[Results]:
        """What was pushed since the commit that asks, the newest first."""
        found = []
        for text in git(self.root, "log", "--format=%H%n%B%x00", f"{self.asking}..{tip}").split("\0"):
            commit, _, message = text.strip().partition("\n")
            values = _LINE.findall(message)
            asked = [value for name, value in values if name == FOR]
            if len(asked) == 1:
                found.append(Results(commit, asked[0], tuple(value for name, value in values if name == MODEL)))
        return found

    def push(self, commit: str) -> None:
        """Raises:
        TrainyardError: the remote refuses, or another commit was faster."""
        call_git(self.root, "push", "origin", f"{commit}:refs/heads/{self.name}", seconds=self.seconds)


def branch_of(root: Path, given: str, seconds: int) -> Branch:
    """The branch ``given``, or the one that is checked out.

    Raises:
        TrainyardError: there is none, it has no name that git takes, or there is no remote.
    """
    name = given
    if not name:
        try:
            name = git(root, "symbolic-ref", "--short", "HEAD").strip()
        except TrainyardError:
            raise TrainyardError("no branch is checked out", "say which results are pushed to: BRANCH=<name>") from None
    try:
        git(root, "check-ref-format", f"refs/heads/{name}")
    except TrainyardError:
        raise TrainyardError(f"BRANCH={name}: not the name of a branch", "name a branch of origin") from None
    try:
        git(root, "remote", "get-url", "origin")
    except TrainyardError:
        raise TrainyardError("there is no remote origin to push results to", "git remote add origin <url>") from None
    return Branch(root, name, head_of(root), seconds)


def message_of(models: Iterable[str], asking: str) -> str:
    """Of a commit with results. It starts no CI."""
    names = sorted(models)
    what = names[0] if len(names) == 1 else f"{len(names)} models"
    lines = [
        f"Trained {what} for {asking[:12]} {SKIP}",
        "",
        f"{FOR}: {asking}",
        *(f"{MODEL}: {name}" for name in names),
    ]
    return "\n".join(lines) + "\n"
