"""The model that a training begins from, as the host hands it to a container."""

from __future__ import annotations

FOLDER = "base_model"  # where a container that trains has its files
VARIABLE = "BASE_MODEL"  # names its binary, for train functions that open it themselves
FACTS = "TRAINYARD_BASE_MODEL"  # a JSON object with these keys:
BASE, MODEL_NAME, RECORD, RECORD_SHA256, SHA256 = "base_model", "model_name", "record", "record_sha256", "sha256"
TAG, SHA256_TAG = "base_model", "base_model_sha256"  # of the run
