"""A monorepo of many models, generated: how long make takes to look at it, and what an edit of one model builds."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.builds.cases import MODEL
from bench.builds.copies import Way, copy_monorepo, make, run, timed
from bench.serving.servers import PROJECT

EDITED = 3  # the number of the model that is edited
OF_PROJECT = 10  # models
PROCESS = Way("process", ("ENGINE=process",))


@dataclass(frozen=True)
class Generated:
    """Seconds of ``make list`` and ``make -n build-all`` by engine; of the process engine, seconds of building it all
    and of nothing changed, and the images that an edit of one model had built."""

    count: int
    listed: dict[str, float]
    planned: dict[str, float]
    built: float
    unchanged: float
    after_edit: list[str]

    @property
    def expected(self) -> list[str]:
        """What an edit of one model has to build."""
        return [f"bench-model{EDITED}-{role}" for role in ("predict", "train")]


def measure(folder: Path, count: int, ways: list[Way]) -> Generated:
    """``ways`` are only asked; what is built is built by the process engine."""
    root = generate(folder / "generated", count)
    once = {way.engine: way for way in ways}
    listed = {name: timed(make(root, way, "list")) for name, way in once.items()}
    planned = {name: timed(make(root, way, "-n", "build-all")) for name, way in once.items()}
    built = timed(make(root, PROCESS, "-j2", "build-all"))
    unchanged = timed(make(root, PROCESS, "build-all"))
    with (root / "projects" / f"project{EDITED // OF_PROJECT}" / f"model{EDITED}" / "predict.py").open("a") as file:
        file.write("# edited\n")
    output = run(make(root, PROCESS, "build-all"))
    return Generated(count, listed, planned, built, unchanged, sorted(re.findall("---> Built (.*)", output)))


def generate(root: Path, count: int) -> Path:
    """Ten models a project, each a copy of one of ours that imports what is its own."""
    copy_monorepo(root, PROJECT)
    source = root / "projects" / PROJECT
    for number in range(count):
        project = root / "projects" / f"project{number // OF_PROJECT}"
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
    return root
