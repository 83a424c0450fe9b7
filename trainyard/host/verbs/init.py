"""trainyard init and trainyard upgrade: a monorepo of one's own, and its move to another version."""

from __future__ import annotations

import shlex
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.ci.workflow_files import KINDS, NONE, given_kinds, kinds_of, write_workflows
from trainyard.host.monorepo.repository import find_repository
from trainyard.host.scaffold.monorepo import make_monorepo, upgrade_monorepo
from trainyard.host.support import console
from trainyard.host.support.product import PRODUCT
from trainyard.host.support.reporter import Reporter
from trainyard.host.verbs import asking

CHANGES = PRODUCT / "CHANGELOG.md"


def init(folder: Path, ci: str, reporter: Reporter, *, dry_run: bool) -> None:
    """Add what makes ``folder`` a monorepo, and the workflow files of the kinds of CI that ``ci`` names; what is in the
    way is named and stays.

    Raises:
        TrainyardError: nothing can be made there, or something is in the way of what a monorepo needs.
    """
    kinds = asking.given("CI", given_kinds(ci), f"Workflow files for which CI ({KINDS})", NONE, kinds_of)
    added = make_monorepo(folder, dry_run=dry_run)
    for name in added.written:
        console.result(f"{'would write' if dry_run else 'wrote'} {folder / name}")
    for name in added.in_the_way:
        reporter.warn(f"{folder / name}: there already, and not as ours: it stays")
    if added.in_the_way:
        names = " ".join(map(str, added.in_the_way))
        raise TrainyardError(
            f"{folder}: {len(added.in_the_way)} file(s) of yours are where ours belong: {names}",
            "move them, or compare: trainyard init /tmp/compare",
            EXIT_FAILED,
        )
    write_workflows(folder, kinds, reporter, force=False, dry_run=dry_run)
    if not added.written:
        reporter.step(f"{folder} is a monorepo already, nothing to add")
    elif not dry_run:
        reporter.step(
            f"Next: cd {shlex.quote(str(folder))} && make train MODEL=rents/linear; make help lists the verbs"
        )


def upgrade(folder: Path, reporter: Reporter, *, dry_run: bool) -> None:
    """Move the monorepo around ``folder`` to the version that runs.

    Raises:
        TrainyardError: not a monorepo with a pin, no git, changes that are not committed.
    """
    root = find_repository(folder).root
    before, after = upgrade_monorepo(root, dry_run=dry_run)
    if before == after:
        reporter.step(f"{root} is at {after.version} already")
        return
    moves = f"from {before.version} to {after.version}"
    reporter.step(f"Would move {root} {moves}" if dry_run else f"Moved {root} {moves}: look at git diff, then commit")
    if CHANGES.is_file():
        reporter.step(f"What is new: {CHANGES}")
