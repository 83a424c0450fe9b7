"""How a train or predict function is called: from the names and annotations of its parameters."""

from __future__ import annotations

import re

from trainyard.host.scaffold.importing.python_code import Function

MESSAGE = {"msg", "message", "event"}
# The words that names of paths are made of.
PLACE = {"path", "file", "filename", "filepath", "dir", "folder", "uri", "url", "name", "to"}
DATA = {"data", "dataset", "csv", "input", "train", "training", "source", "in", "set", "table"}
OUTPUT = {"model", "out", "output", "save", "dest", "destination", "target", "artifact", "export", "pickle", "pkl"}
_TABLE = re.compile(r"DataFrame|^df$|^frame$|^data_?frame$")
ROWS = {"rows", "instances", "inputs", "records", "batch", "samples", "texts", "data", "x", "X", "examples"}


def train_call(function: Function, suffix: str) -> tuple[list[str], list[str]]:
    """The arguments of a train function, as Python text, and the parameters that nobody knows how to fill.

    ``suffix``: of the file that it writes, where it is told which.
    """
    arguments: list[str] = []
    unknown: list[str] = []
    options: list[str] = []
    for name, kind in zip(function.parameters, function.annotations, strict=True):
        required = name in function.required
        if name in MESSAGE and not arguments:
            arguments.append("msg")
        elif _TABLE.search(kind) or _TABLE.search(name):
            arguments.append(f'{name}=pd.read_csv(payload["$ref"])')
        elif name in ("model_name", "name"):
            arguments.append(f'{name}=payload["model_name"]')
        elif _is_output(name):
            arguments.append(f"{name}=f\"models/{{payload['model_name']}}{suffix}\"")
        elif _is_data(name) and (required or not any("$ref" in one for one in arguments)):
            arguments.append(f'{name}=payload["$ref"]')
        elif required:
            arguments.append(f'{name}=payload["{name}"]')
            unknown.append(name)
        else:
            options.append(f'"{name}"')
    if options:
        arguments.append(f"**given(payload, {', '.join(options)})")
    return arguments, unknown


def _is_output(name: str) -> bool:
    words = set(name.lower().split("_"))
    return bool(words & OUTPUT) and bool(words & (PLACE | {"out", "output", "save", "export", "dest", "destination"}))


def _is_data(name: str) -> bool:
    words = set(name.lower().split("_"))
    return words <= DATA | PLACE and words != {"name"}


def predict_call(function: Function, target: str, model: str) -> tuple[str, str, str]:
    """The call of a predict function as Python text, the helper of ``trainyard.models.row_arguments`` that it needs,
    and what the report says of it. ``model``: the text of what loads the model; empty where it loads that itself."""
    parameters = list(zip(function.parameters, function.annotations, strict=True))
    if len(parameters) == 1 and parameters[0][0] in MESSAGE:
        return f'answer(original.named("{target}")(msg))', "answer", "gets the message"
    call = f'original.named("{target}")'
    if (
        parameters
        and parameters[0][0] in ("model", "clf", "pipeline", "estimator", "regressor", "classifier")
        and model
    ):
        call = f"functools.partial({call}, {model})"
        parameters = parameters[1:]
    asked = [one for one in parameters if one[0] in function.required] or parameters[:1]
    form = _form(*asked[0]) if len(asked) == 1 else "row"
    if form == "row":
        return f"each_row({call}, msg)", "each_row", "is called for each row"
    more = "" if form == "list" else f', "{form}"'
    return f"all_rows({call}, msg{more})", "all_rows", f"gets all rows, as a {form}"


def _form(name: str, kind: str) -> str:
    if _TABLE.search(kind) or _TABLE.search(name):
        return "frame"
    if "ndarray" in kind or kind in ("np.array", "numpy.array"):
        return "array"
    if kind.lower().startswith(("list[list", "list[dict", "sequence[sequence")):
        return "list"
    if name in ROWS and not kind.lower().startswith(("dict", "str", "list[float", "list[int")):
        return "array" if name in ("x", "X") else "list"
    return "row"
