# Follows https://docs.bentoml.com/en/latest/get-started/hello-world.html
import bentoml


@bentoml.service
class Species:
    def __init__(self) -> None:
        self.model = bentoml.sklearn.load_model("species:latest")

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> list[str]:
        return self.model.predict(instances).tolist()
