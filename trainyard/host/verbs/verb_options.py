"""Which settings a verb reads: the options of ``trainyard <verb>``, in place of make's variables."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

from trainyard.settings.ci import CiSettings
from trainyard.settings.compute import ComputeSettings, NewComputeSettings, RegistrySettings
from trainyard.settings.data import DataSettings, PackageSettings, StoreSettings
from trainyard.settings.declarations import FromEnvironment
from trainyard.settings.experiments import ExperimentSettings
from trainyard.settings.host import (
    PASSED_ON,
    AssetSettings,
    BuildSettings,
    EngineSettings,
    HostSettings,
    NetworkSettings,
    ServerSettings,
    TrainSettings,
)
from trainyard.settings.image import ImageSettings
from trainyard.settings.retrain import ClientSettings, RetrainSettings
from trainyard.settings.scaffold import ScaffoldSettings

DECLARED: dict[str, Field[Any]] = {
    declared.metadata["env"]: declared
    for settings in (
        ImageSettings,
        ExperimentSettings,
        ComputeSettings,
        NewComputeSettings,
        RegistrySettings,
        DataSettings,
        HostSettings,
        ScaffoldSettings,
        StoreSettings,
        PackageSettings,
        RetrainSettings,
        ClientSettings,
        CiSettings,
    )
    for declared in fields(settings)
    if declared.repr
    and not declared.metadata["env"].startswith("TRAINYARD_")  # a command line is no place for a secret
}


def _names(*classes: type[FromEnvironment]) -> tuple[str, ...]:
    own = (declared.metadata["env"] for settings in classes for declared in fields(settings))  # type: ignore[arg-type]
    return tuple(dict.fromkeys(name for name in own if name in DECLARED))


ENGINE = _names(EngineSettings)
LOCK = (*ENGINE, *_names(NetworkSettings), "LOCK_TIMEOUT")
BUILD = _names(EngineSettings, BuildSettings)
DATA = _names(DataSettings)
ASSETS = (*_names(AssetSettings), *DATA)
TRAIN = (*_names(TrainSettings), "HARDENED", "DESCRIPTION", *DATA, *BUILD)
COMPUTE = _names(ComputeSettings)
SERVE = (*_names(ServerSettings), *PASSED_ON, *ASSETS, *BUILD)
TRACKER = ("TRACKING_TIMEOUT",)
TABLE = ("PROJECT", "NAME", "DATASET", "TARGET", "ENCODING", "SEPARATOR")
_LISTS: dict[str, tuple[str, ...]] = {
    "adopt": ("MODEL_FILE", *TABLE, *LOCK),
    "affected": ("SINCE",),
    "attach": ("ID", *TRACKER, *COMPUTE),
    "audit": ENGINE,
    "build-all": BUILD,
    "build-image": (*ASSETS, *BUILD),
    "build-predict": (*ASSETS, *BUILD),
    "build-train": BUILD,
    "builders": BUILD,
    "cancel": ("ID", *COMPUTE),
    "check": ("FORMAT",),
    "ci-build": ("SINCE", *ASSETS, *BUILD),
    "ci-files": ("CI", "FORCE"),
    "ci-promote": ("SINCE", *TRACKER, *TRAIN),
    "ci-report": ("SINCE", "MODEL", "REPORT"),
    "ci-train": (
        "SINCE",
        "REPORT",
        "BRANCH",
        "CI_TIMEOUT",
        "TRIALS",
        "WORKERS",
        "TRIAL_TIMEOUT",
        *TRACKER,
        *COMPUTE,
        *TRAIN,
    ),
    "ci-test": ("SINCE", "CI_TIMEOUT", "READY_TIMEOUT", "REQUEST_TIMEOUT", *SERVE),
    "clean": ("ALL", "RUNS", "STOP_TIMEOUT", *ENGINE),
    "compare": ("ID",),
    "compute-add": ("NAME", "REGISTRY", *_names(NewComputeSettings), *COMPUTE),
    "computes": COMPUTE,
    "configure": ("FROM", "TO", "STORE", "KEY_PREFIX", "SAMPLE_DATA", "FRAMEWORK", "SERIALIZATION"),
    "create-routes": BUILD,
    "data-list": ("STORE", "AT", *DATA),
    "data-pull": ("FROM", "TO", "FORCE", *DATA),
    "data-push": ("FROM", "TO", "FORCE", *DATA),
    "datastore-add": ("NAME", "URL", "ENDPOINT", "REGION", "CREDENTIALS", *DATA),
    "datastores": DATA,
    "demo": ("KEEP", "PORT", *BUILD),
    "experiment": ("CONFIG", "TRIALS", "WORKERS", "TRIAL_TIMEOUT", *TRACKER, *COMPUTE, *TRAIN),
    "follow-version": ("VERSION", "VERSION_POLL", "VERSION_FOLDER", *TRACKER, *SERVE),
    "import": ("FROM", "PROJECT"),
    "list": ENGINE,
    "lock": LOCK,
    "logs": ("FOLLOW", "ID", *COMPUTE, *ENGINE),
    "modernize": LOCK,
    "new-model": (*TABLE, "KEEP", "FRAMEWORK", "FAMILY", "SERIALIZATION", "TASK", *LOCK),
    "new-project": ("PROJECT",),
    "package": (*TRACKER, *TRAIN),
    "predict": ("VERSION", "VERSION_POLL", *TRACKER, *SERVE),
    "predict-all": SERVE,
    "predict-local": ("VERSION", "VERSION_POLL", *TRACKER, *SERVE),
    "prepare": ("YES", *DATA, *LOCK),
    "promote": ("ID", "VERSION", "FORCE", *TRACKER, *DATA, *BUILD),
    "prune": ("PRUNE_AGE", "PRUNE_DATA_DAYS", "CALL_TIMEOUT", "LOCK_TIMEOUT", *ENGINE),
    "push": ("REGISTRY", "COMPUTE", "TAG", "SINCE", "FORMAT", *ASSETS, *BUILD),
    "remove": ("MODEL", "FORCE", *TRACKER, "LOCK_TIMEOUT", *ENGINE),
    "rename": ("MODEL", "TO", "FORCE", *TRACKER, "LOCK_TIMEOUT", *ENGINE),
    "report": ("ID",),
    "reproduce": ("ID", "FORMAT", "HARDENED", "TRAIN_MEMORY", "TRAIN_CPUS", *BUILD),
    "retrain": ("MODEL", "COMMIT", "COMPUTE", "DEPLOY", "WAIT", "RETRAIN_URL", "REQUEST_TIMEOUT"),
    "retrain-image": BUILD,
    "retrain-job": ("ID",),
    "retrain-service": (
        *_names(RetrainSettings),
        "BIND",
        "DETACH",
        "TRAIN_MEMORY",
        "TRAIN_CPUS",
        "READY_TIMEOUT",
        *TRACKER,
        *BUILD,
    ),
    "retrain-stop": ("STOP_TIMEOUT",),
    "retrain-token": ("NAME", "SCOPE", "EXPIRES"),
    "rollback": TRACKER,
    "run-show": ("ID",),
    "runs": ("SORT", "FORMAT", "ALL"),
    "sbom": BUILD,
    "shell": BUILD,
    "show": ENGINE,
    "stop": ("STOP_TIMEOUT", *ENGINE),
    "test-all": ("PORT", "REQUEST_TIMEOUT", "ROOT_PATH", *ENGINE),
    "test-endpoint": ("PORT", "REQUEST_TIMEOUT", "ROOT_PATH", *ENGINE),
    "track": ("WORKERS", "TRACK_PORT", "TRACK_ARTIFACTS", "BIND", "DETACH", "READY_TIMEOUT", "STOP_TIMEOUT"),
    "track-image": BUILD,
    "track-stop": ("STOP_TIMEOUT",),
    "track-sync": TRACKER,
    "train": ("BASE_MODEL", "PROMOTE", *TRACKER, *COMPUTE, *TRAIN),
    "train-all": (*TRACKER, *COMPUTE, *TRAIN),
    "train-local": ("BASE_MODEL", *TRACKER, *TRAIN),
    "tune": ("BASE_MODEL", "PROMOTE", "TRIALS", "WORKERS", "RESUME", "TRIAL_TIMEOUT", *TRACKER, *COMPUTE, *TRAIN),
    "wheelhouse": ("WHEELHOUSE", *LOCK),
}
# Two groups may share a setting, and click warns of an option that a verb has twice.
READS = {verb: tuple(dict.fromkeys(names)) for verb, names in _LISTS.items()}
