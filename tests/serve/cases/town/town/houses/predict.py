"""Whether a house is dear: one number and one category."""

import os
from pathlib import Path

CALLS = []


def predict_value(msg):
    Path("models/houses.pkl").read_bytes()
    rows = msg["payload"]["instances"]
    CALLS.append(len(rows))
    shares = [0.75 if size > 100 and city == "Köln" else 0.25 for size, city in rows]
    return {
        "predictions": ["dear" if share > 0.5 else "cheap" for share in shares],
        "scores": [[1 - share, share] for share in shares],
        "labels": ["cheap", "dear"],
        "threshold": 0.5,
    }


def largest_call(msg):
    return {"predictions": [max(CALLS)], "pid": os.getpid()}
