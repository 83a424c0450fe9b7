"""Which lock of another tool a model directory has. What reads them is imported only where there is one."""

from __future__ import annotations

from pathlib import Path

UV_LOCK = "uv.lock"


def find_lock(folder: Path, role: str) -> Path | None:
    """The lock that counts for a role: its own pylock before one for both, and that before the project's uv.lock."""
    names = (f"pylock.{role}.toml", "pylock.toml", UV_LOCK)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def fix_of(lock: Path) -> str:
    """How such a lock is made anew."""
    return "run uv lock there" if lock.name == UV_LOCK else "export it again"
