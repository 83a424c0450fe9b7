# The guide begins with a model that is there already.
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

table = pd.read_csv("iris.csv")
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(table.drop(columns="species").to_numpy(), table["species"])
joblib.dump(model, "species.joblib")
