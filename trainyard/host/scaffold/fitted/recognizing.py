"""Tells a model's format by its bytes, whatever it is called."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.fitted import boosted_files, catboost_file, onnx_file, pickled_models
from trainyard.host.scaffold.fitted.described import Described, NotAModel, as_error

KNOWN = "a pickled estimator of scikit-learn, or a file of XGBoost, CatBoost, LightGBM or ONNX"
LARGEST = 4 << 30  # bytes of a file that is read at once


def describe(path: Path) -> Described:
    """What a fitted model says of itself.

    Raises:
        TrainyardError: it is none that can be served, with the reason.
    """
    try:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no such file" if not path.exists() else "not a file"
            raise NotAModel(what, f"name {KNOWN}")
        if path.stat().st_size == 0:
            raise NotAModel("the file is empty", "copy it again")
        return _describe(path)
    except NotAModel as error:
        raise as_error(path, error) from None
    except OSError as error:
        raise TrainyardError(f"{path}: cannot be read ({error.strerror})", "check the file") from None


def _describe(path: Path) -> Described:
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(boosted_files.OLD_XGBOOST):
        raise NotAModel("an old binary of XGBoost", "load it with the version that wrote it, and save it as .json")
    if start.startswith((b"PK", b"\x89HDF")):
        raise NotAModel("an archive, as PyTorch and Keras write it", "serve it by a predict function of your own")
    if found := pickled_models.describe(path):
        return found
    if path.stat().st_size > LARGEST:
        raise NotAModel(f"larger than {LARGEST >> 30} GB", "serve it by a predict function of your own")
    content = path.read_bytes()
    if start.startswith(catboost_file.MAGIC):
        return catboost_file.describe(content)
    if start.startswith(boosted_files.LIGHTGBM):
        return boosted_files.describe_lightgbm(content)
    if start.startswith(b"{"):
        return boosted_files.describe_xgboost(content)
    if onnx_file.is_onnx(content):
        return onnx_file.describe(content)
    raise NotAModel("not a model that is known here", f"name {KNOWN}")
