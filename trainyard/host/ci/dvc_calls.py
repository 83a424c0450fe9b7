"""DVC of a CI job: inputs are brought up to date and fetched, large outputs pushed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.dvc_files import FILE
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.revision import git
from trainyard.host.support.reporter import Reporter
from trainyard.settings.own_process import callers_environment


@dataclass(frozen=True)
class Dvc:
    """DVC of a monorepo that has it."""

    root: Path
    program: str
    seconds: int
    reporter: Reporter

    def inputs(self, project: str) -> list[str]:
        """The .dvc files of a project's inputs, and of what projects share; paths below the root."""
        listed = git(self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.dvc")
        other = [f"projects/{path.name}/" for path in (self.root / "projects").iterdir() if path.name != project]
        return sorted(path for path in listed.split("\0") if path and not path.startswith(tuple(other)))

    def fetch(self, files: Sequence[str]) -> None:
        """Bring imports up to date, and fetch all: .dvc files, and stages.

        Raises:
            TrainyardError: one cannot be had.
        """
        if imports := [path for path in files if _is_import(self.root / path)]:
            self._call("update", *imports)
        if files:
            self._call("pull", *files)

    def push(self, models: Iterable[ModelDir], inputs: Sequence[str]) -> None:
        """Write down what the trainings of models have made, and push that, and the inputs that it was made of. What a
        model has made whose project has no pipeline is not pushed.

        Raises:
            TrainyardError: there is no remote, or it refuses.
        """
        stages = [stage for model in models if (stage := self.stage_of(model))]
        if stages:
            self._call("commit", "--force", *stages)
        if stages or inputs:
            self._call("push", *stages, *inputs)

    def stage_of(self, model: ModelDir) -> str:
        """The stage that makes a model's binary; empty where its project has no pipeline."""
        file = model.project / FILE
        return f"{file.relative_to(self.root)}:{model.path.name}" if file.is_file() else ""

    def _call(self, *arguments: str) -> None:
        self.reporter.step(f"dvc {' '.join(arguments)}")
        try:
            done = subprocess.run(
                [self.program, *arguments], cwd=self.root, capture_output=True, text=True, errors="replace",
                stdin=subprocess.DEVNULL, check=False, timeout=self.seconds or None,
                env={**callers_environment(), "DVC_NO_ANALYTICS": "1"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TrainyardError(
                f"dvc {arguments[0]} took longer than {self.seconds} s and was stopped",
                "set CI_TIMEOUT to allow more seconds",
            ) from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
            reason = " / ".join(line.removeprefix("ERROR:").strip() for line in lines[-3:])
            raise TrainyardError(f"dvc {arguments[0]}: {reason}", exit_code=EXIT_FAILED)


def find_dvc(root: Path, seconds: int, reporter: Reporter) -> Dvc | None:
    """None, and a line that says it, where the monorepo has no DVC, or DVC is not installed."""
    if not (root / ".dvc").is_dir():
        reporter.step("No DVC here (no .dvc/): no inputs to fetch, and what is large stays on this machine")
        return None
    own = Path(sys.executable).with_name("dvc")
    program = str(own) if own.is_file() else shutil.which("dvc")
    if not program:
        reporter.warn("dvc is not installed: no inputs are fetched, and what is large is not pushed: pip install dvc")
        return None
    return Dvc(root, program, seconds, reporter)


def _is_import(path: Path) -> bool:
    """What dvc import and dvc import-url write is frozen: dvc update alone looks whether there is something newer."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except (OSError, ValueError, yaml.YAMLError):
        return False  # dvc pull says what is wrong with it
    return isinstance(content, dict) and content.get("frozen") is True
