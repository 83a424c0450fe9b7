"""What is measured: everything, as a CI does that does not know what changed; and changes, by the verbs of CI."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.builds.copies import make, run, say
from bench.ci.places import MAIN, NOTHING, Bytes, Site, dvc, git, model_of

BUILT = re.compile("^---> Built ", re.MULTILINE)
SINCE = f"SINCE=origin/{MAIN}"


@dataclass
class Job:
    """Seconds of each step, models that the plan named, images that were built, trainings that ran, bytes pushed."""

    seconds: dict[str, float] = field(default_factory=dict)
    processor: float = 0.0  # seconds; of what runs in containers it is not known
    affected: int = 0
    built: int = 0
    trained: int = 0
    pushed: Bytes = NOTHING

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def did(self) -> str:
        """Empty where it did nothing."""
        counted = {"built": self.built, "trained": self.trained, "bytes pushed": self.pushed.total}
        return ", ".join(f"{count} {what}" for what, count in counted.items() if count)


class Steps:
    """The steps of one CI job, in a clone of its own."""

    def __init__(self, site: Site, name: str, branch: str = MAIN, commit: str = "HEAD") -> None:
        self.site, self.name, self.job = site, name, Job()
        self.path = site.clone(branch, commit)

    def make(self, verb: str, *variables: str) -> str:
        with self._timed(f"make {verb}"):
            printed = run(make(self.path, self.site.way, verb, *variables))
        self.job.built += len(BUILT.findall(printed))
        return printed

    def push(self, *variables: str) -> None:
        """Images, where the engine has any that others can run."""
        if self.site.registry:
            self.make("push", f"REGISTRY={self.site.registry}", *variables)

    def dvc(self, *arguments: str) -> None:
        with self._timed(f"dvc {arguments[0]}"):
            dvc(self.path, *arguments)

    def push_commit(self) -> None:
        with self._timed("git push"):
            git(self.path, "add", "--all")
            git(self.path, "commit", "--quiet", "--message", "Trained all")
            git(self.path, "push", "--quiet", "origin", f"HEAD:{MAIN}")

    @contextlib.contextmanager
    def measured(self) -> Iterator[Job]:
        """What all steps have pushed, and the trainings that they ran."""
        before = self.site.weigh()
        yield self.job
        self.job.pushed = self.site.weigh() - before
        self.job.trained = len(list(self.path.glob("projects/*/runs/*/run.json")))

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        os.sync()  # what the one before it wrote
        before, started = _processor(), time.perf_counter()
        yield
        self.job.seconds[what] = time.perf_counter() - started
        self.job.processor += _processor() - before
        say(f"{self.name}: {what}: {self.job.seconds[what]:.1f} s")


def _processor() -> float:
    """Seconds of the programs that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def warm(site: Site) -> None:
    """Builders and dependencies are there, as in a CI that keeps its caches, and the registry has them."""
    one = model_of(0)
    steps = Steps(site, "warming up")
    steps.make("builders")
    for verb in ("build-train", "build-predict"):
        steps.make(verb, f"MODEL={one.removeprefix('projects/')}")
    steps.push(f"MODEL={one.removeprefix('projects/')}")
    site.append(f"{one}/train.py", "# Its images are to be built, too")
    site.commit(MAIN, "Edit the model that was built to warm up")


def everything(site: Site, jobs: int) -> Job:
    """Build, train and push all: what a CI does that does not know what changed. The branch main has it all then."""
    steps = Steps(site, "all of them")
    with steps.measured() as job:
        steps.dvc("pull", "--quiet", *(str(path) for path in steps.path.glob("projects/*/data/*.dvc")))
        steps.make("build-all", f"-j{jobs}")
        steps.make("train-all", f"-j{jobs}")
        steps.dvc("commit", "--quiet", "--force")
        steps.dvc("push", "--quiet")
        steps.push_commit()
        steps.push()
    return job


def change(site: Site, name: str, *paths: str, parameter: int | None = None) -> str:
    """A branch that adds a line to files, and asks for a training; its commit."""
    site.branch(name)
    for path in paths:
        site.append(path, f"# {name}")
    if parameter is not None:
        site.change_parameter(parameter, f"2.{parameter:03d}")
    return site.commit(name, f"[train] {name}")


def planned(site: Site, branch: str, commit: str, name: str) -> Job:
    """What a branch touches, and nothing else."""
    return _plan(Steps(site, name, branch, commit))


def carried_out(site: Site, branch: str, commit: str, name: str) -> Job:
    """What CI does for a branch: plan, build, train, push."""
    steps = Steps(site, name, branch, commit)
    with steps.measured() as job:
        _plan(steps)
        steps.make("ci-build")
        steps.make("ci-train", "REPORT=report.md")
        steps.push(SINCE)
    return job


def _plan(steps: Steps) -> Job:
    printed = steps.make("affected", SINCE)
    steps.job.affected = len(json.JSONDecoder().raw_decode(printed)[0]["models"])
    return steps.job
