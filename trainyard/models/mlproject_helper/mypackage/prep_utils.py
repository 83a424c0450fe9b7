"""What projects of the older retrain service import: the same function by its historical name."""

from trainyard.models.preparing import data_and_model_prep

__all__ = ["data_and_model_prep"]
