"""Where the benchmark of CI works: a monorepo of many models, what is pushed to, and the clones of CI jobs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.builds.copies import Way, run
from bench.builds.generated import OF_PROJECT, generate
from bench.retrain import free_port, until
from bench.serving.servers import PROJECT, ROOT

MAIN = "main"
DATA = f"projects/{PROJECT}/data/adult_income-prepped.csv"
DVC = Path(sys.executable).with_name("dvc")
QUIET = {"DVC_NO_ANALYTICS": "1"}
IDENTITY = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
CONFIG = "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\nhttp: {{addr: '{name}'}}\n"


def git(folder: Path, *arguments: str) -> str:
    return run(["git", *IDENTITY, *arguments], folder).strip()


def dvc(folder: Path, *arguments: str) -> None:
    run([str(DVC), *arguments], folder, **QUIET)


@dataclass(frozen=True)
class Bytes:
    """What lies where things are pushed to."""

    git: int
    dvc: int
    images: int

    @property
    def total(self) -> int:
        return self.git + self.dvc + self.images

    def __sub__(self, other: Bytes) -> Bytes:
        return Bytes(self.git - other.git, self.dvc - other.dvc, self.images - other.images)


NOTHING = Bytes(0, 0, 0)


@dataclass(frozen=True)
class Site:
    """A git remote, a DVC remote and a registry, which is empty where the engine has no images to push; and the clones
    of jobs on one machine, which keeps its environments and images between them."""

    folder: Path
    way: Way
    registry: str

    @property
    def remote(self) -> Path:
        return self.folder / "remote.git"

    @property
    def source(self) -> Path:
        """The clone of whoever edits."""
        return self.folder / "source"

    def clone(self, branch: str = MAIN, commit: str = "HEAD") -> Path:
        """As a job has it, at a commit of a branch; in the place of the job before, as CI servers do."""
        path = self.folder / "job"
        shutil.rmtree(path, ignore_errors=True)
        git(self.folder, "clone", "--quiet", "--branch", branch, f"file://{self.remote}", str(path))
        git(path, "reset", "--quiet", "--hard", commit)
        self._borrow(path)
        return path

    def _borrow(self, path: Path) -> None:
        """The environment of our own sources, and the state of all."""
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        for link, target in ((path / ".trainyard", state), (path / ".venv", ROOT / ".venv")):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        os.utime(path / "pyproject.toml", (0, 0))  # older than the environment's stamp

    def make_source(self, count: int) -> None:
        """Models that differ in a parameter, so that no two give the same binary; each project has data of its own."""
        generate(self.source, count)
        self._borrow(self.source)
        ignored = (ROOT / ".gitignore").read_text()
        (self.source / ".gitignore").write_text(f"{ignored}\n.venv\n.trainyard\nreport.md\n")
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch", MAIN, str(self.remote))
        for setting in ("receive.unpackLimit=1", "gc.auto=0", "receive.autogc=false"):  # a push stays one pack
            git(self.remote, "config", *setting.split("="))
        git(self.source, "init", "--quiet", "--initial-branch", MAIN)
        git(self.source, "remote", "add", "origin", str(self.remote))
        dvc(self.source, "init", "--quiet")
        dvc(self.source, "remote", "add", "--default", "store", str(self.folder / "store"))
        rows = (ROOT / DATA).read_text().splitlines(keepends=True)
        for number, project in enumerate(sorted((self.source / "projects").iterdir())):
            (project / "data").mkdir()
            (project / "data" / "none.csv").write_text("".join(rows[: len(rows) - number]))
        for number in range(count):
            self.change_parameter(number, f"1.{number:03d}")
        run(["make", "-C", str(self.source), *self.way.variables, "dvc"])
        dvc(self.source, "add", "--quiet", *map(str, self.source.glob("projects/*/data/none.csv")))
        dvc(self.source, "push", "--quiet")
        self.commit(MAIN, "The models")

    def change_parameter(self, number: int, value: str) -> None:
        path = self.source / model_of(number) / "config.yaml"
        path.write_text(re.sub("(C:\n *default_value: ).*", rf"\g<1>{value}", path.read_text()))

    def append(self, path: str, line: str) -> None:
        file = self.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as opened:
            opened.write(f"{line}\n")

    def commit(self, branch: str, message: str) -> str:
        """Commit and push all that there is; the commit."""
        git(self.source, "add", "--all")
        git(self.source, "commit", "--quiet", "--message", message)
        git(self.source, "push", "--quiet", "origin", f"HEAD:{branch}")
        return git(self.source, "rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        """Begin one where main is by now."""
        git(self.source, "fetch", "--quiet", "origin", MAIN)
        git(self.source, "checkout", "--quiet", "--force", "-B", name, "FETCH_HEAD")
        self._borrow(self.source)

    def weigh(self) -> Bytes:
        """A push to git is one pack; links of the registry are its own book-keeping."""
        blobs = self.folder / "registry" / "docker" / "registry" / "v2" / "blobs"
        return Bytes(_bytes(self.remote, "*.pack"), _bytes(self.folder / "store"), _bytes(blobs))


def model_of(number: int) -> str:
    return f"projects/project{number // OF_PROJECT}/model{number}"


def _bytes(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """The name of Debian's docker-registry, over a folder. Docker trusts plain HTTP on loopback alone."""
    folder.mkdir(parents=True)
    name = f"127.0.0.1:{free_port()}"
    settings = folder / "config.yml"
    settings.write_text(CONFIG.format(folder=folder, name=name))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=log, stderr=log)
    try:
        asked = ["curl", "--silent", "--fail", f"http://{name}/v2/"]
        until(lambda: not subprocess.run(asked, capture_output=True, check=False).returncode, 20)
        yield name
    finally:
        server.terminate()
        server.wait()
