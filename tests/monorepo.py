"""A monorepo made for one test: the real make files and package, small models that need nothing but Python."""

from __future__ import annotations

import atexit
import functools
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("Makefile", "build.sh", "mk", "all", "common_utils", "utils")
OURS = (
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "TRAINYARD_COMMAND_LINE",
    "MLFLOW_TRACKING_URI",  # MLflow's client leaves it in the environment of the process that runs the tests
    "MLFLOW_REGISTRY_URI",
)  # of the make that runs the tests

TRAIN = """
import pathlib
import pickle


def train(msg):
    payload = msg.get("payload", {})
    rows = pathlib.Path(payload["$ref"]).read_text().splitlines()[1:]
    name = payload["model_name"]
    with open(f"models/{name}.pkl", "wb") as file:
        pickle.dump({"factor": payload.get("factor", 2), "rows": len(rows)}, file)
    return {"rows": len(rows)}
"""

PREDICT = """
import os
import pickle

MODEL = os.getenv("MODEL_NAME", "%(model_name)s")


def predict_%(name)s(msg):
    with open(f"models/{MODEL}.pkl", "rb") as file:
        factor = pickle.load(file)["factor"]
    return {"predictions": [factor * sum(row) for row in msg.payload["instances"]]}
"""


@dataclass(frozen=True)
class Model:
    """A model directory of a test's monorepo."""

    path: Path
    project: str
    name: str
    container: str

    @property
    def binary(self) -> Path:
        return self.path.parent / "models" / f"{self.name}.pkl"

    @property
    def record(self) -> Path:
        return self.path.parent / "models" / f"{self.name}.json"

    def replace(self, file: str, old: str, new: str) -> None:
        """Edit one of its files."""
        path = self.path / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {path}"
        path.write_text(text.replace(old, new))


