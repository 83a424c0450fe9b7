"""The mean price in a file of numbers, one in each line."""

import pickle
from pathlib import Path


def train(msg):
    """Write ``models/<model_name>.pkl``."""
    payload = msg["payload"]
    prices = [float(line) for line in Path(payload["$ref"]).read_text().split()]
    mean = sum(prices) / len(prices)
    Path(f"models/{payload['model_name']}.pkl").write_bytes(pickle.dumps({"mean": mean}))
    return {"mean": mean}
