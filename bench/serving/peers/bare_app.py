"""As little as there can be on gunicorn: a WSGI function, orjson, an encoder of dictionaries and one array."""

import os

import joblib
import numpy as np
import orjson

pipeline = joblib.load(os.environ["PIPELINE"])
encoder, estimator = pipeline.named_steps["encoder"], pipeline.named_steps["estimator"]
columns = list(pipeline.feature_names_in_)
one_hot, scaler = encoder.named_transformers_["categories"], encoder.named_transformers_["numbers"]
lookups, width = [], 0
for name, known in zip(one_hot.feature_names_in_, one_hot.categories_, strict=True):
    lookups.append((columns.index(name), {value: width + i for i, value in enumerate(known)}))
    width += len(known)
numbers = [columns.index(name) for name in scaler.feature_names_in_]
means, deviations = scaler.mean_, scaler.scale_
linear = (estimator.coef_[0], estimator.intercept_[0]) if hasattr(estimator, "coef_") else None


def encode(rows):
    features = np.zeros((len(rows), width + len(numbers)))
    features[:, width:] = (np.array([[row[i] for i in numbers] for row in rows], dtype=float) - means) / deviations
    for features_of_row, row in zip(features, rows, strict=True):
        for position, lookup in lookups:
            feature = lookup.get(row[position])
            if feature is not None:
                features_of_row[feature] = 1.0
    return features


def score(features):
    if linear is None:
        return estimator.predict_proba(features)
    positive = 1 / (1 + np.exp(-(features @ linear[0] + linear[1])))
    return np.stack([1 - positive, positive], axis=1)


def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    scores = score(encode(orjson.loads(body)["instances"]))
    answer = orjson.dumps({"predictions": scores.argmax(axis=1).tolist(), "scores": scores.tolist()})
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
