# Follows https://docs.bentoml.com/en/latest/get-started/hello-world.html, with a model of scikit-learn as in
# https://docs.bentoml.com/en/latest/reference/bentoml/frameworks/sklearn.html
import bentoml
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

table = pd.read_csv("iris.csv")
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(table.drop(columns="species").to_numpy(), table["species"])
bentoml.sklearn.save_model("species", model)
