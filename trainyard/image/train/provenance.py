"""What a record says of a training beside what the train function says itself."""

from __future__ import annotations

import json
import platform
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from trainyard.contract.datasets.row_count import row_count
from trainyard.contract.files import dataset_files, sha256_of, sha256_of_dataset
from trainyard.contract.installed_versions import of_training
from trainyard.contract.records import Record
from trainyard.errors import TrainyardError
from trainyard.settings.image import ImageSettings

_LARGE = 1e9  # bytes, whose hash takes seconds


class Clock:
    """When a training started, and how long it has taken."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self._from = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start, to the millisecond."""
        return round(time.monotonic() - self._from, 3)


def facts(payload: dict[str, Any], dataset: Path | None, sources: Path, clock: Clock) -> Record:
    """The part of a record that is the same for every binary of one training."""
    lock = sources / "requirements.lock"
    imported = imported_packages()
    settings = ImageSettings.read()
    return {
        "payload": payload,
        "dataset": payload.get("$ref"),
        "data": _parsed(settings.data),
        **({"base_model": _parsed(settings.base_model)} if settings.base_model else {}),
        **(_dataset(dataset, sources / "data") if dataset else {"dataset_sha256": None}),
        **_test_dataset(payload.get("$test_ref"), sources),
        "lock": sha256_of(lock) if lock.is_file() else None,
        "commit": settings.commit or None,
        "built": _parsed(settings.built),
        "python": platform.python_version(),
        "packages": imported,
        "installed": of_training(imported),
        "started": clock.started.isoformat(timespec="milliseconds"),
        "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "seconds": clock.seconds,
    }


def _parsed(text: str) -> Any:
    """A variable of ours, as far as it is JSON: a finished training does not fail for what is only written down."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _dataset(dataset: Path, data: Path) -> Record:
    """Its sha256, and its rows where it is a table; nothing where it cannot be read any longer: that is no reason to
    lose a training."""
    try:
        files = dataset_files(dataset, data)
        size = sum(path.stat().st_size for path in files)
        if size > _LARGE:
            print(f"---> Hashing {dataset.name} ({size / 1e9:.1f} GB)", flush=True)
        return {"dataset_sha256": sha256_of_dataset(dataset, files), "dataset_rows": row_count(dataset, files)}
    except (OSError, TrainyardError) as error:
        print(f"warning: the record has no sha256 of the dataset: {error}", file=sys.stderr, flush=True)
        return {"dataset_sha256": None}


def _test_dataset(reference: Any, sources: Path) -> Record:
    """The same of what is named beside the dataset, where it is a file or a folder of this machine."""
    if not isinstance(reference, str) or not reference or not (sources / reference).exists():
        return {}
    return {f"test_{name}": value for name, value in _dataset(sources / reference, sources / "data").items()}


def imported_packages() -> dict[str, str]:
    """The distributions whose modules have been imported, and their versions."""
    imported = {name for name in sys.modules if "." not in name and name not in sys.stdlib_module_names}
    names = {
        distribution
        for module, distributions in metadata.packages_distributions().items()
        if module in imported
        for distribution in distributions
    }
    return {name: metadata.version(name) for name in sorted(names, key=str.lower)}
