"""Python imports this when it starts, where a project of MLflow Projects runs.

The older service's projects log their model first and all else later. In MLflow 1 and 2 that begins the run of the
project; in MLflow 3 the model then has no run, and the next training fails over that. So the run is begun, as it was.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from trainyard.settings.own_process import callers_environment

MODULE = "mlflow.models.model"


class _Wrapping(MetaPathFinder):
    """Finds that one module, once, and changes it when it has been imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_wrap(module: ModuleType) -> None:
                execute(module)
                _begin_run_first(module.Model)

            spec.loader.exec_module = execute_and_wrap  # type: ignore[method-assign]
        return spec


def _begin_run_first(model: Any) -> None:
    log = model.log.__func__

    def log_in_run(cls: Any, *args: Any, **options: Any) -> Any:
        import mlflow

        if not options.get("run_id") and mlflow.active_run() is None:
            mlflow.start_run()  # goes on with the run that MLFLOW_RUN_ID names
        return log(cls, *args, **options)

    model.log = classmethod(log_in_run)


def _run_other() -> None:
    """The image's own file of this name, which this one hides."""
    for folder in sys.path:
        path = Path(folder) / "sitecustomize.py"
        if path.is_file() and path.resolve() != Path(__file__).resolve():
            runpy.run_path(str(path))
            return


if callers_environment().get("MLFLOW_RUN_ID"):
    sys.meta_path.insert(0, _Wrapping())
_run_other()
