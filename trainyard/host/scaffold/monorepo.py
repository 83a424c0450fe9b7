"""A monorepo of a user's own: made in a folder, and brought to another version."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.pin import FILE, Pin, read_pin
from trainyard.host.monorepo.repository import check_path, enclosing_monorepo
from trainyard.host.scaffold.adding import Added, add, plan
from trainyard.host.scaffold.own_source import own_pin
from trainyard.host.scaffold.rendering import render, update


def make_monorepo(folder: Path, *, dry_run: bool) -> Added:
    """Add to ``folder`` what makes it a monorepo with one example.

    Raises:
        TrainyardError: it lies in a monorepo, or has a path that no build can work with; the disk is full.
    """
    folder = folder.resolve()
    check_path(folder)
    if (around := enclosing_monorepo(folder)) and around != folder:
        raise TrainyardError(f"{folder}: inside the monorepo {around}", "go out of it, or add a project there")
    if folder.exists() and not folder.is_dir():
        raise TrainyardError(f"{folder}: not a folder", "name another")
    with tempfile.TemporaryDirectory(prefix="trainyard-init-") as name:
        rendered = Path(name)
        render("monorepo", rendered)
        _put_pin(rendered, *own_pin())
        found = plan(rendered, folder)
        if not dry_run:
            add(rendered, folder, found.written)
    return found


def _put_pin(folder: Path, pin: Pin, wheel: Path | None) -> None:
    (folder / FILE).write_text(pin.text())
    if wheel:
        shutil.copy(wheel, folder / "mk")


def upgrade_monorepo(root: Path, *, dry_run: bool) -> tuple[Pin, Pin]:
    """Move the pin to the running version, and merge its files into those of the monorepo; the pins before and after.

    Raises:
        TrainyardError: no git, changes that are not committed.
    """
    before, (after, wheel) = read_pin(root), own_pin()
    if dry_run or before == after:
        return before, after
    update(root)
    if before.is_kept:
        (root / before.source).unlink(missing_ok=True)
    _put_pin(root, after, wheel)
    return before, after
