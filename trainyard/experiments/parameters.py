"""Which values a training gets for its parameters, and who said so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from trainyard.errors import TrainyardError
from trainyard.experiments.config import Config
from trainyard.experiments.yaml_files import read_yaml
from trainyard.files import write_whole
from trainyard.model_dir import ModelDir

TUNED = "hyperparameters.yaml"  # beside config.yaml: what make tune found


def read_tuned(model: ModelDir) -> dict[str, Any]:
    """The parameters that a tuning has left; none where there was none.

    Raises:
        TrainyardError: the file cannot be read, or is not a list of names and values.
    """
    path = model.path / TUNED
    if not path.is_file():
        return {}
    content = read_yaml(path).content or {}
    if not isinstance(content, dict):
        raise TrainyardError(f"{path}:1: not a mapping of names to values", "tune again, or remove the file")
    return content


def write_tuned(model: ModelDir, params: Mapping[str, Any], header: str) -> None:
    """Write the parameters that a tuning has found, below a comment.

    Raises:
        OSError: no permission, no space.
    """
    write_whole(model.path / TUNED, f"# {header}\n{yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True)}")


def with_params(payload: Mapping[str, Any], config: Config, tuned: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with all its parameters: those of config.yaml, over them the tuned ones, over them the payload's own.

    A payload without any parameter stays as it is: not every train function wants to hear of them.

    Raises:
        TrainyardError: the payload's ``params`` is not an object.
    """
    own = payload.get("params") or {}
    if not isinstance(own, Mapping):
        raise TrainyardError("PAYLOAD: params is not an object", """give {"params": {"<name>": <value>}}""")
    params = {**config.defaults, **tuned, **own}
    return {**payload, "params": params} if params else dict(payload)
