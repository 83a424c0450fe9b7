# Follows https://mlflow.org/docs/latest/ml/getting-started/quickstart/ (steps 1, 2 and 5); serving follows
# https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

table = pd.read_csv("iris.csv")
mlflow.set_experiment("Species")
with mlflow.start_run():
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(table.drop(columns="species").to_numpy(), table["species"])
    logged = mlflow.sklearn.log_model(sk_model=model, name="species")
    print(logged.model_uri)
