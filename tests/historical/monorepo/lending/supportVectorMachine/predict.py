import os

try:
    from sklearn.externals import joblib
except ImportError:
    import joblib

from cortex import Message

model_name = os.getenv("MODElNAME", "loans_svm")


def predict_loans_svm(msg):
    model_obj = joblib.load(f"models/{model_name}.pkl")
    instances = [row[:2] for row in msg.payload.get("instances", [])]
    predictions = model_obj["model"].predict(model_obj["scaler"].transform(instances))
    return Message.with_payload({"predictions": predictions.tolist()})
