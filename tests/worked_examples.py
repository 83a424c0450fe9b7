"""Worked examples of the docs, followed step by step in a copy of the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from monorepo import ROOT, Monorepo


def shipped_clone(path: Path, engine: str = "process") -> Monorepo:
    """The repository with its shipped projects, as a fresh clone has them."""
    repo = Monorepo(path, engine, resolved=False)
    tracked = subprocess.run(["git", "ls-files", "projects"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        (repo.path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, repo.path / name)
    return repo


def commit_all(repo: Monorepo) -> None:
    """Make it a git repository with one commit."""
    (repo.path / ".gitignore").write_text((ROOT / ".gitignore").read_text() + ".venv\n")  # a link here
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qma"]):
        subprocess.run(["git", *arguments], cwd=repo.path, check=True)


def follow(clone: Monorepo, page: str, instead: Mapping[str, str] | None = None, **env: str) -> None:
    """Each command after `$`; the lines below it are among those that it prints, but for ids, times and last digits.
    ``instead``: what stands in the page, as a usual port, and what is used here."""
    text = (ROOT / "docs" / page).read_text()
    for usual, here in (instead or {}).items():
        text = text.replace(usual, here)
    example = text.partition("## A worked example")[2].partition("\n## ")[0]
    folder = clone.path
    for command, output in re.findall(r"^    \$ (.*)\n((?:    (?!\$).*\n)*)", example, re.MULTILINE):
        if command.startswith("cd "):
            folder /= command[3:]
        else:
            prints(clone, folder, command, output, **env)


def prints(repo: Monorepo, folder: Path, command: str, output: str, **env: str) -> None:
    """The command ends well, and the lines of ``output`` are among those that it prints."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=repo.environment(**env), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    printed = [normal(line) for line in (done.stdout + done.stderr).splitlines()]
    for line in filter(None, output.splitlines()):
        assert normal(line) in printed, f"{command}: {line.strip()!r} is not in\n{done.stdout}{done.stderr}"


def normal(line: str) -> str:
    """Without what differs from run to run: ids, hashes, seconds, digits after the second one."""
    line = re.sub(r"\d{8}-\d{6}-(\w+)-[0-9a-f]{6}", r"<a run of \1>", " ".join(line.split()))
    line = re.sub(r"\b[0-9a-f]{12}\b", "<hash>", line)
    line = re.sub(r"(finished) [\d.]+", r"\1", line)
    return re.sub(r"\b(\d+\.\d{2})\d+", r"\1", line)
