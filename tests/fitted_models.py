"""Fitted models of five libraries, saved as each saves them, and what they answer where they were fitted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from monorepo import ROOT
from skl2onnx import to_onnx
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

TABLE = ROOT / "trainyard/templates/monorepo/projects/rents/data/rents.csv"


@dataclass(frozen=True)
class Fitted:
    """``file`` is what was saved; ``answers`` are to all rows of the table ``data``."""

    file: str
    data: str
    answers: list[Any]


def pipeline(rows: pd.DataFrame, rents: pd.Series) -> Any:
    encoded = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough")
    return make_pipeline(encoded, Ridge()).fit(rows, rents)


def fit(folder: Path) -> dict[str, Fitted]:
    """By name: one of each library, with a table of its columns and the target."""
    table = pd.read_csv(TABLE)
    rows, rents = table.drop(columns="rent"), table["rent"]
    plain = pd.DataFrame({"my size": rows["size"], "floor": np.arange(len(rows)) % 5})
    plain.loc[3, "floor"] = np.nan
    dear = rents > rents.median()
    shutil.copy(TABLE, folder / "rents.csv")
    plain.assign(rent=rents).to_csv(folder / "plain.csv", index=False)
    plain.assign(dear=dear)[["dear", "floor", "my size"]].to_csv(folder / "other order.csv", index=False, sep=";")
    found = {}

    def add(name: str, file: str, data: str, answers: Any) -> None:
        found[name] = Fitted(str(folder / file), str(folder / data), np.asarray(answers).tolist())

    ridge = pipeline(rows, rents)
    joblib.dump(ridge, folder / "ridge.joblib", compress=3)
    add("sklearn", "ridge.joblib", "rents.csv", ridge.predict(rows))
    boosted = xgboost.XGBClassifier(n_estimators=5).fit(plain, dear)
    boosted.save_model(folder / "boosted.json")
    add("xgboost", "boosted.json", "other order.csv", boosted.predict(plain))
    light = lightgbm.LGBMRegressor(n_estimators=5, min_child_samples=2, verbose=-1).fit(plain, rents)
    light.booster_.save_model(folder / "light.model")
    add("lightgbm", "light.model", "plain.csv", light.predict(plain))
    cat = catboost.CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False)
    cat.fit(rows, np.where(dear, "dear", "cheap"), cat_features=["city"]).save_model(str(folder / "cat.bin"))
    add("catboost", "cat.bin", "rents.csv", cat.predict(rows))
    sized = rows[["size"]].to_numpy(np.float32)
    forest = RandomForestClassifier(5, random_state=1).fit(sized, np.where(dear, "dear", "cheap"))
    (folder / "forest.onnx").write_bytes(to_onnx(forest, sized[:1]).SerializeToString())
    rows[["size"]].to_csv(folder / "sizes.csv", index=False)
    add("onnx", "forest.onnx", "sizes.csv", forest.predict(sized))
    return found
