"""The branch that results are pushed to, and which trainings it has the results of.

Git keeps the state: a commit with results names the commit that asked for them, and their models, in its last lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
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
    """A commit with results: which commit asked for them, and the models. Commits that were squashed into one are
    several in one."""

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
        found = [*results_in(self.root, f"{self.asking}..{tip}")]
        count = Counter(one.commit for one in found)
        return [one for one in reversed(found) if count[one.commit] == 1]  # whose files are those of one training

    def is_default(self) -> bool:
        """Whether it is the default branch of origin.

        Raises:
            TrainyardError: origin does not answer.
        """
        heads = call_git(self.root, "ls-remote", "--symref", "origin", "HEAD", seconds=self.seconds)
        return f"ref: refs/heads/{self.name}\tHEAD" in heads.splitlines()

    def push(self, commit: str) -> None:
        """Raises:
        TrainyardError: the remote refuses, or another commit was faster."""
        call_git(self.root, "push", "origin", f"{commit}:refs/heads/{self.name}", seconds=self.seconds)


def results_in(root: Path, commits: str) -> Iterator[Results]:
    """Those in commits as git names them, the oldest first; what was merged last counts as the newest."""
    log = git(root, "log", "--topo-order", "--reverse", f"--grep=^{FOR}: ", "--format=%H%n%B%x00", commits)
    for text in log.split("\0"):
        commit, _, message = text.strip().partition("\n")
        found: list[tuple[str, list[str]]] = []
        for name, value in _LINE.findall(message):
            if name == FOR:
                found.append((value, []))
            elif found:
                found[-1][1].append(value)
        for asked_by, models in found:
            yield Results(commit, asked_by, tuple(models))


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
