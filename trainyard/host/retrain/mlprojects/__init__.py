"""Projects of MLflow Projects: folders with an MLproject file, as the service before this one trained them."""
