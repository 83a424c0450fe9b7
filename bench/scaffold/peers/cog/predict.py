# Follows https://cog.run/getting-started-own-model/
import joblib
from cog import BasePredictor


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.model = joblib.load("species.joblib")

    def predict(self, sepal_length: float, sepal_width: float, petal_length: float, petal_width: float) -> str:
        return self.model.predict([[sepal_length, sepal_width, petal_length, petal_width]])[0]
