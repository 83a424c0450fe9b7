"""From an empty folder to the first answered prediction: our way, and those of the public quick starts of others.

Each journey has the same table and the same kind of model. Its files in peers/ are what its user writes by hand.
"""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uv

from bench.scaffold.watching import Step, Stopped, do, environment, post, served

FILES = Path(__file__).parent / "peers"
TARGET = "species"
EXPECTED = "setosa"  # of the first rows
COG = "https://github.com/replicate/cog/releases/latest/download/cog_Linux_x86_64"


@dataclass
class Journey:
    """What was done; ``fitting``: seconds of the train function, where they are known; ``stopped``: why it ended."""

    name: str
    lines: int
    steps: list[Step] = field(default_factory=list)
    fitting: float | None = None
    stopped: str = ""

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)

    @property
    def commands(self) -> int:
        return len(self.steps)

    @property
    def packages(self) -> float:
        return sum(step.packages for step in self.steps)

    @property
    def own(self) -> float:
        """Neither packages nor the train function."""
        return self.seconds - self.packages - (self.fitting or 0.0)


@dataclass(frozen=True)
class Start:
    """What each journey begins with: an empty folder, the table, rows of it to ask about, our wheel, a free port."""

    folder: Path
    table: Path
    rows: list[list[float]]
    wheel: Path
    port: int


def make_table(path: Path) -> list[list[float]]:
    """Iris, the table of the quick starts; two of its rows, without what is to be predicted."""
    from sklearn.datasets import load_iris

    found = load_iris()
    names = [name.removesuffix(" (cm)").replace(" ", "_") for name in found.feature_names]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, TARGET])
        writer.writerows([*row, found.target_names[kind]] for row, kind in zip(found.data, found.target, strict=True))
    return [[float(value) for value in row] for row in found.data[:2]]


def trainyard(start: Start, journey: Journey) -> None:
    """The path of docs/start.md, on the process engine."""
    folder, tools = start.folder, start.folder / "tools"
    (folder / "bin").mkdir()
    (folder / "bin" / "uv").symlink_to(uv.find_uv_bin())
    env = environment(folder / "bin", tools, UV_TOOL_DIR=str(folder / "installed"), UV_TOOL_BIN_DIR=str(tools))
    root, model = folder / "models", f"MODEL=iris/{TARGET}"
    make = ["make", "--no-print-directory", "ENGINE=process"]
    add = ["new-model", "PROJECT=iris", f"NAME={TARGET}", f"DATASET={start.table}", f"TARGET={TARGET}"]
    port = f"PORT={start.port}"
    journey.steps.append(do("install", ["uv", "tool", "install", "--quiet", str(start.wheel)], folder, env))
    journey.steps.append(do("trainyard init", ["trainyard", "init", "models"], folder, env))
    journey.steps.append(do("make new-model", [*make, *add, "FRAMEWORK=scikit-learn", "FAMILY=linear"], root, env))
    journey.steps.append(do("make train", [*make, "train", model], root, env))
    try:
        journey.steps.append(do("make predict", [*make, "predict", "DETACH=1", model, port], root, env))
        body = json.dumps({"payload": {"instances": start.rows}}).encode()
        journey.steps.append(
            post("first request", f"http://127.0.0.1:{start.port}/iris_{TARGET}/predict", body, EXPECTED)
        )
    finally:
        with contextlib.suppress(Stopped):
            do("make stop", [*make, "stop", model], root, env)
    journey.fitting = json.loads((root / "projects" / "iris" / "models" / f"iris_{TARGET}.json").read_text())["seconds"]


