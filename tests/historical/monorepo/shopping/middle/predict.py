import os
import pickle

from .columns import AREA

model_name = os.getenv("MODElNAME", "price_middle")

model_ctx = {}


# entrypoint for predict daemon
def predict_price_middle(msg):
    if not model_name in model_ctx:
        model_ctx[model_name] = pickle.load(open(f"models/{model_name}.pkl", "rb"))
    price = model_ctx[model_name]
    return {"predictions": [price * row[AREA] for row in msg.payload.get("instances", [])], "model": model_name}
