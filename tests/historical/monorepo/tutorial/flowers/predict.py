import json
import numpy as np
from cortex import Message
from typing import Dict
from train import train_model

model_name = "flower_svc"
model_ctx = {}


def predict_flower(msg: Message) -> Dict:
    """
    this function is called when api is invoked. trains the model with the first request
    """
    instances = msg.payload.get("instances", [])
    if model_name not in model_ctx:
        model_ctx[model_name] = train_model()
    instances = np.array(instances, dtype=object)
    instances = instances if instances.ndim == 2 else np.reshape(instances, (1, -1))
    return {"predictions": model_ctx[model_name](instances.astype(float)).tolist()}


if __name__ == "__main__":
    with open("test_instances_generated.json", "w") as fp:
        json.dump({"payload": {"instances": [[1.4, 0.2]]}}, fp)
    print(predict_flower(Message({"payload": {"instances": [[1.4, 0.2]]}})))
