"""What the retrain service and its client listen to."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class ServiceSettings(FromEnvironment):
    """The service: where it listens, what it keeps, how much it takes."""

    port: int = setting("RETRAIN_PORT", 5005, "port that make retrain-service listens on")
    database: str = setting(
        "RETRAIN_DATABASE", "", "database of jobs and tokens, as postgresql://...; default: .trainyard/retrain/jobs.db",
        secret=True,
    )  # fmt: skip
    jobs: int = setting("RETRAIN_JOBS", 2, "jobs that the service carries out at once, here and on each compute")
    compute: str = setting("RETRAIN_COMPUTE", "", "where jobs train that do not say it: a name in compute.yaml")
    waiting: int = setting("RETRAIN_WAITING", 1000, "jobs that may wait; more are refused")
    rate: int = setting(
        "RETRAIN_RATE", 600, "requests a minute that one token may send, or one address without; 0: any"
    )
    body_kb: int = setting("RETRAIN_BODY_KB", 256, "kB that the body of a request may have")
    keep_days: int = setting("RETRAIN_KEEP_DAYS", 90, "days that jobs that are over are kept; 0: for ever")


@dataclass(frozen=True)
class JobSettings(FromEnvironment):
    """What a job may fetch, and use."""

    sources: str = setting(
        "RETRAIN_SOURCES", "", "git repositories that jobs may name, as https://github.com/ours/*, "
        "separated by spaces; default: the service's own monorepo",
    )  # fmt: skip
    datasets: str = setting(
        "RETRAIN_DATASETS", "", "URLs that dataset_uri may name, as s3://lake/*, separated by spaces; default: none, "
        "only data stores of the service",
    )  # fmt: skip
    credentials: str = setting(
        "RETRAIN_CREDENTIALS", "", "where the credentials of git repositories are: https://github.com/ours/*=NAME, a "
        "variable or a file, separated by spaces",
    )  # fmt: skip
    known_hosts: str = setting(
        "RETRAIN_KNOWN_HOSTS", "", "file of the keys of ssh hosts; default: those that ssh of the service's user knows"
    )
    unconfined: bool = setting(
        "RETRAIN_UNCONFINED",
        False,
        "1: code of other repositories may run without a container, as the user of the service",
    )
    submodules: bool = setting("RETRAIN_SUBMODULES", False, "1: submodules of a repository are fetched, too")
    job_timeout: int = setting("RETRAIN_TIMEOUT", 86400, "seconds that a job may take; 0: any")
    fetch_timeout: int = setting("RETRAIN_FETCH_TIMEOUT", 600, "seconds that fetching a repository may take; 0: any")
    fetch_mb: int = setting("RETRAIN_FETCH_MB", 2000, "MB that the files of a repository may have; 0: any")
    pull_timeout: int = setting(
        "RETRAIN_PULL_TIMEOUT", 600, "seconds that pulling the image that an MLproject names may take"
    )
    gpus: str = setting(
        "RETRAIN_GPUS", "", "GPUs that the containers of MLprojects get, as all or device=0; default: none"
    )
    tries: int = setting("RETRAIN_TRIES", 3, "times that a job is begun whose process was killed")
    disk_mb: int = setting("RETRAIN_DISK_MB", 20_000, "MB that the files of a job may have")
    served: str = setting(
        "RETRAIN_SERVED", "", "servers of champions that make predict has not started, separated by spaces: "
        "<project>/<model>=http://host:port",
    )  # fmt: skip
    deploy_timeout: int = setting(
        "RETRAIN_DEPLOY_TIMEOUT", 120, "seconds that a server may take to serve a new champion"
    )


@dataclass(frozen=True)
class NoticeSettings(FromEnvironment):
    """Who is told of jobs."""

    notify: str = setting(
        "RETRAIN_NOTIFY",
        "",
        "URLs of Apprise that are told of every job, separated by spaces",
        "webhook_url",
        secret=True,
    )
    webhook_secret: str = setting(
        "RETRAIN_WEBHOOK_SECRET", "", "secret that callbacks are signed with, by HMAC-SHA256", secret=True
    )
    push_secret: str = setting(
        "RETRAIN_PUSH_SECRET", "", "secret of the push webhooks of GitHub and GitLab", secret=True
    )
    notice_timeout: int = setting("RETRAIN_NOTICE_TIMEOUT", 10, "seconds that whoever is told of a job may take")
    callbacks: str = setting(
        "RETRAIN_CALLBACKS",
        "",
        "hosts that a callback_url may name though their addresses are not public, as ci.ours or 10.0.0.7:8080, "
        "separated by spaces; *: any",
    )


@dataclass(frozen=True)
class TriggerSettings(FromEnvironment):
    """What starts a job without a request. The secret of pushes is with the others that no job gets to see."""

    push_branches: str = setting(
        "RETRAIN_PUSH_BRANCHES", "", "branches whose pushes train, as main release/*, separated by spaces; default: "
        "the default branch of the repository",
    )  # fmt: skip
    poll: int = setting("RETRAIN_POLL", 60, "seconds between two looks at a dataset, or at the drift of a server")
    poll_timeout: int = setting("RETRAIN_POLL_TIMEOUT", 10, "seconds that a server may take to say its drift")
    pause: int = setting("RETRAIN_PAUSE", 3600, "seconds at least between two trainings of a model that drift asks for")


@dataclass(frozen=True)
class RetrainSettings(TriggerSettings, NoticeSettings, JobSettings, ServiceSettings):
    """All of the service's."""


@dataclass(frozen=True)
class ClientSettings(FromEnvironment):
    """``make retrain`` and ``make retrain-token``. The names that mean other things in many environments are read from
    make's command line alone."""

    url: str = setting("RETRAIN_URL", "http://127.0.0.1:5005", "URL of the service that make retrain asks")
    token: str = setting("RETRAIN_TOKEN", "", "token that make retrain sends", secret=True)
    commit: str = setting("COMMIT", "", "make retrain: the commit, branch or tag; default: the newest commit")
    wait: bool = setting("WAIT", False, "1: make retrain stays until the job is over, and shows its log")
    deploy: bool = setting("DEPLOY", False, "1: make retrain: the job ends when the new champion is served")
    scope: str = setting(
        "SCOPE", "retrain", "make retrain-token: read, retrain or admin; each may do what those before it may"
    )
    expires: str = setting("EXPIRES", "90d", "make retrain-token: how long it is valid, as 12h or 90d")


@dataclass(frozen=True)
class JobIdSettings(FromEnvironment):
    """Which job a process is for."""

    run_id: str = setting("ID", "", "the id of the job")
