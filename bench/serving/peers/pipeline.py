"""What peers serve: a scikit-learn pipeline of one-hot encoder, scaler and estimator that takes a data frame.

``python pipeline.py <model> <csv> <parameters as JSON> <out.joblib>`` fits it, for each peer with its own libraries.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LABEL = "income"


def make_estimator(model: str, parameters: dict[str, Any]) -> Any:
    """The estimator of that model of the finance project."""
    if model == "lr":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**parameters)
    if model == "rf":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(n_jobs=1, **parameters)
    from xgboost import XGBClassifier

    return XGBClassifier(n_jobs=1, **parameters)


def fit(model: str, csv: str, parameters: dict[str, Any]) -> Pipeline:
    """Fitted to every row of the file."""
    table = pd.read_csv(csv)
    features = table.drop(columns=LABEL)
    text = [name for name in features if not pd.api.types.is_numeric_dtype(features[name])]
    numbers = [name for name in features if name not in text]
    encoder = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
            ("numbers", StandardScaler(), numbers),
        ]
    )
    return Pipeline([("encoder", encoder), ("estimator", make_estimator(model, parameters))]).fit(
        features, table[LABEL]
    )


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    name, source, given, out = sys.argv[1:]
    joblib.dump(fit(name, source, json.loads(given)), out)
