"""``python save_for_mlflow.py <pipeline.joblib> <folder>``: the pipeline as an MLflow model that answers scores."""

import sys

import joblib
import mlflow

mlflow.sklearn.save_model(
    joblib.load(sys.argv[1]), sys.argv[2], pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle"
)
