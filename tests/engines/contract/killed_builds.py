"""What builds that are killed leave behind, and who removes it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from engines.calls import call
from monorepo import Model, Monorepo, nobody_elses
from waiting import until


def kill_in_the_middle(repo: Monorepo, model: Model, **variables: str) -> None:
    """Start a build, kill it while it checks the sources."""
    model.replace("predict.py", "MODEL =", "import time\ntime.sleep(float(os.getenv('NAP', '20')))\nMODEL =")
    build = repo.spawn(model, "build-predict", **variables)
    assert build.stdout is not None
    for line in build.stdout:
        if "Checking .s2i/environment" in line:
            break
    os.killpg(build.pid, signal.SIGKILL)
    build.wait(60)
    build.stdout.close()
    model.replace("predict.py", "'20'", "'0'")


def _is_locked(note: Path) -> bool:
    try:
        with note.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):  # or it was, until now
        return True
    return False


class KilledBuilds:
    """For engines with containers, where we start them."""

    engine: ClassVar[str]
    variables: ClassVar[dict[str, str]]

    def test_the_next_build_removes_the_container_of_one_that_was_killed(self, repo: Monorepo) -> None:
        model = repo.add_model("shot")
        stranger = f"trainyard-build-1-{repo.prefix[-8:]}"
        call(self.engine, "create", "--name", stranger, "trainyard/base", "true")
        try:
            kill_in_the_middle(repo, model, **self.variables)
            left = self._containers(repo)
            assert left
            made = repo.make(model, "build-predict", **self.variables).succeeded()
            for container in left:
                assert f"Removed the container {container} of a build that was killed" in made.err
            assert not set(left).intersection(self._listed())
            assert stranger in self._listed(), "what is not noted here is another's"
        finally:
            call(self.engine, "rm", "--force", stranger)

    def test_it_is_removed_once_nobody_builds_in_it(self, repo: Monorepo, tmp_path: Path) -> None:
        other = Monorepo(tmp_path / "other", self.engine)
        kill_in_the_middle(other, other.add_model("shot"), **self.variables)
        left = max(self._containers(other))
        with (other.path / ".trainyard" / "containers" / self.engine / left).open() as note:
            fcntl.flock(note, fcntl.LOCK_EX)  # as a build that is under way
            other.make(other.add_model("second"), "build-predict", **self.variables).succeeded()
            assert left in self._listed()
        made = other.make(None, "clean").succeeded()
        assert f"Removed the container {left}" in made.err
        assert left not in self._listed()

    def test_nothing_is_left_of_a_build(self, repo: Monorepo) -> None:
        """Its containers are removed once make has ended."""
        repo.make(repo.add_model("tidied"), "build-predict", **self.variables).succeeded()
        notes = repo.path / ".trainyard" / "containers" / self.engine
        containers = {path.name for path in notes.iterdir()}
        until(lambda: not any(notes.glob("trainyard-*")), 60, self._listed)
        assert not containers.intersection(self._listed())

    def test_what_a_killed_installation_left_beside_the_cache(self, repo: Monorepo) -> None:
        """The next one removes it, and leaves alone what another is at."""
        model = repo.add_model("linked")
        (model.path / "requirements_predict.txt").write_text(nobody_elses("colorama==0.4.6") + "\n")
        stale, held = (f"/cache/installing/{name}-{repo.prefix[-8:]}" for name in ("stale", "held"))
        holding = (
            "mkdir -p /cache/installing; exec 4</cache/installing; flock 4; "  # as installations do
            f"mkdir {stale} {held}; exec 3<{held}; flock 3; exec 4<&-; echo held; "
            f"read -r || :; ls /cache/installing; rmdir {held}"
        )
        run = [self.engine, "run", "--rm", "--interactive", "--volume", "trainyard-cache:/cache"]
        inside = [*run, "trainyard/base", "bash", "-c"]
        with subprocess.Popen([*inside, holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            repo.make(model, "build-predict", **self.variables).succeeded()
            left = other.communicate("\n", timeout=60)[0].split()
        assert Path(held).name in left
        assert Path(stale).name not in left

    def _containers(self, repo: Monorepo) -> list[str]:
        """Those that nobody builds in or removes."""
        notes = (repo.path / ".trainyard" / "containers" / self.engine).glob("trainyard-*")
        listed = self._listed()
        return [note.name for note in notes if note.name in listed and not _is_locked(note)]

    def _listed(self) -> list[str]:
        return call(self.engine, "ps", "--all", "--format", "{{.Names}}").split()
