"""Train and predict functions of many forms: what is generated calls them as they want to be called."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from monorepo import Monorepo

from trainyard.host.operations.session import open_session
from trainyard.host.scaffold.importing.importer import import_from
from trainyard.host.support.reporter import SILENT

TABLE = "size,rooms,price\n10,1,100\n20,2,200\n"
# How somebody's files look, and what the imported model answers to two rows.
FORMS = {
    "frames": (
        {
            "main.py": (
                "import pandas as pd\nimport json\n\n\n"
                "def train_model(df: pd.DataFrame, model_path: str, power: float = 1):\n"
                "    with open(model_path, 'w') as f:\n"
                "        json.dump((df['price'] / df['size'] ** power).mean(), f)\n\n\n"
                "def predict(df: pd.DataFrame):\n    with open('out/model.pkl') as f:\n"
                "        return df['size'] * json.load(f)\n"
            ),
            "table.csv": TABLE,
        },
        [{"size": 5}, {"size": 7}],
        [50.0, 70.0],
    ),
    "no arguments": (
        {
            "train.py": (
                "import csv, pickle\n\n\ndef train():\n    with open('houses.csv') as f:\n"
                "        rows = list(csv.DictReader(f))\n"
                "    pickle.dump(float(rows[0]['price']) / float(rows[0]['size']), open('./model.pkl', 'wb'))\n"
            ),
            "inference.py": (
                "import pickle\n\nmodel = None\n\n\ndef predict(features):\n    global model\n"
                "    model = model or pickle.load(open('./model.pkl', 'rb'))\n    return model * features[0]\n"
            ),
            "houses.csv": TABLE,
        },
        [[5, 1], [7, 1]],
        [50.0, 70.0],
    ),
    "returns a model": (
        {
            "pkg/__init__.py": "",
            "pkg/train.py": (
                "from pkg.models import Mean\n\n\ndef train(data_file, verbose=False):\n"
                "    lines = open(data_file).read().split()[1:]\n"
                "    return Mean(sum(float(one.split(',')[2]) for one in lines) / len(lines)), {'rows': len(lines)}\n"
            ),
            "pkg/models.py": (
                "class Mean:\n    def __init__(self, value):\n        self.value = value\n\n"
                "    def predict(self, rows):\n        return [self.value for _ in rows]\n"
            ),
            "pkg/predict.py": (
                "def predict(model, rows):\n    return {'predictions': model.predict(rows), 'n': len(rows)}\n"
            ),
            "data/prices.csv": TABLE,
            "pyproject.toml": '[project]\nname = "x"\ndependencies = ["joblib>=1"]\n',
        },
        [[5, 1], [7, 1]],
        [150.0, 150.0],
    ),
    "takes the message": (
        {
            "train.py": "def train(msg):\n    open('models/%s.pkl' % msg['payload']['model_name'], 'w').write('3')\n",
            "predict.py": (
                "def predict(msg):\n    return {'predictions': [3 * row[0] for row in msg['payload']['instances']]}\n"
            ),
            "data/x.csv": TABLE,
        },
        [[5], [7]],
        [15, 21],
    ),
}  # fmt: skip


@pytest.fixture
def clean_imports() -> Iterator[None]:
    path, modules = list(sys.path), dict(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if name.partition(".")[0] in ("train", "predict", "inference", "main", "pkg", "models"):
            del sys.modules[name]


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.stem}_of_{path.parents[1].name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("form", FORMS)
def test_functions_are_called_as_they_want_to_be(
    repo: Monorepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_imports: None, form: str
) -> None:
    sources, rows, expected = FORMS[form]
    for name, text in sources.items():
        path = tmp_path / form.replace(" ", "_") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = import_from(open_session(repo.path, SILENT), str(tmp_path / form.replace(" ", "_")), "")
    assert not [one for one in found.problems if one.level == "error"], found.problems
    project = repo.path / found.units[0].folder.parent
    values = dict(line.split(" := ") for line in (project / "model/Makefile").read_text().splitlines() if ":=" in line)
    named = {key.strip(): value for key, value in values.items()}
    monkeypatch.chdir(project)
    payload = {"$ref": named["DATASET_NAME"], "model_name": named["MODEL_NAME"]}
    loaded(project / "model/train.py").train({"payload": payload})
    assert [path for path in Path("models").iterdir() if path.name.startswith(named["MODEL_NAME"])]
    monkeypatch.setenv("MODEL_NAME", named["MODEL_NAME"])
    predict = getattr(loaded(project / "model/predict.py"), f"predict_{project.name}")
    answer = predict({"payload": {"instances": rows}})
    assert answer["predictions"] == expected
    sample = json.loads((project / "model/test/test_instances.json").read_text())
    wanted: Any = predict(sample)
    assert len(wanted["predictions"]) == len(sample["payload"]["instances"])
