"""Goes to its own folder when it is imported, and stays there, as scripts do."""

import os

os.chdir(os.path.dirname(__file__))  # noqa: PTH120
os.environ["MODEL_NAME"] = "settled"


def predict(msg):
    with open("own.txt") as file:  # noqa: PTH123
        return {"predictions": [file.read().strip(), os.environ["MODEL_NAME"]]}
