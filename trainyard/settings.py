"""Every setting, declared once: name, type, default, environment variable, help.

The command line, the table in ``docs/contract.md`` and validation derive from these two classes; ``os.environ`` is
read here alone, when a function is called and not when a module is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Self, TypeVar

from trainyard.errors import TrainyardError

T = TypeVar("T")
_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")


def setting(
    env: str, default: T, help: str, *also: str, secret: bool = False  # noqa: A002 -- click and argparse call it help too
) -> T:  # fmt: skip
    """Declare one setting: its variable, its default, one line of help, and other spellings of the variable.

    A secret one is left out where the settings are printed.
    """
    value: T = field(default=default, metadata={"env": env, "help": help, "also": also}, repr=not secret)
    return value


class FromEnvironment:
    """Reads a frozen dataclass of ``setting`` fields from environment variables."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The settings as ``environ`` (default: this process's) gives them; an empty variable counts as absent.

        Raises:
            TrainyardError: a value that is not of the setting's type; the message names the variable.
        """
        found = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for declared in fields(cls):  # type: ignore[arg-type]
            for variable in variables_of(declared):
                if text := found.get(variable, ""):
                    values[declared.name] = _PARSERS[type(declared.default)](variable, text)
                    break
        return cls(**values)


def callers_environment() -> Mapping[str, str]:
    """The variables that this process was started with, for what other programs' files and variables say."""
    return os.environ


def give_to_programs(variables: Mapping[str, str]) -> None:
    """Add variables to those of every program that is started from here: engines are given secrets by name alone."""
    os.environ.update(variables)


def served_model_name() -> str:
    """``ImageSettings.model_name`` alone: predict functions ask for it in every request."""
    return os.environ.get("MODEL_NAME") or os.environ.get("MODElNAME", "")  # noqa: SIM112


def baked_models() -> dict[str, str]:
    """``ImageSettings.baked_models``: the files that ``models/`` has to hold, by name, and the sha256 of each."""
    pairs = (item.partition("=") for item in os.environ.get("BAKED_MODELS", "").split(",") if item)
    return {name: sha256 for name, _, sha256 in pairs}


def root_path_of(settings: HostSettings | ImageSettings) -> str:
    """ROOT_PATH without the slash at its end: ``/ml``, or nothing.

    Raises:
        TrainyardError: it is not a path.
    """
    path = settings.root_path.rstrip("/")
    if path and not _ROOT_PATH.fullmatch(path):
        known = "letters, digits, and the characters . _ ~ -"
        raise TrainyardError(
            f"ROOT_PATH={settings.root_path}: not a path of {known}", "say, for example, ROOT_PATH=/ml"
        )
    return path


