from cortex import Cortex, Message
import json
import pickle
import statistics
import sys
from ..common_utils.train_utils import read_rows
from .columns import AREA, PRICE


def train(msg):
    rows = read_rows(msg.payload.get("$ref", "./data/prices.csv"))
    save_model_as = msg.payload.get("model_name")
    middle = statistics.median(row[PRICE] / row[AREA] for row in rows)
    model_binary = f"models/{save_model_as}.pkl"
    pickle.dump(middle, open(model_binary, "wb"))
    return f"model: {model_binary}"


if __name__ == "__main__":
    print(train(Message(json.loads(sys.argv[1]))))
