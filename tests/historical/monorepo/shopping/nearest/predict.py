"""Predicts prices by the nearest neighbour."""

import os
import pickle
import sys

from cortex import Message

from utils.local_server import assemble_server

model_name = os.getenv("MODElNAME", "price_nearest")


def predict_price_nearest(msg):
    """A price for each instance."""
    with open(f"models/{model_name}.pkl", "rb") as f:
        rows = pickle.load(f)
    predictions = []
    for instance in msg.payload.get("instances", []):
        nearest = min(rows, key=lambda row: sum((a - b) ** 2 for a, b in zip(row, instance)))
        predictions.append(nearest[-1])
    return Message.with_payload({"predictions": predictions, "model": model_name}).to_params()


if __name__ == "__main__":
    assemble_server(sys.argv[1])
