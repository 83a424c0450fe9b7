"""What ``make`` and the command line listen to, by who reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from trainyard.settings.declarations import FromEnvironment, setting, variables_of
from trainyard.settings.image import ImageSettings


@dataclass(frozen=True)
class EngineSettings(FromEnvironment):
    """Which engine, and what drives it to build."""

    engine: str = setting("ENGINE", "", "docker, podman or process; default: the first of these that answers")
    builder: str = setting("BUILDER", "", "s2i or builtin: how images are built; default: s2i where installed")


@dataclass(frozen=True)
class NetworkSettings(FromEnvironment):
    """Package indexes, and the way to them."""

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


@dataclass(frozen=True)
class BuildSettings(NetworkSettings):
    """From requirements and sources to images."""

    strict: bool = setting(
        "STRICT", False, "1: a lock that is missing or stale is an error; make predict hands it on to the server"
    )
    build: bool = setting(
        "BUILD", True, "0: a verb that runs an image runs the one that is there; 1: it is built first where it is stale"
    )
    force: bool = setting(
        "FORCE",
        False,
        "1: build even what is up to date; make rename, make remove: do not ask; make data-push, make data-pull: "
        "overwrite",
    )
    bake: bool = setting("BAKE", False, "1: put the binaries of models/ into the predict image, as its last layer")
    groups: str = setting(
        "GROUPS", "", "auto: models of an all/ whose requirements clash get an environment each; default: an error"
    )
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
    pull_timeout: int = setting("PULL_TIMEOUT", 600, "seconds that pulling the base image may take")
    build_timeout: int = setting("BUILD_TIMEOUT", 1800, "seconds that one build step may take")
    lock_timeout: int = setting(
        "LOCK_TIMEOUT",
        1800,
        "seconds to wait for another process that works on the same",
        formerly="BUILD_LOCK_TIMEOUT",
    )


@dataclass(frozen=True)
class AssetSettings(FromEnvironment):
    """Which model goes into a predict image."""

    assets: str = setting(
        "ASSETS",
        "",
        "pretrained or trained: the published model that config.yaml names, or the newest of make package, goes into "
        "the predict image; default: models/ is mounted",
    )
    assets_gb: int = setting("ASSETS_GB", 20, "GB that the assets of a model may have, packed or unpacked")


@dataclass(frozen=True)
class ServerSettings(FromEnvironment):
    """Servers: how they are started, asked and ended."""

    port: int = setting("PORT", 5111, "host port that make predict publishes")
    bind: str = setting("BIND", "127.0.0.1", "host address that make predict publishes on; 0.0.0.0 for every one")
    workers: int = setting(
        "WORKERS",
        0,
        "workers of a predict server, make tune or make track; 0: as many as cores and memory allow, make track: one",
    )
    detach: bool = setting("DETACH", False, "1: make predict returns when the server is ready")
    hardened: bool = setting(
        "HARDENED",
        True,
        "no capabilities, no new privileges, 2048 tasks; make predict: read-only but for /tmp, too; 0: none of that",
    )
    mount: bool = setting("MOUNT", False, "1: make predict mounts models/ over the binaries of a baked image, too")
    ready_timeout: int = setting("READY_TIMEOUT", 60, "seconds that a started server may take to answer")
    request_timeout: int = setting("REQUEST_TIMEOUT", 30, "seconds that make test-endpoint waits for an answer")
    stop_timeout: int = setting("STOP_TIMEOUT", 15, "seconds that a server gets to finish its requests")
    root_path: str = setting("ROOT_PATH", "", "path below which the server of make predict answers, as /ml")
    api_token: str = setting(
        "API_TOKEN", "", "token that the server of make predict asks for, and make test-endpoint sends", secret=True
    )


@dataclass(frozen=True)
class TrainSettings(FromEnvironment):
    """Trainings."""

    train_memory: str = setting(
        "TRAIN_MEMORY", "", "most memory of a container that trains, as 8g; default: nine tenths of the machine's"
    )
    train_cpus: str = setting("TRAIN_CPUS", "", "cores that a container that trains may use, as 2.5; default: all")
    payload: str = setting("PAYLOAD", "", "JSON object, merged over the default payload of make train")
    jobs: int = setting("TRAINYARD_JOBS", 1, "trainings that share the cores; make sets it to the number that -j has")


@dataclass(frozen=True)
class HousekeepingSettings(FromEnvironment):
    """What shows, and what tidies up."""

    follow: bool = setting("FOLLOW", False, "1: make logs stays")
    keep: bool = setting("KEEP", False, "1: make demo leaves its server running")
    since: str = setting(
        "SINCE",
        "",
        "git ref: make affected lists what changed since, make push pushes that alone, make ci-report compares with it",
    )
    clean_runs: bool = setting("RUNS", False, "1: make clean ALL=1 removes runs/, mlruns/ and trained models, too")
    prune_age: int = setting(
        "PRUNE_AGE", 3600, "seconds for which make prune leaves dependency images: another clone may build on them next"
    )
    prune_data_days: int = setting(
        "PRUNE_DATA_DAYS", 30, "days after which make prune removes data from computes that no training has begun with"
    )


# Fields come in the order from the last class to the first: help begins with what is asked for most.
@dataclass(frozen=True)
class HostSettings(HousekeepingSettings, AssetSettings, BuildSettings, TrainSettings, ServerSettings, EngineSettings):
    """All of it. Whoever reads some takes the class that has those."""


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
