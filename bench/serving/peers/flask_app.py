"""The usual hand-made server: Flask, pandas, the pipeline. Run by gunicorn, 2 workers of 4 threads."""

import os

import joblib
import pandas as pd
from flask import Flask, jsonify, request

pipeline = joblib.load(os.environ["PIPELINE"])
columns = list(pipeline.feature_names_in_)
app = Flask(__name__)


@app.post("/predict")
def predict():
    frame = pd.DataFrame(request.get_json()["instances"], columns=columns)
    scores = pipeline.predict_proba(frame)
    return jsonify(predictions=scores.argmax(axis=1).tolist(), scores=scores.tolist())
