"""What is measured: each function makes what it needs, and gives seconds or bytes."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.builds import baseline
from bench.builds.copies import Way, copy_monorepo, make, run, timed
from bench.serving.servers import PROJECT
from trainyard.model_dir import ROLES, ModelDir, read_model_dir

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
        self.requirements = requirements or (self.folder / "requirements_predict.txt").read_text()
        self._count = 0
        for makefile in self.project.glob("*/Makefile"):
            name = f"CONTAINER_NAME := {self.prefix}-{makefile.parent.name.lower()}"
            makefile.write_text(re.sub("CONTAINER_NAME *:= .*", name, makefile.read_text()))
        (self.root / "all" / "Makefile").unlink()
        self.renew(self.folder)

    def model(self) -> ModelDir:
        return read_model_dir(self.folder, self.root)

    def renew(self, *folders: Path) -> None:
        """Requirements that nothing was installed for yet: the same packages, another comment; locked already."""
        self._count += 1
        for folder in folders:
            for role in ROLES:
                path = folder / f"requirements_{role}.txt"
                text = self.requirements if (folder == self.folder and role == "predict") else path.read_text()
                kept = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("# bench"))
                path.write_text(f"{kept}# bench {self.prefix} {self._count}\n")
            run(make(folder, self.way, "lock"))

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
        self._count += 1
        other = self.project / f"copy{self._count}"
        shutil.copytree(self.folder, other)
        for name, pattern in (("Makefile", "Makefile"), ("wiring", ".s2i/environment")):
            path = other / pattern
            text = path.read_text().replace(f".{MODEL}.", f".{other.name}.").replace(f"{MODEL.lower()}", other.name)
            path.write_text(text.replace("adult_income_lr", f"{other.name}_lr") if name == "Makefile" else text)
        seconds = timed(make(other, self.way, "build-predict"))
        run(make(other, self.way, "clean"))
        shutil.rmtree(other)
        return seconds

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


def unique_bytes(place: Workplace) -> tuple[int, int]:
    """Bytes of all predict images of a project whose models have equal requirements, and of its largest image."""
    images = []
    for path in sorted(place.project.glob("*/Makefile")):
        if path.parent.name == "all":
            continue
        for role in ROLES:
            shutil.copy(place.folder / f"requirements_{role}.txt", path.parent)
            (path.parent / f"requirements_{role}.lock").unlink(missing_ok=True)
        run(make(path.parent, place.way, "build-predict"))
        images.append(read_model_dir(path.parent, place.root).image("predict"))
    sizes = [_saved(place.way.engine, [image]) for image in images]
    return _saved(place.way.engine, images), max(sizes)


def _saved(engine: str, images: list[str]) -> int:
    """Bytes of all layers of ``images``, each once: an archive has them so."""
    multiple = ["--multi-image-archive"] if engine == "podman" else []
    counted = run(["bash", "-c", f"{engine} save {' '.join([*multiple, *images])} | wc -c"])
    return int(counted.split()[0])


@dataclass(frozen=True)
class Generated:
    """A monorepo of many models: seconds of each command, and the images that an edit of one model had built."""

    listed: float
    planned: float
    built: float
    unchanged: float
    after_edit: list[str]


def generated(folder: Path, count: int) -> Generated:
    """``make list``, ``make -n build-all``, and an edit, among ``count`` models."""
    root = copy_monorepo(folder / "generated", PROJECT)
    source = root / "projects" / PROJECT
    way = Way("process", ("ENGINE=process",))
    for number in range(count):
        project = root / "projects" / f"project{number // 10}"
        target = project / f"model{number}"
        shutil.copytree(source / "common_utils", project / "common_utils", dirs_exist_ok=True)
        shutil.copytree(source / MODEL, target)
        (target / "Makefile").write_text(
            f"MODEL_NAME := model{number}\nDATASET_NAME := data/none.csv\nCONTAINER_NAME := bench-model{number}\n\n"
            "include ../../../mk/model.mk\n"
        )
        for path in [*target.rglob("*.py"), *(project / "common_utils").rglob("*.py")]:
            path.write_text(path.read_text().replace(f"{PROJECT}.", f"{project.name}."))
        wiring = target / ".s2i" / "environment"
        named = wiring.read_text().replace(f"{PROJECT}.{MODEL}", f"{project.name}.{target.name}")
        wiring.write_text(re.sub("ROUTES=[^:]*", f"ROUTES=model{number}/predict", named))
    shutil.rmtree(source)
    (root / "all" / "Makefile").unlink()
    listed = timed(make(root, way, "list"))
    planned = timed(make(root, way, "-n", "build-all"))
    built = timed(make(root, way, "-j2", "build-all"))
    unchanged = timed(make(root, way, "build-all"))
    with (root / "projects" / "project0" / "model3" / "predict.py").open("a") as file:
        file.write("# edited\n")
    said = run(make(root, way, "build-all"))
    return Generated(listed, planned, built, unchanged, re.findall("---> Built (.*)", said))
