"""What the tests import: folders of other tools, as their users have them."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "sources"
HISTORICAL = Path(__file__).parents[1] / "historical" / "monorepo"
IDENTITY = ("-c", "user.name=somebody", "-c", "user.email=some@body")


def copy_of(name: str, path: Path) -> Path:
    """A copy of one of the sources; ``path`` is not there yet."""
    shutil.copytree(HISTORICAL if name == "historical" else SOURCES / name, path)
    if name == "churn_mlflow":
        (path / "model.pkl").write_bytes(churn_model())
    return path


def churn_model() -> bytes:
    """What MLflow's flavor of scikit-learn pickles: who has been here for a short time leaves."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    rows = pd.DataFrame({"months": [1, 2, 60, 70], "monthly charge": [90.0, 80.0, 20.0, 25.0]})
    return pickle.dumps(LogisticRegression().fit(rows, [1, 1, 0, 0]))


def commit(path: Path) -> Path:
    """A git repository of all that is in a folder."""
    for arguments in (["init", "--quiet"], ["add", "--all", "--force"], [*IDENTITY, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *arguments], cwd=path, check=True, capture_output=True)
    return path
