"""What is measured: each function makes what it needs, and gives seconds or bytes."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path

from bench.builds import baseline
from bench.builds.copies import Way, copy_monorepo, make, run, timed
from bench.serving.servers import PROJECT
from trainyard.host.monorepo.model_dir import ROLES, ModelDir, read_model_dir
from trainyard.host.requirements.lock_files import INPUTS, packages_of, seal

MODEL = "logisticRegression"
# What a pickled pipeline is served with, as most models are: the shipped ones need numpy and onnxruntime only.
PICKLED = "joblib>=1.4,<2\nnumpy>=2,<3\npandas>=2.2,<4\nscikit-learn>=1.7,<2\n"


class Workplace:
    """A copy of the monorepo with the finance project, for one way to build."""

    def __init__(self, folder: Path, way: Way, requirements: str = "") -> None:
        self.way = way
        self.root = copy_monorepo(folder / way.name.replace(", ", "-"), PROJECT)
        self.project = self.root / "projects" / PROJECT
        self.folder = self.project / MODEL
        self.prefix = f"trainyard-bench-{way.name.replace(', ', '-')}"
        if requirements:
            (self.folder / "requirements_predict.txt").write_text(requirements)
        self._count = 0
        for makefile in self.project.glob("*/Makefile"):
            name = f"CONTAINER_NAME := {self.prefix}-{makefile.parent.name.lower()}"
            makefile.write_text(re.sub("CONTAINER_NAME *:= .*", name, makefile.read_text()))
        (self.root / "all" / "Makefile").unlink()
        self.renew(self.folder)

    def model(self) -> ModelDir:
        return read_model_dir(self.folder, self.root)

    def renew(self, *folders: Path) -> None:
        """Locks that nothing was installed for yet: the same packages, of which one has one more hash."""
        one_more = f"--hash=sha256:{secrets.token_hex(32)} \\\n    --hash="
        for folder in folders:
            run(make(folder, self.way, "lock"))
            for role in ROLES:
                path = folder / f"requirements_{role}.lock"
                text = path.read_text()
                digest = text.splitlines()[0].removeprefix(INPUTS)
                path.write_text(seal(digest, packages_of(text).replace("--hash=", one_more, 1)))

    def first_build(self) -> float:
        """Of a model whose requirements are new here; the package cache is warm."""
        self.renew(self.folder)
        return timed(make(self.folder, self.way, "build-predict"))

    def edit(self) -> float:
        """After one line of predict.py."""
        with (self.folder / "predict.py").open("a") as file:
            file.write(f"# edit {self._count}\n")
        self._count += 1
        return timed(make(self.folder, self.way, "build-predict"))

    def second_model(self) -> float:
        """Of another model with the same requirements."""
        other = self.copy_model()
        seconds = timed(make(other, self.way, "build-predict"))
        self.remove_model(other)
        return seconds

    def copy_model(self) -> Path:
        """Another model that does the same."""
        self._count += 1
        other = self.project / f"copy{self._count}"
        shutil.copytree(self.folder, other)
        for path in (other / "Makefile", other / ".s2i" / "environment", other / "predict.py"):
            text = path.read_text().replace(f".{MODEL}.", f".{other.name}.").replace(f"{MODEL.lower()}", other.name)
            path.write_text(text.replace("adult_income_lr", f"{other.name}_lr"))
        return other

    def remove_model(self, folder: Path) -> None:
        run(make(folder, self.way, "clean"))
        shutil.rmtree(folder)

    def whole_project(self) -> float:
        """Every image of the project, two at a time, of requirements that nothing was installed for yet."""
        models = [path.parent for path in sorted(self.project.glob("*/Makefile")) if path.parent.name != "all"]
        run(make(self.root, self.way, "clean"))
        run(make(self.root, self.way, "builders"))
        self.renew(*models)
        return timed(make(self.project / "all", self.way, "-j2", "build-all"))

    def nothing_changed(self) -> float:
        """``make build-all`` once more."""
        return timed(make(self.root, self.way, "build-all"))

    def clean(self) -> None:
        run(make(self.root, self.way, "clean"))


def baseline_project(place: Workplace) -> float:
    """The sum of the baseline's builds of every image of the project; the merged one counts as its largest."""
    folders = [path.parent for path in sorted(place.project.glob("*/Makefile")) if path.parent.name != "all"]
    models = [read_model_dir(folder, place.root) for folder in folders]
    predict = [baseline.build(model, "predict") for model in models]
    return sum(predict) + max(predict) + sum(baseline.build(model, "train") for model in models)
