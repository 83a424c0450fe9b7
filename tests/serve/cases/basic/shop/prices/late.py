"""A predict module that opens its binary when it is imported."""

with open("models/late.pkl") as file:  # noqa: PTH123 -- as historical code does
    MODEL = file.read()


def predict(msg):
    return {"predictions": [MODEL]}