class Monorepo:
    """A folder with everything that a clone has, but for the shipped projects."""

    def __init__(self, path: Path, engine: str = "process", *, resolved: bool = True) -> None:
        """``resolved``: what a model without requirements gets is known already, and no index asked."""
        self.path = path
        self.engine = engine
        # Tests that run side by side share the engines, and `make clean` removes images from all of them.
        self.prefix = f"trainyard-test-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        path.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__", ".s2i", "*.txt"))
            else:
                shutil.copy(source, path / name)
        self._all_makefile(path / "all", "", "../mk")
        shutil.copy(ROOT / "pyproject.toml", path)
        os.utime(path / "pyproject.toml", (0, 0))  # older than the environment's stamp
        borrow_environment(path / ".venv")
        if resolved:
            shutil.copytree(plain_locks(), path / ".trainyard" / "locks")

    def add_model(self, name: str, project: str = "sums", *, route: str = "", extra: str = "") -> Model:
        """A model that multiplies the sum of a row by the ``factor`` it was trained with."""
        folder = self.path / "projects" / project
        path = folder / name
        (path / ".s2i").mkdir(parents=True)
        (path / "test").mkdir()
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "numbers.csv").write_text("a,b\n1,2\n3,4\n")
        module = f"{project}.{name}"
        (path / ".s2i" / "environment").write_text(
            f"ROUTES={route or name + '/predict'}:{module}.predict:predict_{name}\n"
            f"TRAIN_MODULE={module}.train\nTRAIN_FUNCTION=train\n{extra}"
        )
        model = Model(path, project, name, self.container(f"{project}-{name}"))
        (path / "Makefile").write_text(
            f"MODEL_NAME     := {name}\nDATASET_NAME   := data/numbers.csv\nCONTAINER_NAME := {model.container}\n\n"
            "include ../../../mk/model.mk\n"
        )
        (path / "train.py").write_text(TRAIN)
        (path / "predict.py").write_text(PREDICT % {"model_name": name, "name": name})
        (path / "requirements_train.txt").write_text("")
        (path / "requirements_predict.txt").write_text("")
        (path / "test" / "test_instances.json").write_text('{"payload": {"instances": [[1, 2], [3, 4]]}}')
        return model

    def add_all(self, project: str = "sums", models: str = "") -> Path:
        """An ``all/`` that merges the project's models."""
        path = self.path / "projects" / project / "all"
        path.mkdir(parents=True)
        self._all_makefile(path, f"MODEL_DIRS := {models}\n" if models else "", "../../../mk", f"{project}-")
        return path

    def container(self, name: str) -> str:
        """A CONTAINER_NAME that no other test's monorepo has."""
        return f"{self.prefix}-{name}".replace("_", "-")

    def _all_makefile(self, folder: Path, variables: str, mk: str, project: str = "") -> None:
        name = self.container(f"{project}all")
        (folder / "Makefile").write_text(f"{variables}CONTAINER_NAME := {name}\n\ninclude {mk}/all.mk\n")

    def make(self, where: Path | Model | None, *arguments: str, timeout: float = 600, **env: str) -> Made:
        """Run make in a folder."""
        done = subprocess.run(
            ["make", "--no-print-directory", *arguments], cwd=self._folder(where), env=self.environment(**env),
            capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        return Made(done.returncode, done.stdout, done.stderr)

    def spawn(self, where: Path | Model | None, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start make in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            ["make", "--no-print-directory", *arguments], cwd=self._folder(where), env=self.environment(**env),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip

    def _folder(self, where: Path | Model | None) -> Path:
        return where.path if isinstance(where, Model) else where or self.path

    def environment(self, **env: str) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key not in OURS}
        return {**inherited, "ENGINE": self.engine, **env}

    @contextmanager
    def serving(self, where: Path | Model, verb: str = "predict", **env: str) -> Iterator[int]:
        """A server in the background; the port it answers on."""
        port = free_port()
        self.make(where, verb, "DETACH=1", f"PORT={port}", **env).succeeded()
        try:
            yield port
        finally:
            self.make(where, "stop").succeeded()


def borrow_environment(venv: Path) -> None:
    """Ours, under its own path: were .venv a link, each monorepo would compile MLflow, pandas and all else anew, since
    bytecode is kept by the path of its source."""
    ours = ROOT / ".venv"
    (ours / "bytecode").mkdir(exist_ok=True)
    for stamp in (".stamp", ".stamp-experiments", ".stamp-retrain"):
        (ours / stamp).touch()
    (venv / "bin").mkdir(parents=True)
    for source in [*ours.iterdir(), *(ours / "bin").iterdir()]:
        target = venv / source.relative_to(ours)
        if source.name.startswith("python"):
            target.write_text(f'#!/bin/sh\nexec "{source}" "$@"\n')
            target.chmod(0o755)
        elif source.name != "bin":
            target.symlink_to(source)


@functools.cache
def plain_locks() -> Path:
    """The locks of a model without requirements: once for all repositories of this process, as it takes a second."""
    folder = tempfile.TemporaryDirectory(prefix="trainyard-locks-")
    atexit.register(folder.cleanup)
    repo = Monorepo(Path(folder.name) / "repo", resolved=False)
    repo.make(repo.add_model("plain"), "show").succeeded()
    return repo.path / ".trainyard" / "locks"


@dataclass(frozen=True)
class Made:
    """What a make has printed, and its exit status."""

    status: int
    out: str
    err: str

    def succeeded(self) -> Made:
        assert self.status == 0, f"make failed with {self.status}:\n{self.out}\n{self.err}"
        return self

    def failed(self, *parts: str) -> str:
        """It failed with one ``error:`` line that has all ``parts``, and without a traceback; that line."""
        text = self.out + self.err
        assert self.status != 0, f"make succeeded:\n{text}"
        assert "Traceback" not in text, text
        errors = [
            line for line in text.splitlines() if line.startswith("error: ") or ("***" in line and "Error " not in line)
        ]
        assert len(errors) == 1, f"{len(errors)} error lines:\n{text}"
        for part in parts:
            assert part in errors[0], f"{part!r} is not in {errors[0]!r}"
        return errors[0]


def nobody_elses(requirement: str) -> str:
    """The same requirement, by a condition that holds: who wants the same packages shares them, and this is wanted by
    nobody else, so that it has to be installed."""
    return f'{requirement} ; python_version < "4.{secrets.randbelow(10**9)}"'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, str]:
    """GET, or POST ``body``; status and text."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", body)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Client:
    """Posts rows to one route over one connection; any answer but 200 is an error."""

    def __init__(self, port: int, route: str) -> None:
        self._port = port
        self._route = route
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def post(self, rows: list[list[float]]) -> tuple[dict[str, Any], str]:
        """The payload of the answer, and the version of the model that gave it."""
        self._connection.request("POST", f"/{self._route}", json.dumps({"payload": {"instances": rows}}))
        response = self._connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        return json.loads(text)["payload"], response.headers["X-Model-Version"]

    @contextmanager
    def keep_posting(self, rows: list[list[float]]) -> Iterator[list[tuple[dict[str, Any], str]]]:
        """Post from another thread meanwhile; all the answers. Raises what a request raised."""
        answers: list[tuple[dict[str, Any], str]] = []
        done = threading.Event()

        def post_on() -> None:
            with Client(self._port, self._route) as client:
                while not done.is_set():
                    answers.append(client.post(rows))

        with ThreadPoolExecutor(1) as pool:
            posting = pool.submit(post_on)
            try:
                yield answers
            finally:
                done.set()
            posting.result()


def is_healthy(port: int) -> bool:
    """Whether /health answers on that port."""
    with suppress(OSError):
        return ask(port, "health")[0] == 200
    return False


def interrupt(process: subprocess.Popen[str]) -> str:
    """What Ctrl-C does: SIGINT to the whole process group; the output until the end."""
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=60)[0]
