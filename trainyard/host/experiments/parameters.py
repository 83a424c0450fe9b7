"""Which values a training gets for its parameters, and where each is from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard.contract.files import read_text, write_whole
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir

TUNED = "hyperparameters.yaml"  # beside config.yaml: what make tune found


def defaults_of(model: ModelDir) -> dict[str, Any]:
    """The parameters of config.yaml; none where there is no such file.

    Raises:
        TrainyardError: naming file, line, key and fix.
    """
    if not (model.path / "config.yaml").is_file():
        return {}
    from trainyard.host.experiments.config import read_config  # pydantic takes a while to import

    return read_config(model.path).defaults


def environment_of(model: ModelDir) -> dict[str, str]:
    """The variables that config.yaml sets where the model trains and is served; none where there is no such file.

    Raises:
        TrainyardError: naming file, line, key and fix.
    """
    path = model.path / "config.yaml"
    if not path.is_file() or "environment" not in read_text(path):  # as above: a server starts without pydantic
        return {}
    from trainyard.host.experiments.config import read_config

    return {name: str(value) for name, value in read_config(model.path).environment.items()}


def unread_of(model: ModelDir) -> str:
    """Which sections of config.yaml have no meaning here; empty where there are none."""
    path = model.path / "config.yaml"
    if not path.is_file():
        return ""
    from trainyard.host.experiments.config import UNREAD, config_file

    file = config_file(model.path)
    there = [name for name in UNREAD if isinstance(file.content, Mapping) and file.content.get(name)]
    what = "data is in data/, files of the model are in models/, and make dvc writes its stage"
    return f"{file.where((there[0],))}: {' and '.join(there)} are not read: {what}" if there else ""


def read_tuned(model: ModelDir) -> dict[str, Any]:
    """The parameters that a tuning has left; none where there was none.

    Raises:
        TrainyardError: the file cannot be read, or is not a list of names and values.
    """
    path = model.path / TUNED
    if not path.is_file():
        return {}
    from trainyard.host.experiments.yaml_files import read_yaml

    content = read_yaml(path).content or {}
    if not isinstance(content, dict):
        raise TrainyardError(f"{path}:1: not a mapping of names to values", "tune again, or remove the file")
    return content


def write_tuned(model: ModelDir, params: Mapping[str, Any], header: str) -> None:
    """Write the parameters that a tuning has found, below a comment.

    Raises:
        OSError: no permission, no space.
    """
    from trainyard.host.experiments.yaml_files import dump_yaml

    write_whole(model.path / TUNED, f"# {header}\n{dump_yaml(params)}")


def with_params(payload: Mapping[str, Any], defaults: Mapping[str, Any], tuned: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with all its parameters: ``defaults``, over them the tuned ones, over them the payload's own.

    A payload without any parameter stays as it is: not every train function wants to hear of them.

    Raises:
        TrainyardError: the payload's ``params`` is not an object.
    """
    own = payload.get("params") or {}
    if not isinstance(own, Mapping):
        raise TrainyardError("PAYLOAD: params is not an object", """give {"params": {"<name>": <value>}}""")
    params = {**defaults, **tuned, **own}
    return {**payload, "params": params} if params else dict(payload)
