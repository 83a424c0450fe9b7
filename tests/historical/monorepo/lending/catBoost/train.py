from cortex import Cortex, Message
import json
import sys
import random
from catboost import CatBoostClassifier
import pandas as pd
import numpy as np
from lending.common_utils.train_utils import Encoder, read_data
from utils.encode_decode import pickle_model

RANDOM_SEED = 0


def train(msg):
    # for reproducible training
    random.seed(RANDOM_SEED)
    np.random.seed(RANDOM_SEED)

    training_data_uri = msg.payload.get("$ref", "./data/loans-prepped.csv")
    save_model_as = msg.payload.get("model_name")
    (X, _), (X_train, y_train), (X_test, y_test) = read_data(training_data_uri, "outcome")

    # create encoder on entire dataset
    scaler = Encoder(X)
    scaler.fit(X)

    # start model training
    model = CatBoostClassifier(iterations=5, random_seed=RANDOM_SEED, verbose=False)
    model.fit(scaler.transform(X_train), y_train.values)
    acc = model.score(scaler.transform(X_test), y_test.values)
    model_binary = f"models/{save_model_as}.pkl"
    pickle_model(model, scaler, "cat", acc, model_binary)
    print(acc)
    return f"model: {model_binary}"


if __name__ == "__main__":
    print(train(Message(json.loads(sys.argv[1]))))
