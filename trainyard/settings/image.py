"""What a train image and a predict image listen to."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from trainyard.errors import TrainyardError
from trainyard.settings.declarations import FromEnvironment, setting

_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")


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
    data: str = setting("TRAINYARD_DATA", "", "train: which data of which store, a JSON object, for the record")
    base_model: str = setting(
        "TRAINYARD_BASE_MODEL", "", "train: the model that training begins from, a JSON object, for the record"
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


def served_model_name() -> str:
    """``ImageSettings.model_name`` alone: predict functions ask for it in every request."""
    return os.environ.get("MODEL_NAME") or os.environ.get("MODElNAME", "")  # noqa: SIM112


def baked_models() -> dict[str, str]:
    """``ImageSettings.baked_models``: the files that ``models/`` has to hold, by name, and the sha256 of each."""
    pairs = (item.partition("=") for item in os.environ.get("BAKED_MODELS", "").split(",") if item)
    return {name: sha256 for name, _, sha256 in pairs}


def root_path_of(given: str) -> str:
    """ROOT_PATH without the slash at its end: ``/ml``, or nothing.

    Raises:
        TrainyardError: it is not a path.
    """
    path = given.rstrip("/")
    if path and not _ROOT_PATH.fullmatch(path):
        known = "letters, digits, and the characters . _ ~ -"
        raise TrainyardError(f"ROOT_PATH={given}: not a path of {known}", "say, for example, ROOT_PATH=/ml")
    return path
