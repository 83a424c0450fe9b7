import pickle
import time


def init_model(model_name):
    print(f"loading {model_name} ")
    with open(f"models/{model_name}.pkl", "rb") as f:
        return pickle.load(f)


def pickle_model(model, scaler, model_name, test_accuracy, filename):
    model_obj = {
        "model": model,
        "scaler": scaler,
        "modelName": model_name,
        "test_acc": test_accuracy,
        "createdTime": int(time.time()),
    }
    with open(filename, "wb") as f:
        pickle.dump(model_obj, f)
    print(f"Saved: {model_name}")
