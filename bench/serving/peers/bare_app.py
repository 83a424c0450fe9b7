"""The least that there can be on a server: one function with orjson, an encoder of dictionaries and one array; as WSGI,
ASGI and RSGI application."""

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


def predict(body):
    scores = score(encode(orjson.loads(body)["instances"]))
    return orjson.dumps({"predictions": scores.argmax(axis=1).tolist(), "scores": scores.tolist()})


def wsgi(environ, start_response):
    answer = predict(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(_scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = predict(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def rsgi(_scope, protocol):
    protocol.response_bytes(200, [("content-type", "application/json")], predict(await protocol()))
