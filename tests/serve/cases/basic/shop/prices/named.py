"""Reads the model's name when it is imported, as historical code does."""

import os

NAME = os.environ["MODEL_NAME"]


def predict(msg):
    return {"predictions": [NAME]}
