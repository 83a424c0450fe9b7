import json
from typing import Optional

from cog import BaseModel, BasePredictor, Input

from words import tokens


class Output(BaseModel):
    label: str
    score: int


class Predictor(BasePredictor):
    def setup(self, weights: Optional[str] = None):
        """Load the weights once."""
        with open("weights/words.json") as file:
            self.weights = json.load(file)

    def predict(
        self,
        text: str = Input(description="What to judge"),
        bias: int = Input(description="Added to the score", default=0, ge=-5, le=5),
    ) -> Output:
        """Run a single prediction on the model"""
        score = bias + sum(self.weights.get(word, 0) for word in tokens(text))
        return Output(label="good" if score >= 0 else "bad", score=score)
