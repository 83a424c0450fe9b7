"""The servers that are compared: what each needs, how it is started, what is sent to it.

Each gets two workers, and its own virtual environment with the newest versions that the package index has. Peers serve
the pipeline of ``peers/pipeline.py``, fitted with the parameters of our own models to the same rows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).resolve().parents[2]
PROJECT = "finance_income_prediction"
# Folder below the project, and name, of each model. Peers serve all but the last: pipeline.py.
MODELS = {
    "lr": ("logisticRegression", "adult_income_lr"),
    "rf": ("randomForest", "adult_income_rf"),
    "xgb": ("xgBoost", "adult_income_xgb"),
    "cat": ("catBoost", "adult_income_cat"),
}
# pandas 3 makes these pipelines 1.7 times slower: peers get the better one.
PIPELINE = ("joblib", "scikit-learn", "pandas<3", "xgboost-cpu")
Rows = list[list[Any]]
Run = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Setting:
    """One server for one model."""

    model: str
    venv: Path
    port: int
    folder: Path  # its working directory
    pipeline: Path


Prepare = Callable[[Setting, Run], None]


@dataclass(frozen=True)
class Server:
    """One way to serve. ``argv`` and ``env`` start it, ``prepare`` writes the files that it reads."""

    name: str
    requirements: tuple[str, ...]
    argv: Callable[[Setting], list[str]]
    path: str
    body: Callable[[Rows, list[str]], Any]
    prepare: Prepare = lambda _setting, _run: None
    env: dict[str, str] = field(default_factory=dict)
    venv: str = ""  # of another server, where it needs the same

    @property
    def venv_name(self) -> str:
        return self.venv or self.name

    def url_path(self, model: str) -> str:
        return self.path.format(model=MODELS[model][1])


def _program(setting: Setting, name: str) -> str:
    return str(setting.venv / "bin" / name)


def _instances(rows: Rows, _columns: list[str]) -> Any:
    return {"instances": rows}


def _v2(rows: Rows, columns: list[str]) -> Any:
    """The Open Inference Protocol, one input a column, as MLServer's scikit-learn runtime takes data frames."""
    inputs = []
    for position, name in enumerate(columns):
        values = [row[position] for row in rows]
        text = isinstance(values[0], str)
        kind = {"datatype": "BYTES", "parameters": {"content_type": "str"}} if text else {"datatype": "FP64"}
        inputs.append({"name": name, "shape": [len(rows), 1], "data": values, **kind})
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}


def _gunicorn(application: str) -> Callable[[Setting], list[str]]:
    def argv(setting: Setting) -> list[str]:
        options = ["--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{setting.port}", "--chdir", str(PEERS)]
        return [_program(setting, "gunicorn"), *options, application]

    return argv


def _uvicorn(setting: Setting) -> list[str]:
    return [
        _program(setting, "uvicorn"), "bare_app:asgi", "--app-dir", str(PEERS), "--workers", "2", "--loop", "uvloop",
        "--http", "httptools", "--no-access-log", "--lifespan", "off", "--port", str(setting.port),
    ]  # fmt: skip


def _granian(interface: str) -> Callable[[Setting], list[str]]:
    def argv(setting: Setting) -> list[str]:
        # One thread: the function only computes, and granian warns of its default for WSGI, 256.
        options = ["--workers", "2", "--blocking-threads", "1", "--no-ws", "--port", str(setting.port)]
        where = ["--working-dir", str(PEERS), "--interface", interface, f"bare_app:{interface}"]
        return [_program(setting, "granian"), *options, *where]

    return argv


def _mlserver_files(**batching: Any) -> Prepare:
    def prepare(setting: Setting, _run: Run) -> None:
        ports = {"http_port": setting.port, "grpc_port": setting.port + 1, "metrics_port": setting.port + 2}
        server = {"host": "127.0.0.1", "parallel_workers": 2, "debug": False, **ports}
        model = {
            "name": "income",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(setting.pipeline)},
            **batching,
        }
        (setting.folder / "settings.json").write_text(json.dumps(server))
        (setting.folder / "model-settings.json").write_text(json.dumps(model))

    return prepare


def _mlflow_folder(setting: Setting, run: Run) -> None:
    script = str(PEERS / "save_for_mlflow.py")
    run([_program(setting, "python"), script, str(setting.pipeline), str(setting.folder / "model")])


def _our_folder(setting: Setting, _run: Run) -> None:
    lay_out(setting.folder, [setting.model], setting.pipeline.parent / "models")


def lay_out(folder: Path, models: Iterable[str], binaries: Path, root: Path = ROOT) -> None:
    """What is in a predict image: the sources of the checkout ``root``, the routes, the models."""
    named = [MODELS[model] for model in models]
    routes = [f"{name}/predict:{PROJECT}.{where}.predict:predict_{name}" for where, name in named]
    (folder / ".s2i").mkdir()
    (folder / ".s2i" / "environment").write_text(f"ROUTES={','.join(routes)}\n")
    sources = {"common_utils": root, "utils": root, "trainyard": root, PROJECT: root / "projects"}
    for source, parent in sources.items():
        (folder / source).symlink_to(parent / source)
    (folder / "models").symlink_to(binaries)


