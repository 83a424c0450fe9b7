"""Sources that make has not checked may hold a project with the name of a module: the others are served."""

import shutil

import pytest
from daemons import CASES

pytestmark = pytest.mark.slow

NAMES = ["email", "json", "csv", "zipfile", "flask", "numpy", "orjson", "multiprocessing"]


@pytest.mark.parametrize("marked", [True, False], ids=["with __init__.py", "without"])
def test_a_project_named_like_a_module_costs_its_own_routes(start, tmp_path, marked):
    folder = tmp_path / "action"
    shutil.copytree(CASES / "basic", folder)
    routes = ["sum:shop.prices.predict:total", "numbers:shop.prices.predict:numbers"]
    for name in NAMES:
        (folder / name / "model").mkdir(parents=True)
        (folder / name / "model/predict.py").write_text("def predict(msg):\n    return {'predictions': [1]}\n")
        if marked:
            (folder / name / "__init__.py").touch()
        routes.append(f"{name}:{name}.model.predict:predict")
    (folder / ".s2i/environment").write_text(f"ROUTES={','.join(routes)}\n")
    (folder / "models").mkdir()
    daemon = start(folder, WORKERS="1")
    for name in NAMES:
        answer = daemon.post(name)
        assert answer.status_code == 503
        assert f"the folder {name}/ has the name of an installed module" in answer.text
    assert daemon.post("sum").json()["payload"]["predictions"] == [3.0]


@pytest.mark.parametrize("name", ["test", "tests", "tools"])
def test_names_that_hide_nothing_of_use_are_served(start, tmp_path, name):
    folder = tmp_path / "action"
    (folder / name / "model").mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    (folder / name / "model/predict.py").write_text("def predict(msg):\n    return {'predictions': [1]}\n")
    (folder / ".s2i").mkdir()
    (folder / ".s2i/environment").write_text(f"ROUTES=one:{name}.model.predict:predict\n")
    assert start(folder, WORKERS="1").post("one").json() == {"payload": {"predictions": [1]}}


@pytest.mark.parametrize("name", ["bentoml", "cog", "cortex", "maxfw"])
def test_a_project_named_like_a_stand_in_is_served(start, tmp_path, name):
    folder = tmp_path / "action"
    (folder / name / "model").mkdir(parents=True)
    (folder / name / "model/predict.py").write_text("def predict(msg):\n    return {'predictions': [1]}\n")
    (folder / ".s2i").mkdir()
    (folder / ".s2i/environment").write_text(f"ROUTES=one:{name}.model.predict:predict\n")
    assert start(folder, WORKERS="1").post("one").json() == {"payload": {"predictions": [1]}}
