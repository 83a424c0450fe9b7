"""What reads and writes data stores listens to."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class DataSettings(FromEnvironment):
    """How data comes from stores, and where it is kept."""

    data_cache: str = setting(
        "DATA_CACHE", "", "folder that data of stores is fetched into; several clones may share one; "
        "default: .trainyard/data/"
    )  # fmt: skip
    data_cache_gb: int = setting("DATA_CACHE_GB", 100, "GB that DATA_CACHE may hold, the oldest goes first; 0: any")
    data_jobs: int = setting("DATA_JOBS", 8, "files, or parts of large ones, that are fetched at once")
    data_timeout: int = setting("DATA_TIMEOUT", 60, "seconds that a data store may stay silent")
    data_retries: int = setting("DATA_RETRIES", 5, "times that a data store is asked again where it does not answer")


@dataclass(frozen=True)
class StoreSettings(FromEnvironment):
    """Which store, and what in it. Read from make's command line alone, as what writes model directories is: ``URL``
    means other things in many environments."""

    url: str = setting("URL", "", "make datastore-add: where the data store is, as s3://bucket/folder")
    endpoint: str = setting(
        "ENDPOINT", "", "make datastore-add: URL of a server that speaks the protocol of S3 or Azure"
    )
    region: str = setting("REGION", "", "make datastore-add: region of the bucket")
    credentials: str = setting(
        "CREDENTIALS",
        "",
        "make datastore-add: none, a prefix of variables such as LAKE_, or a file outside of the repository; "
        "default: as the provider's own tools find them",
    )
    store: str = setting(
        "STORE", "", "make data-list: the data store; make configure: the one for what FROM and TO do not name"
    )
    at: str = setting("AT", "", "make data-list: the folder in it")


@dataclass(frozen=True)
class PackageSettings(FromEnvironment):
    """Of training packages. Read from make's command line alone, too."""

    key_prefix: str = setting(
        "KEY_PREFIX", "", "make configure: the folder below DATA_DIR where training data appears; default: DATA_DIR"
    )
    sample_data: str = setting(
        "SAMPLE_DATA", "", "make configure: the folder of sample data; default: sample_training_data/data"
    )
    yes: bool = setting("YES", False, "1: make prepare makes buckets and folders that are missing without a question")
