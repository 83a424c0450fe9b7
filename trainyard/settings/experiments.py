"""What the verbs about runs listen to."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class ExperimentSettings(FromEnvironment):
    """Settings of ``make train`` and of what looks at, repeats and compares trainings."""

    description: str = setting(
        "DESCRIPTION", "", "make train, make tune, make experiment: what the run is for, as a tag of it"
    )
    base_model: str = setting(
        "BASE_MODEL",
        "",
        "make train, make tune: training begins from the model of that run, or of <registered model>/<version>",
    )
    config: str = setting("CONFIG", "", "make experiment: the file; default: experiment.yaml or exp_config.json")
    run_id: str = setting(
        "ID",
        "",
        "make run-show, make report, make reproduce: the id of a run, its beginning or end, or latest (default); "
        "make compare: several",
    )
    sort: str = setting("SORT", "", "make runs: the metric to sort by, the best first; default: the newest first")
    format: str = setting(
        "FORMAT",
        "table",
        "make runs: table, or for programs all of them as json (an array, a line for each run) or csv; "
        "make check: table, json or sarif; make reproduce, make push: table or json",
    )
    everything: bool = setting(
        "ALL", False, "1: make runs shows all runs, not the first 20; make clean leaves nothing of us"
    )
    tracking_uri: str = setting(
        "TRACKING_URI",
        "",
        "URL of the MLflow server that runs are logged to; default: that of make track, while it runs",
        "MLFLOW_TRACKING_URI",
        secret=True,
    )
    tracking_timeout: int = setting("TRACKING_TIMEOUT", 10, "seconds that a tracking server may take to answer")
    track_port: int = setting("TRACK_PORT", 5007, "port that make track listens on")
    track_database: str = setting(
        "TRACK_DATABASE", "", "database of make track, as postgresql://...; default: SQLite in mlruns/", secret=True
    )
    track_artifacts: str = setting(
        "TRACK_ARTIFACTS", "", "where make track keeps artifacts, as s3://...; default: mlruns/artifacts/"
    )
    version: str = setting(
        "VERSION", "", "make predict, make promote: a version of the registry: its number, or champion"
    )
    promote: bool = setting(
        "PROMOTE", True, "0: make train, make tune: the model becomes a version, and does not compete with the champion"
    )
    version_poll: int = setting(
        "VERSION_POLL", 5, "seconds between two looks at where an alias leads to that make predict serves"
    )
    version_folder: str = setting(
        "VERSION_FOLDER",
        "",
        "folder in which follow-version keeps what VERSION leads to, for a server that make predict has not started",
    )
    trials: int = setting("TRIALS", 0, "make tune: trials in all; default: max_trials in config.yaml")
    resume: bool = setting("RESUME", False, "1: make tune goes on with the model's latest tuning")
    trial_timeout: int = setting("TRIAL_TIMEOUT", 0, "make tune: seconds that one trial may take; 0: any")
