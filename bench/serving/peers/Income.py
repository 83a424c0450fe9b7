"""Seldon Core's Python wrapper: a class named like its file."""

import os

import joblib
import pandas as pd


class Income:
    def load(self) -> None:
        self.pipeline = joblib.load(os.environ["PIPELINE"])

    def predict(self, X, names=None, meta=None):  # noqa: N803 -- Seldon's names
        return self.pipeline.predict_proba(pd.DataFrame(X, columns=names or list(self.pipeline.feature_names_in_)))
