"""The environment of this process, for what is no setting of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping


def callers_environment() -> Mapping[str, str]:
    """The variables that this process was started with, for what other programs' files and variables say."""
    return os.environ


def give_to_programs(variables: Mapping[str, str]) -> None:
    """Add variables to those of every program that is started from here: engines are given secrets by name alone."""
    os.environ.update(variables)


def name_data_folder(folder: str) -> None:
    """Where nobody says where the data of a training is, it is there: train functions ask for DATA_DIR."""
    os.environ.setdefault("DATA_DIR", folder)


def refuse_telemetry() -> None:
    """Keep libraries from reporting to their makers: onnxruntime does since 1.29, in a thread that it starts for it,
    MLflow since 3.2."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def calm_tensorflow() -> None:
    """Let it print errors alone, and compute by itself: oneDNN's sums differ from machine to machine. It reads this
    when it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