def refuse_telemetry() -> None:
    """Keep libraries from reporting to their makers: onnxruntime does since 1.29, in a thread that it starts for it,
    MLflow since 3.2."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def variables_of(declared: Field[Any]) -> tuple[str, ...]:
    """The variables that are looked at for a setting, the first that is set wins."""
    return (declared.metadata["env"], *declared.metadata["also"])


def _flag(variable: str, text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise TrainyardError(f"{variable}={text}: not a switch", f"say {variable}=1 or {variable}=0")


def _whole(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise TrainyardError(f"{variable}={text}: not a whole number", f"say, for example, {variable}=1")
    return int(text)


_PARSERS: dict[type, Callable[[str, str], Any]] = {bool: _flag, int: _whole, str: lambda _, text: text}


@dataclass(frozen=True)
class HostSettings(FromEnvironment):
    """What ``make`` and the command line listen to."""

    engine: str = setting("ENGINE", "", "docker, podman or process; default: the first of these that answers")
    builder: str = setting("BUILDER", "", "s2i or builtin: how images are built; default: s2i where installed")
    port: int = setting("PORT", 5111, "host port that make predict publishes")
    bind: str = setting("BIND", "127.0.0.1", "host address that make predict publishes on; 0.0.0.0 for every one")
    workers: int = setting(
        "WORKERS", 0, "worker processes of the server, or of make tune; 0: as many as cores and memory allow"
    )
    detach: bool = setting("DETACH", False, "1: make predict returns when the server is ready")
    hardened: bool = setting(
        "HARDENED",
        True,
        "no capabilities, no new privileges, 2048 tasks; make predict: read-only but for /tmp, too; 0: none of that",
    )
    train_memory: str = setting(
        "TRAIN_MEMORY", "", "most memory of a container that trains, as 8g; default: nine tenths of the machine's"
    )
    clean_runs: bool = setting("RUNS", False, "1: make clean ALL=1 removes runs/, mlruns/ and trained models, too")
    keep: bool = setting("KEEP", False, "1: make demo leaves its server running")
    follow: bool = setting("FOLLOW", False, "1: make logs stays")
    since: str = setting("SINCE", "", "git ref: make affected lists what changed since")
    strict: bool = setting(
        "STRICT", False, "1: a lock that is missing or stale is an error; make predict hands it on to the server"
    )
    build: bool = setting(
        "BUILD", True, "0: a verb that runs an image runs the one that is there; 1: it is built first where it is stale"
    )
    force: bool = setting("FORCE", False, "1: build even what is up to date")
    bake: bool = setting("BAKE", False, "1: put the binaries of models/ into the predict image, as its last layer")
    groups: str = setting(
        "GROUPS", "", "auto: models of an all/ whose requirements clash get an environment each; default: an error"
    )
    mount: bool = setting("MOUNT", False, "1: make predict mounts models/ over the binaries of a baked image, too")
    payload: str = setting("PAYLOAD", "", "JSON object, merged over the default payload of make train")
    jobs: int = setting("TRAINYARD_JOBS", 1, "trainings that share the cores; make sets it to the number that -j has")
    base_image: str = setting("BASE_IMAGE", "", "base of the builder images; default: python:3.12-slim-bookworm")
    runtime_image: str = setting(
        "RUNTIME_IMAGE", "", "image without compilers that what is installed on BASE_IMAGE is put on; default: none"
    )
    cache_registry: str = setting(
        "CACHE_REGISTRY",
        "",
        "host:port/path of a registry that base and dependency images are pulled from, by their hash",
    )
    cache_push: bool = setting("CACHE_PUSH", True, "0: what was built is not pushed to CACHE_REGISTRY")
    cache_timeout: int = setting("CACHE_TIMEOUT", 120, "seconds that a pull from CACHE_REGISTRY, or a push, may take")
    ca_bundle: str = setting(
        "CA_BUNDLE", "", "PEM file trusted during builds", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"
    )
    index_url: str = setting(
        "INDEX_URL", "", "package index for builds", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"
    )
    extra_index_url: str = setting(
        "EXTRA_INDEX_URL",
        "",
        "further package indexes for builds",
        "UV_INDEX",
        "UV_EXTRA_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
    )
    http_proxy: str = setting("HTTP_PROXY", "", "proxy for http during builds", "http_proxy")
    https_proxy: str = setting("HTTPS_PROXY", "", "proxy for https during builds", "https_proxy")
    no_proxy: str = setting("NO_PROXY", "", "hosts that builds reach without a proxy", "no_proxy")
    wheelhouse: str = setting("WHEELHOUSE", "", "folder of wheels: builds take packages from it alone and ask no index")
    index_timeout: int = setting(
        "INDEX_TIMEOUT", 30, "seconds that a package index may stay silent; it is asked three times"
    )
    pull_timeout: int = setting("PULL_TIMEOUT", 600, "seconds that pulling the base image may take")
    build_timeout: int = setting("BUILD_TIMEOUT", 1800, "seconds that one build step may take")
    lock_timeout: int = setting(
        "LOCK_TIMEOUT", 1800, "seconds to wait for another process that works on the same", "BUILD_LOCK_TIMEOUT"
    )
    prune_age: int = setting(
        "PRUNE_AGE", 3600, "seconds for which make prune leaves dependency images: another clone may build on them next"
    )
    ready_timeout: int = setting("READY_TIMEOUT", 60, "seconds that a started server may take to answer")
    request_timeout: int = setting("REQUEST_TIMEOUT", 30, "seconds that make test-endpoint waits for an answer")
    stop_timeout: int = setting("STOP_TIMEOUT", 15, "seconds that a server gets to finish its requests")
    root_path: str = setting("ROOT_PATH", "", "path below which the server of make predict answers, as /ml")
    api_token: str = setting(
        "API_TOKEN", "", "token that the server of make predict asks for, and make test-endpoint sends", secret=True
    )


@dataclass(frozen=True)
class ImageSettings(FromEnvironment):
    """What a train image and a predict image listen to."""

    payload: str = setting("PAYLOAD", "", "train: the payload of the message, a JSON object")
    train: bool = setting("TRAIN", True, "train: 0 to do nothing")
    score: bool = setting("SCORE", False, "train: 1: score the versions in run/scored/ instead of training")
    jobs: int = setting("TRAINYARD_JOBS", 1, "train: trainings that share the cores, for the number of threads")
    commit: str = setting("TRAINYARD_COMMIT", "", "train: git commit of the sources, for the record")
    built: str = setting(
        "TRAINYARD_BUILT", "", "train: the image and what it was built from, a JSON object, for the record"
    )
    model_name: str = setting("MODEL_NAME", "", "predict: the binary that a single-model image serves", "MODElNAME")
    baked_models: str = setting(
        "BAKED_MODELS", "", "predict: `file=sha256,...` that models/ has to hold, set in images built with BAKE=1"
    )
    # PORT is what Knative and Cloud Run say; who sets it beside another platform's variable means it.
    port: int = setting(
        "PORT", 5000, "predict: port to listen on; the first of these that is set", "AIP_HTTP_PORT",
        "SAGEMAKER_BIND_TO_PORT",
    )  # fmt: skip
    bind: str = setting("BIND", "0.0.0.0", "predict: address to listen on")  # noqa: S104 -- a container's own network
    workers: int = setting("WORKERS", 0, "predict: worker processes; 0: as many as cores and memory allow")
    threads: int = setting("THREADS", 4, "predict: threads of each worker, for predictions that take longer than 5 ms")
    compiled: bool = setting("COMPILED", True, "predict: serve the compiled form of a model; 0: unpickle its binary")
    batch: bool = setting("BATCH", True, "predict: requests that wait together are predicted together; 0: one by one")
    strict: bool = setting(
        "STRICT", False, "predict: 1: a model that was trained with other versions of packages is not served"
    )
    share: bool = setting(
        "SHARE", True, "predict: load models once and share their memory between workers; 0: each worker loads its own"
    )
    watch: bool = setting("WATCH", True, "predict: swap in what changes in models/; 0: only on SIGHUP")
    load_timeout: int = setting(
        "LOAD_TIMEOUT", 300, "predict: seconds that loading one route may take; the others serve"
    )
    timeout: int = setting(
        "TIMEOUT",
        60,
        "predict: seconds that a request may take; a worker that hangs for longer is replaced; 0: none",
    )
    max_wait: int = setting("MAX_WAIT", 5, "predict: seconds that a request may have to wait; beyond that 503 at once")
    group_timeout: int = setting(
        "GROUP_TIMEOUT", 2, "predict: seconds that a group of models (GROUPS=auto) may take to say what its routes are"
    )
    stop_timeout: int = setting("STOP_TIMEOUT", 15, "predict: seconds to finish requests after SIGTERM")
    max_body_mb: int = setting("MAX_BODY_MB", 16, "predict: largest request body, MiB; above it 413")
    root_path: str = setting(
        "ROOT_PATH", "", "predict: path below which everything is answered, as /ml; outside of it health alone"
    )
    buffer_mb: int = setting(
        "BUFFER_MB",
        0,
        "predict: what a worker holds of requests that have not arrived whole, MiB; 0: four of the largest bodies, "
        "64 at least, a quarter of the memory of all workers at most",
    )
    head_timeout: int = setting("HEAD_TIMEOUT", 30, "predict: seconds that the head of a request may take; then 408")
    body_timeout: int = setting(
        "BODY_TIMEOUT", 30, "predict: seconds without a byte of a body, or of a client that reads its answer; then 408"
    )
    keep_alive: int = setting(
        "KEEP_ALIVE", 75, "predict: seconds that a connection stays open between two requests; more than the balancer's"
    )
    api_token: str = setting(
        "API_TOKEN", "", "predict: all but health needs `Authorization: Bearer` with it; default: open", secret=True
    )
    api_token_file: str = setting(
        "API_TOKEN_FILE", "", "predict: file with such tokens, one a line; read again when it changes"
    )
    cors_origins: str = setting(
        "CORS_ORIGINS", "", "predict: origins whose pages may ask, separated by commas, or *; default: none"
    )
    aip_health_route: str = setting("AIP_HEALTH_ROUTE", "", "predict: path that Vertex AI asks whether it is ready")
    aip_predict_route: str = setting("AIP_PREDICT_ROUTE", "", "predict: path that Vertex AI posts instances to")
    access_log: bool = setting("ACCESS_LOG", False, "predict: 1 for a line of each request")
    log_format: str = setting("LOG_FORMAT", "text", "predict: text, or json for one object a line")
    log_level: str = setting("LOG_LEVEL", "info", "predict: debug, info, warning or error")


# What make predict hands on to the server, where it is given on make's command line.
PASSED_ON = (
    "CORS_ORIGINS", "THREADS", "COMPILED", "BATCH", "SHARE", "WATCH", "LOAD_TIMEOUT", "TIMEOUT", "MAX_WAIT",
    "GROUP_TIMEOUT", "MAX_BODY_MB", "BUFFER_MB", "HEAD_TIMEOUT", "BODY_TIMEOUT", "KEEP_ALIVE", "ACCESS_LOG",
    "LOG_FORMAT", "LOG_LEVEL",
)  # fmt: skip
# Are handed on by name, so that no list of processes shows them.
SECRETS = frozenset(
    {
        "MLFLOW_TRACKING_PASSWORD",
        *(name for declared in fields(ImageSettings) if not declared.repr for name in variables_of(declared)),
    }
)


def passed_on(command_line: Mapping[str, str]) -> dict[str, str]:
    """The settings of a server among the variables of make's command line.

    Raises:
        TrainyardError: a value that is not of the setting's type.
    """
    given = {name: command_line[name] for name in PASSED_ON if name in command_line}
    ImageSettings.read(given)
    return given


def table(*classes: type[FromEnvironment]) -> list[tuple[str, str, str]]:
    """``(variables, default, help)`` of every setting, for the docs and for help texts."""
    return [
        (", ".join(variables_of(declared)), str(declared.default), declared.metadata["help"])
        for cls in classes
        for declared in fields(cls)  # type: ignore[arg-type]
    ]