def _locked(*, native: bool) -> tuple[str, ...]:
    """What our images install: the lock of a role."""
    role = "train" if native else "predict"
    return ("-r", str(ROOT / f"projects/{PROJECT}/xgBoost/requirements_{role}.lock"))


def _ours(name: str, *, native: bool) -> Server:
    return Server(
        name,
        _locked(native=native),
        lambda setting: [_program(setting, "python"), "-m", "trainyard.image.serve"],
        "/{model}/predict",
        lambda rows, _columns: {"payload": {"instances": rows}},
        _our_folder,
        {"WORKERS": "2", "BIND": "127.0.0.1", "COMPILED": "0" if native else "1"},
    )


def _bento(setting: Setting) -> list[str]:
    return [
        _program(setting, "bentoml"), "serve", "bento_service:Income", "--working-dir", str(PEERS),
        "--host", "127.0.0.1", "--port", str(setting.port),
    ]  # fmt: skip


def _mlflow(setting: Setting) -> list[str]:
    return [
        _program(setting, "mlflow"), "models", "serve", "--model-uri", str(setting.folder / "model"), "--workers", "2",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(setting.port),
    ]  # fmt: skip


def _seldon(setting: Setting) -> list[str]:
    return [
        _program(setting, "seldon-core-microservice"), "Income", "--service-type", "MODEL", "--workers", "2",
        "--http-port", str(setting.port), "--grpc-port", str(setting.port + 1), "--metrics-port", str(setting.port + 2),
    ]  # fmt: skip


SERVERS = (
    _ours("trainyard", native=False),
    _ours("trainyard, not compiled", native=True),
    Server("bare gunicorn", ("gunicorn", "orjson", *PIPELINE), _gunicorn("bare_app:wsgi"), "/", _instances),
    Server("bare uvicorn", ("uvicorn", "uvloop", "httptools", "orjson", *PIPELINE), _uvicorn, "/", _instances),
    Server("bare granian, WSGI", ("granian", "orjson", *PIPELINE), _granian("wsgi"), "/", _instances),
    Server("bare granian, RSGI", (), _granian("rsgi"), "/", _instances, venv="bare granian, WSGI"),
    Server("flask", ("gunicorn", "flask", *PIPELINE), _gunicorn("flask_app:app"), "/predict", _instances),
    Server(
        "mlserver", ("mlserver", "mlserver-sklearn", "setuptools<81", "uvloop<0.22", *PIPELINE),
        lambda setting: [_program(setting, "mlserver"), "start", "."],
        "/v2/models/income/infer", _v2, _mlserver_files(),
    ),
    Server(
        "mlserver, batching", (), lambda setting: [_program(setting, "mlserver"), "start", "."],
        "/v2/models/income/infer", _v2, _mlserver_files(max_batch_size=64, max_batch_time=0.005), venv="mlserver",
    ),
    Server("bentoml", ("bentoml", *PIPELINE), _bento, "/predict", _instances, env={"BENTOML_DO_NOT_TRACK": "1"}),
    Server(
        "bentoml, batching", (), _bento, "/predict", _instances,
        env={"BENTOML_DO_NOT_TRACK": "1", "BATCH": "1"}, venv="bentoml",
    ),
    Server(
        "kserve", ("kserve", *PIPELINE),
        lambda setting: [_program(setting, "python"), str(PEERS / "kserve_server.py"), str(setting.port)],
        "/v1/models/income:predict", _instances,
    ),
    Server(
        "seldon", ("seldon-core", "setuptools<81", *PIPELINE), _seldon, "/api/v1.0/predictions",
        lambda rows, columns: {"data": {"names": columns, "ndarray": rows}},
        env={"PYTHONPATH": str(PEERS), "SELDON_LOG_LEVEL": "WARNING"},
    ),
    Server(
        "mlflow", ("mlflow", *PIPELINE), _mlflow, "/invocations",
        lambda rows, columns: {"dataframe_split": {"columns": columns, "data": rows}},
        _mlflow_folder, {"MLFLOW_DISABLE_TELEMETRY": "true"},
    ),
)  # fmt: skip
OURS = "trainyard"
OTHER = "trainyard, other checkout"
# Floors: servers that do nothing but call the same hand-written function.
BARE = tuple(server.name for server in SERVERS if server.name.startswith("bare "))
NOT_PEERS = (OURS, OTHER, "trainyard, not compiled", *BARE)


def of_checkout(root: Path) -> Server:
    """Our server from the sources of another checkout, with the packages and the models of this one."""

    def prepare(setting: Setting, _run: Run) -> None:
        lay_out(setting.folder, [setting.model], setting.pipeline.parent / "models", root.resolve(strict=True))

    return replace(SERVERS[0], name=OTHER, requirements=(), prepare=prepare, venv=OURS)


def chosen(names: list[str]) -> list[Server]:
    """The servers of those names, ours among them; all where there are none."""
    known = {server.name: server for server in SERVERS}
    if unknown := set(names) - known.keys():
        sys.exit(f"error: no such server: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    return [server for server in SERVERS if not names or server.name in names or server.name == OURS]
