"""Model folders as MLflow writes them today: the imported model predicts what MLflow's own loader predicts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from monorepo import Monorepo

from trainyard.host.operations.session import open_session
from trainyard.host.scaffold.importing.importer import import_from
from trainyard.host.support.reporter import SILENT
from trainyard.models.imported import published

pytestmark = pytest.mark.slow


def saved_models(folder: Path) -> dict[str, Any]:
    """Fitted models of four flavors, each saved to a folder of its name; the frame that they take."""
    import mlflow
    import pandas as pd
    from catboost import CatBoostClassifier
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression
    from xgboost import XGBRegressor

    class Doubled(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input["a"] * 2

    rows, labels = pd.DataFrame({"a": [1, 2, 30, 40], "b b": [0.5, 1.5, -1.0, -2.0]}), [0, 0, 1, 1]
    signature = infer_signature(rows, labels)
    common = {"signature": signature, "pip_requirements": ["mlflow", "pandas"], "input_example": rows.head(2)}
    mlflow.sklearn.save_model(LogisticRegression().fit(rows, labels), folder / "logistic", **common)
    mlflow.xgboost.save_model(XGBRegressor(n_estimators=3).fit(rows, labels), folder / "boosted", **common)
    quiet = CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False).fit(rows, labels)
    mlflow.catboost.save_model(quiet, folder / "cats", **common)
    mlflow.pyfunc.save_model(folder / "doubled", python_model=Doubled(), **common)
    return {"rows": rows, "loaded": {name: mlflow.pyfunc.load_model(str(folder / name)) for name in NAMES}}


NAMES = {"logistic": "skops", "boosted": "xgboost", "cats": "catboost", "doubled": "python_function"}


def test_an_imported_model_predicts_what_mlflow_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = saved_models(tmp_path / "saved")
    repo = Monorepo(tmp_path / "repo")
    found = import_from(open_session(repo.path, SILENT), str(tmp_path / "saved"), "")
    assert sorted(unit.folder.parent.name for unit in found.units) == sorted(NAMES)
    for name, flavor in NAMES.items():
        project = repo.path / "projects" / name
        monkeypatch.chdir(project)
        (project / "models" / name).mkdir(parents=True)  # of an earlier training
        (project / "models" / name / "old").touch()
        published({"payload": {"$ref": "data/model", "model_name": name}})
        assert not (project / "models" / name / "old").exists()
        text = (project / "model/predict.py").read_text()
        assert f'flavor="{flavor}"' in text
        assert ("mlflow" in (project / "model/requirements.txt").read_text()) == (flavor == "python_function")
        spec = importlib.util.spec_from_file_location(f"predict_{name}", project / "model/predict.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        rows = saved["rows"].values.tolist()
        answer = getattr(module, f"predict_{name}")({"payload": {"instances": [[int(a), b] for a, b in rows]}})
        expected = saved["loaded"][name].predict(saved["rows"])
        assert answer["predictions"] == pytest.approx([float(one) for one in expected]), name
        assert '"instances": [\n      [\n        1,' in (project / "model/test/test_instances.json").read_text()
