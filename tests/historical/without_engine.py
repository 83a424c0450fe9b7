"""The third-party monorepo without an engine: its own Makefiles and build.sh, with folders in the place of images."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from images import environment, run
from shopping import MONOREPO

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))
from daemons import Daemon, end

STAND_INS = Path(__file__).parent / "stand_ins"
# The directory of each model, and its CONTAINER_NAME.
MODELS = {
    "lending/logisticRegression": "loans-lr",
    "lending/supportVectorMachine": "loans-svm",
    "lending/gradientBoosting": "loans-gbm",
    "lending/catBoost": "loans-cat",
    "shopping/linear": "trainyard-test-historical-linear",
    "shopping/nearest": "trainyard-test-historical-nearest",
    "shopping/middle": "trainyard-test-historical-middle",
}
TUTORIAL, ALL = "c12e/flowers", "c12e/model-server"


@dataclass(frozen=True)
class Clone:
    """A copy of the monorepo, and what its users do in it."""

    path: Path
    toolbox: Path

    @property
    def images(self) -> Path:
        return self.path.with_name("images")

    def make(self, folder: str, *targets: str) -> None:
        path = f"{self.toolbox}:{STAND_INS}:{environment()['PATH']}"
        env = {"PATH": path, "IMAGES": str(self.images), "PYTHON": sys.executable}
        done = run(["make", *targets], env=env, cwd=self.path / folder)
        assert done.status == 0, done.output

    def train_all(self) -> None:
        for model in MODELS:  # one by one: their build.sh has one folder for every context
            self.make(model, "build-train", "build-predict")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda model: self.make(model, "train"), MODELS))
        self.make("all", "create-routes-all", "build-container")
        self.make("tutorial/flowers", "build")

    @contextmanager
    def serving(self, image: str, models: str) -> Iterator[Daemon]:
        """The server of an image, with a folder of the monorepo mounted as its ``models/``."""
        folder = self.images / image
        (folder / "models").symlink_to(self.path / models)
        daemon = Daemon(folder, WORKERS="1")
        try:
            yield daemon
        finally:
            end(daemon.process)


def clone(path: Path) -> Clone:
    """A fresh copy below ``path``."""
    toolbox = path / "toolbox"
    toolbox.mkdir()
    # Their recipes say `sh build.sh` and mean bash.
    (toolbox / "sh").symlink_to(shutil.which("bash") or "bash")
    shutil.copytree(MONOREPO, path / "repo")
    (path / "images").mkdir()
    return Clone(path / "repo", toolbox)
