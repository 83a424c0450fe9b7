"""Predicts prices by the linear model."""

import os
import pickle
import sys

import numpy as np

from utils.local_server import assemble_server

model_name = os.getenv("MODElNAME", "price_linear")


def predict_price_linear(msg):
    """A price for each instance."""
    model = pickle.load(open(f"models/{model_name}.pkl", "rb"))
    instances = msg.payload.get("instances", [])
    x = np.hstack([np.array(instances, dtype=float), np.ones((len(instances), 1))])
    return {"predictions": (x @ model["weights"]).round(6).tolist(), "model": model_name}


if __name__ == "__main__":
    assemble_server(sys.argv[1])
