import pickle

from features import key_of


def load_model(path="artifacts/prices.pkl"):
    with open(path, "rb") as file:
        return pickle.load(file)


def predict(model, city: str, size: float):
    """The rent of one flat."""
    return round(model[key_of(city)] * size, 2)
