"""The process that has MLflow run a project: ``python -I -m trainyard.host.retrain.mlprojects.mlflow_process <file>``.

The arguments of ``mlflow.projects.run`` come on standard input, as JSON. The file gets one line, where MLflow refuses.
Its environment is all that MLflow, and a project without an image, can see.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import NoReturn

FAILED, REFUSED = 1, 3  # the project's command has failed; MLflow did not even start it


def main() -> None:
    """Raises:
    SystemExit: with one of the above."""
    asked, refusal = json.load(sys.stdin), Path(sys.argv[1])
    import mlflow.projects
    from mlflow.exceptions import ExecutionException

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it prints the command line
    try:
        mlflow.projects.run(**asked)  # type: ignore[no-untyped-call]
    except ExecutionException as error:
        if str(error).startswith("Run (ID "):
            raise SystemExit(FAILED) from None
        _refuse(refusal, error)
    except Exception as error:  # noqa: BLE001 -- of the engine's client, of the environment's manager: one line each
        _refuse(refusal, error)


def _refuse(refusal: Path, error: Exception) -> NoReturn:
    refusal.write_text(" ".join(f"{type(error).__name__}: {error}".split())[:1000])
    raise SystemExit(REFUSED)


if __name__ == "__main__":
    main()
