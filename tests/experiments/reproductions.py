"""What the tests of make reproduce share: a monorepo in git, runs of it, the table."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from monorepo import Made, Model, Monorepo

IGNORED = (
    ".trainyard/", ".venv", "__pycache__/", "/projects/*/models/", "/projects/*/runs/", "/projects/*/data/",
    "/projects/*/training_metrics*",
)  # fmt: skip


def in_git(repo: Monorepo) -> Monorepo:
    (repo.path / ".gitignore").write_text("".join(f"{line}\n" for line in IGNORED))
    git(repo, "init", "--quiet")
    return repo


def git(repo: Monorepo, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(repo.path), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(repo: Monorepo, *options: str) -> str:
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "--allow-empty", "-m", "a step", *options)
    return git(repo, "rev-parse", "HEAD")


def trained(repo: Monorepo, model: Model, *arguments: str, verb: str = "train", **env: str) -> Path:
    """The folder of a run of what is committed."""
    commit(repo)
    before = set(runs(model))
    repo.make(model, verb, *(arguments or ('PAYLOAD={"params": {"x": 1.5}}',)), **env).succeeded()
    return max(set(runs(model)) - before)


def runs(model: Model) -> list[Path]:
    return sorted((model.path.parent / "runs").glob("*"))


def run_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def retag(folder: Path, **tags: str) -> None:
    run = run_of(folder)
    kept = {name: value for name, value in {**run["tags"], **tags}.items() if value}
    (folder / "run.json").write_text(json.dumps({**run, "tags": kept}))


def reproduce(repo: Monorepo, model: Model, folder: Path, *arguments: str, **env: str) -> Made:
    made = repo.make(model, "reproduce", f"ID={folder.name}", *arguments, **env)
    assert left_behind(repo) == []
    return made


def left_behind(repo: Monorepo) -> list[str]:
    """Work trees and images of reproductions."""
    state = repo.path / ".trainyard"
    trees = git(repo, "worktree", "list", "--porcelain").split("worktree ")[2:]
    names = [*state.glob("reproduce/*"), *state.glob("process/images/trainyard-reproduce*")]
    return [*trees, *map(str, names)]


def rows(made: Made) -> dict[str, list[str]]:
    """The table, by the names of its lines."""
    lines = [line.split("  ") for line in made.out.splitlines() if "  " in line]
    return {cells[0]: [cell.strip() for cell in cells[1:] if cell.strip()] for cells in lines}
