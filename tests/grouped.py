"""A monorepo with models that cannot share an environment: small ones, that say which version answers."""

from __future__ import annotations

from pathlib import Path

from monorepo import Model, Monorepo


def add_with_toolz(repo: Monorepo, name: str, version: str, project: str = "sums") -> Model:
    """A model that needs this toolz, and answers which one it has, and by which process."""
    model = repo.add_model(name, project)
    (model.path / "requirements_predict.txt").write_text(f"toolz=={version}\n")
    model.replace("predict.py", "import pickle\n", "import pickle\n\nimport toolz\n")
    model.replace("predict.py", "return {", 'return {"toolz": toolz.__version__, "pid": os.getpid(), ')
    return model


def toolz_repo(path: Path, engine: str = "process") -> Monorepo:
    """``one`` and ``three`` need another toolz than ``two``; an ``all/`` merges them."""
    repo = Monorepo(path, engine)
    for name, version in (("one", "0.12.1"), ("two", "1.0.0"), ("three", "0.12.1")):
        add_with_toolz(repo, name, version)
    repo.add_all(models="one two three")
    return repo


TRAIN_SKLEARN = """
import pickle

import sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression


def train(msg):
    payload = msg.get("payload", {})
    rows, labels = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(rows, labels)
    with open(f"models/{payload['model_name']}.pkl", "wb") as file:
        pickle.dump(model, file)
    return {"accuracy": model.score(rows, labels), "sklearn": sklearn.__version__}
"""

PREDICT_SKLEARN = """
import pickle

import sklearn


def predict_%(name)s(msg):
    with open("models/%(name)s.pkl", "rb") as file:
        model = pickle.load(file)
    predictions = model.predict(msg.payload["instances"]).tolist()
    return {"predictions": predictions, "sklearn": sklearn.__version__}
"""


def sklearn_repo(path: Path, engine: str) -> Monorepo:
    """Two models of flowers, trained and served with different versions of scikit-learn."""
    repo = Monorepo(path, engine)
    for name, version in (("older", "1.3.2"), ("newer", "1.6.1")):
        model = repo.add_model(name, "flowers")
        for role in ("train", "predict"):
            (model.path / f"requirements_{role}.txt").write_text(f"scikit-learn=={version}\n")
        (model.path / "train.py").write_text(TRAIN_SKLEARN)
        (model.path / "predict.py").write_text(PREDICT_SKLEARN % {"name": name})
        sample = '{"payload": {"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}}'
        (model.path / "test" / "test_instances.json").write_text(sample)
    repo.add_all("flowers", models="older newer")
    return repo
