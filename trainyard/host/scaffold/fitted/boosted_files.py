"""The formats of XGBoost (JSON, and the same as UBJSON) and of LightGBM (text)."""

from __future__ import annotations

import json
import re
from typing import Any

from trainyard.host.scaffold.fitted import ubjson
from trainyard.host.scaffold.fitted.described import Described, NotAModel

OLD_XGBOOST = (b"binf", b"bs64")
LIGHTGBM = b"tree\nversion="
FIRST_WHEELS = 3  # of xgboost-cpu, which has no libraries for GPUs; it reads the files of older versions


def describe_xgboost(content: bytes) -> Described:
    """Raises:
    NotAModel: it is none, is damaged, or takes what no table has."""
    as_json = content[1:2] in b'" \t\r\n'
    try:
        found = json.loads(content) if as_json else ubjson.loads(content)
        learner = found["learner"]
        shape, objective = learner["learner_model_param"], str(learner["objective"]["name"])
        version = [int(part) for part in found["version"]]
        facts = {"objective": objective[:100], "classes": int(shape["num_class"])}
        names, width = tuple(learner.get("feature_names") or ()), int(shape["num_feature"])
    except (ubjson.NotUbjson, ValueError, RecursionError) as error:
        raise NotAModel(f"begins as an XGBoost model, and is damaged ({error})", "copy it again") from None
    except (KeyError, TypeError, AttributeError):
        raise NotAModel("a JSON file, and no model of XGBoost", "save the model by save_model") from None
    if "c" in (learner.get("feature_types") or ()):
        raise NotAModel(
            "an XGBoost model of categories, whose codes no table says", "save a pipeline that encodes them"
        )
    if not version or not all(0 <= part < 1000 for part in version):
        raise NotAModel("an XGBoost model that is damaged: it has no version", "copy it again")
    if not 0 < width < 1_000_000 or (names and len(names) != width):
        raise NotAModel("an XGBoost model that is damaged: its columns do not match", "copy it again")
    shown = ".".join(map(str, version[:3]))
    lowest = shown if version[0] >= FIRST_WHEELS else str(FIRST_WHEELS)
    return Described(
        "xgboost", f"XGBoost {shown}", ".json" if as_json else ".ubj", (f"xgboost-cpu>={lowest},<4",),
        names, width, missing=True, facts=facts,
    ).check()  # fmt: skip


def describe_lightgbm(content: bytes) -> Described:
    """Raises:
    NotAModel: it is damaged."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise NotAModel(f"a LightGBM model that is damaged ({error.reason})", "copy it again") from None
    head = dict(line.split("=", 1) for line in text.partition("\n\n")[0].split("\n") if "=" in line)
    if not {"max_feature_idx", "feature_names", "objective"} <= head.keys() or not all(
        end in text for end in _ends(text)
    ):
        raise NotAModel("a LightGBM model that is damaged: its end is missing", "copy it again")
    names = tuple(head["feature_names"].split(" "))
    if not head["max_feature_idx"].isdecimal() or len(names) != int(head["max_feature_idx"]) + 1:
        raise NotAModel("a LightGBM model that is damaged: its columns do not match", "copy it again")
    categories = _categories(text)
    by_name = names != tuple(f"Column_{place}" for place in range(len(names)))
    if categories and not by_name:
        raise NotAModel("a LightGBM model of categories without names", "fit it on a data frame")
    facts = {"objective": head["objective"].split(" ")[0][:100], "categories": len(categories)}
    return Described(
        "lightgbm", "LightGBM", ".txt", ("lightgbm>=4,<5", *(("pandas",) if categories else ())),
        names if by_name else (), len(names), None if categories else frozenset(), missing=True,
        packages=("libgomp1",), facts=facts,
    ).check()  # fmt: skip


def _ends(text: str) -> list[str]:
    """What stands in a file that is whole."""
    return ["\nend of trees", *(["\nend of parameters"] if "\nparameters:" in text else [])]


def _categories(text: str) -> list[Any]:
    found = re.search(r"^pandas_categorical:(.*)$", text[-(1 << 20) :], re.MULTILINE)
    try:
        value = json.loads(found[1]) if found else None
    except (ValueError, RecursionError):
        raise NotAModel("a LightGBM model that is damaged: its categories cannot be read", "copy it again") from None
    return value if isinstance(value, list) else []
