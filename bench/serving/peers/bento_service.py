"""BentoML's service; with BATCH=1 its adaptive batching is on."""

import os

import bentoml
import joblib
import numpy as np
import pandas as pd

BATCH = os.environ.get("BATCH") == "1"


def predict_rows(pipeline, rows):
    frame = pd.DataFrame(rows, columns=list(pipeline.feature_names_in_))
    return pipeline.predict_proba(frame).tolist()


if BATCH:

    @bentoml.service(workers=2)
    class Income:
        def __init__(self) -> None:
            self.pipeline = joblib.load(os.environ["PIPELINE"])

        @bentoml.api(batchable=True, max_batch_size=1000, max_latency_ms=1000)
        def predict(self, instances: list[list]) -> list[list[float]]:
            return predict_rows(self.pipeline, instances)

else:

    @bentoml.service(workers=2)
    class Income:
        def __init__(self) -> None:
            self.pipeline = joblib.load(os.environ["PIPELINE"])

        @bentoml.api
        def predict(self, instances: list[list]) -> dict:
            scores = predict_rows(self.pipeline, instances)
            return {"predictions": np.argmax(scores, axis=1).tolist(), "scores": scores}
