"""The submodules of a commit: where they come from. Git's own commands for them are not used.

A submodule's name, branch, update command and options in ``.gitmodules`` are never looked at; its path is the one that
the commit has, and its address passes the same checks as one that a job names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.git_errors import FetchError, Trouble
from trainyard.host.retrain.sources.git_program import Git
from trainyard.host.retrain.sources.git_uri import GitUri, parse
from trainyard.host.retrain.sources.tree_checks import Submodule

MOST_NESTED = 10  # submodules of submodules
_KEY = re.compile(r"submodule\.(.*)\.(path|url)", re.DOTALL)


def addresses(git: Git, commit: str, submodules: Iterable[Submodule], parent: GitUri) -> dict[str, GitUri]:
    """The address of each submodule, by its path.

    Raises:
        TrainyardError: one has none, or one that is not taken.
    """
    wanted = [submodule.path for submodule in submodules]
    declared = _declared(git, commit) if wanted else {}
    found = {}
    for path in wanted:
        if not (text := declared.get(path)):
            raise FetchError(
                Trouble.REFUSED, f"{git.what}: submodule {path} has no address", "correct .gitmodules, and commit it"
            )
        try:
            found[path] = resolve(text, parent)
        except TrainyardError as error:
            raise FetchError(Trouble.REFUSED, f"{git.what}: submodule {path}: {error.message}", error.hint) from None
    return found


def resolve(text: str, parent: GitUri) -> GitUri:
    """An address as ``.gitmodules`` has it; ``./x`` and ``../x`` begin at that of the parent.

    Raises:
        TrainyardError: it is none that is taken.
    """
    if not text.startswith(("./", "../")):
        return parse(text)
    path = posixpath.normpath(posixpath.join(parent.path, text))
    # Above its root a server has nothing: git would go on to other hosts there.
    ups = posixpath.normpath(posixpath.join(parent.path[1:], text))
    if ups in (".", "..") or ups.startswith("../"):
        raise TrainyardError(f"{text} leads above the host of {parent.shown}", "write the whole address")
    at = f"{parent.user}@" if parent.scheme == "ssh" and parent.user else ""
    if parent.relative:
        return parse(f"{at}{parent.host}:{path[1:]}")
    return parse(f"{parent.scheme}://{at}{parent.origin.partition('://')[2]}{path}")


def _declared(git: Git, commit: str) -> dict[str, str]:
    """The address of each path in ``.gitmodules``; git reads it from the commit, and follows no includes."""
    try:
        listed = git.run("config", "--no-includes", "--null", "--blob", f"{commit}:.gitmodules", "--list")
    except FetchError as error:
        if error.trouble in (Trouble.TIMEOUT, Trouble.TOO_LARGE):
            raise
        return {}
    modules: dict[str, dict[str, str]] = {}
    for entry in listed.split("\0"):
        key, _, value = entry.partition("\n")
        if match := _KEY.fullmatch(key):
            modules.setdefault(match[1], {})[match[2]] = value
    return {module["path"].rstrip("/"): module.get("url", "") for module in modules.values() if "path" in module}
