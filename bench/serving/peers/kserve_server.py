"""KServe's Python server with a model class of our own, as its documentation shows it."""

import os
import sys

import joblib
import kserve
import pandas as pd


class Income(kserve.Model):
    def __init__(self) -> None:
        super().__init__("income")
        self.load()

    def load(self) -> bool:
        self.pipeline = joblib.load(os.environ["PIPELINE"])
        self.columns = list(self.pipeline.feature_names_in_)
        self.ready = True
        return True

    def predict(self, payload, headers=None, response_headers=None):
        scores = self.pipeline.predict_proba(pd.DataFrame(payload["instances"], columns=self.columns))
        return {"predictions": scores.argmax(axis=1).tolist(), "scores": scores.tolist()}


if __name__ == "__main__":
    kserve.ModelServer(http_port=int(sys.argv[1]), workers=2, enable_grpc=False).start([Income()])