def _install(start: Start, journey: Journey, *packages: str, by_uv: bool) -> dict[str, str]:
    """The virtual environment that the pages begin with; what its user's shell then has."""
    venv = start.folder / ".venv"
    env = environment(venv / "bin", BENTOML_HOME=str(start.folder / "bentoml"), BENTOML_DO_NOT_TRACK="1")
    env |= {"MLFLOW_DISABLE_TELEMETRY": "true"}
    if by_uv:
        program = uv.find_uv_bin()
        make = [program, "venv", "--quiet", "--python", sys.executable, str(venv)]
        add = [program, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python")]
    else:
        make, add = [sys.executable, "-m", "venv", str(venv)], [str(venv / "bin" / "pip"), "install", "--quiet"]
    for name, command in (("virtual environment", make), ("install", [*add, *packages])):
        step = do(name, command, start.folder, env)
        step.packages = step.seconds
        journey.steps.append(step)
    return env


def bentoml(start: Start, journey: Journey, *, by_uv: bool) -> None:
    env = _install(start, journey, "bentoml", "scikit-learn", "pandas", by_uv=by_uv)
    programs = start.folder / ".venv" / "bin"
    journey.steps.append(do("train.py", [str(programs / "python"), "train.py"], start.folder, env))
    serve = [str(programs / "bentoml"), "serve", "--port", str(start.port)]
    journey.steps += answered("bentoml serve", serve, start, env, "/predict", {"instances": start.rows})


def mlflow(start: Start, journey: Journey, *, by_uv: bool) -> None:
    env = _install(start, journey, "mlflow", by_uv=by_uv)
    programs = start.folder / ".venv" / "bin"
    journey.steps.append(do("train.py", [str(programs / "python"), "train.py"], start.folder, env))
    uri = journey.steps[-1].output.split()[-1]
    serve = [str(programs / "mlflow"), "models", "serve", "-m", uri, "-p", str(start.port), "--env-manager", "local"]
    journey.steps += answered("mlflow models serve", serve, start, env, "/invocations", {"inputs": start.rows})


def answered(name: str, argv: list[str], start: Start, env: dict[str, str], path: str, body: object) -> list[Step]:
    """Start a server, wait for its first good answer, ask once more, end it."""
    url, content = f"http://127.0.0.1:{start.port}{path}", json.dumps(body).encode()
    with served(name, argv, start.folder, env, url, content) as step:
        return [step, post("first request", url, content, EXPECTED)]


def cog(start: Start, journey: Journey) -> None:
    """The guide's own commands; the prediction is answered by a command, not by a server."""
    env, program = environment(start.folder), str(start.folder / "cog")
    fetch = ["curl", "--fail", "--silent", "--show-error", "--max-time", "60", "-o", program, "-L", COG]
    journey.steps.append(do("install cog", fetch, start.folder, env))
    journey.steps.append(do("chmod", ["chmod", "+x", program], start.folder, env))
    journey.steps.append(do("cog run", [program, "run", "python", "train.py"], start.folder, env))
    names = start.table.read_text().splitlines()[0].split(",")
    inputs = [f"{name}={value}" for name, value in zip(names, start.rows[0], strict=False)]
    predict = [program, "predict", *(word for one in inputs for word in ("-i", one))]
    journey.steps.append(do("cog predict", predict, start.folder, env))


Way = tuple[str, Callable[[Start, Journey], None]]  # the folder of what is written by hand, and the journey
WAYS: dict[str, Way] = {
    "trainyard": ("", trainyard),
    "bentoml": ("bentoml", lambda start, journey: bentoml(start, journey, by_uv=False)),
    "bentoml, uv": ("bentoml", lambda start, journey: bentoml(start, journey, by_uv=True)),
    "mlflow": ("mlflow", lambda start, journey: mlflow(start, journey, by_uv=False)),
    "mlflow, uv": ("mlflow", lambda start, journey: mlflow(start, journey, by_uv=True)),
    "cog": ("cog", cog),
}


def travel(name: str, start: Start) -> Journey:
    """Go from the empty folder as far as the way leads."""
    written, way = WAYS[name]
    shutil.rmtree(start.folder, ignore_errors=True)
    start.folder.mkdir(parents=True)
    journey = Journey(name, 0)
    if written:
        shutil.copytree(FILES / written, start.folder, dirs_exist_ok=True)
        journey.lines = lines_written(FILES / written)
        shutil.copy(start.table, start.folder / "iris.csv")
    try:
        need_free(start.port)
        way(start, journey)
    except (Stopped, OSError) as error:
        journey.stopped = str(error)
    return journey


def need_free(port: int) -> None:
    """Raises:
    Stopped: another server would answer in place of the one that is measured.
    """
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise Stopped(f"port {port} is taken: end what listens there")


def lines_written(folder: Path) -> int:
    """Lines that are neither blank nor comments."""
    texts = [path.read_text() for path in folder.iterdir() if path.is_file()]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in lines)
