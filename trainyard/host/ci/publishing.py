"""Results into a commit on top of the branch, and that to the remote, in one push: it is there whole, or not at all.

The work tree and its index stay as they are: the commit is made of blobs, on whatever the branch has by then.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.ci.branch import Branch, message_of
from trainyard.host.ci.git_calls import call_git
from trainyard.host.ci.small_files import SmallFile
from trainyard.host.monorepo.commits import folder_in_repository
from trainyard.host.monorepo.revision import git
from trainyard.host.support.reporter import Reporter

TRIES = 5
NOBODY = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
          for what, value in (("NAME", "Trainyard CI"), ("EMAIL", "ci@trainyard.invalid"))}  # fmt: skip


def publish(branch: Branch, files: Sequence[SmallFile], models: Iterable[str], reporter: Reporter) -> str:
    """Push the results of models; the commit that has them, empty where nothing was left to push.

    A model that a later commit was trained for by now is left out: that one's results are newer.

    Raises:
        TrainyardError: the remote refuses, the branch was force-pushed, or others were faster each time.
    """
    for attempt in range(TRIES):
        tip = branch.tip()
        results = branch.results(tip)
        done = {name for one in results if one.asked_by == branch.asking for name in one.models}
        left = set(models) - done
        later = {name for one in results if _is_later(branch, one.asked_by) for name in one.models} & left
        for name in sorted(later):
            reporter.warn(f"{name}: {branch.name} has the results of a later commit, which stay")
        left -= later
        if not left:
            return ""
        ours = {one.commit for one in results}
        commit = _commit(branch, tip, [one for one in files if one.model in left], left, ours, reporter)
        try:
            branch.push(commit)
        except TrainyardError as error:
            time.sleep(random.uniform(0.2, 1) * (attempt + 1))  # noqa: S311 -- so that two jobs do not keep pace
            # Where nobody was faster, or is about to be, the remote does not want it.
            if "cannot lock ref" not in str(error) and branch.tip() == tip:
                raise
            reporter.step(f"{branch.name} has moved on: {attempt + 1} of {TRIES} tries")
            continue
        reporter.step(f"Pushed {commit[:12]} to {branch.name}: {', '.join(sorted(left))}")
        return commit
    raise TrainyardError(f"{branch.name} moved on before each of {TRIES} pushes", "run make ci-train again")


def _is_later(branch: Branch, asked_by: str) -> bool:
    return asked_by != branch.asking and branch.has(branch.asking, asked_by)


def _commit(
    branch: Branch, tip: str, files: Iterable[SmallFile], models: Iterable[str], ours: set[str], reporter: Reporter
) -> str:
    """A commit on top of ``tip``; ``ours`` are the commits since then with results of other trainings."""
    root, prefix = branch.root, folder_in_repository(branch.root)
    with tempfile.TemporaryDirectory(prefix="trainyard-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        call_git(root, "read-tree", tip, environment=index)
        made: dict[str, bytes] = {}  # several models write to one file
        for file in files:
            if not file.part and _is_in(root, branch.asking, file):
                continue  # nothing new
            if not file.part and _edited(branch, file.path, tip, ours):
                reporter.warn(f"{file.path} was edited on {branch.name} meanwhile, and stays as it is there")
                continue
            made[file.path] = file.over(made.get(file.path, _blob(root, tip, file.path)))
        for path, content in made.items():
            blob = call_git(root, "hash-object", "-w", f"--path={path}", "--stdin", content=content)
            call_git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{prefix}{path}", environment=index)
        tree = call_git(root, "write-tree", environment=index)
    message = message_of(models, branch.asking).encode()
    return call_git(root, "commit-tree", tree, "-p", tip, "-F", "-", content=message, environment=_identity(root))


def _is_in(root: Path, commit: str, file: SmallFile) -> bool:
    """Whether a commit has exactly that."""
    blob = call_git(root, "hash-object", f"--path={file.path}", "--stdin", content=file.content)
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{commit}:./{file.path}").strip() == blob
    except TrainyardError:
        return False


def _blob(root: Path, commit: str, path: str) -> bytes | None:
    try:
        return git(root, "cat-file", "blob", f"{commit}:./{path}").encode()
    except TrainyardError:
        return None


def _edited(branch: Branch, path: str, tip: str, ours: set[str]) -> bool:
    """Whether somebody, and no training, has changed a file since the commit that asks."""
    changed = git(branch.root, "log", "--format=%H", f"{branch.asking}..{tip}", "--", path).split()
    return bool(changed) and changed[0] not in ours


def _identity(root: Path) -> Mapping[str, str]:
    """A CI server has none."""
    try:
        call_git(root, "var", "GIT_COMMITTER_IDENT")
    except TrainyardError:
        return NOBODY
    return {}
