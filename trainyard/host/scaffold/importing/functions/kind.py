"""The kind: a folder with a train and a predict function."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.documents import json_of, part, texts, toml_of
from trainyard.host.scaffold.importing.functions.arguments import predict_call, train_call
from trainyard.host.scaffold.importing.functions.files import Paths, first_rows, literal_paths, with_paths
from trainyard.host.scaffold.importing.functions.finding import PREDICT, TRAIN, Found, candidates, find, loader_of
from trainyard.host.scaffold.importing.kind import Kind
from trainyard.host.scaffold.importing.names import Names
from trainyard.host.scaffold.importing.one_model import MADE, ORIGINAL, SAMPLE, OneModel, one_model
from trainyard.host.scaffold.importing.python_code import Code
from trainyard.host.scaffold.importing.requirements import REQUIREMENTS, guessed, lines_of, package_of
from trainyard.host.scaffold.importing.source_tree import TABLES, SourceTree
from trainyard.host.scaffold.importing.unit import Unit, place
from trainyard.host.scaffold.importing.wiring import dataset_name

NAME = "folder with a train and a predict function"
TRAIN_FILE = '''\
"""Calls {name} of original/{file}. {made}"""

{imports}from trainyard.models.imported import Original, {helpers}

original = Original(__file__{inside})


def train(msg):
    payload = msg["payload"]
    result = original.named("{target}")({arguments})
    return trained(result, payload["model_name"])
'''
PREDICT_FILE = '''\
"""Calls {name} of original/{file}. {made}"""

{imports}from trainyard.models.imported import Original{served}
from trainyard.models.row_arguments import {helper}

original = Original(__file__{inside})


def {function}(msg):
    return {call}
'''


def recognises(tree: SourceTree) -> bool:
    return find(tree, "train", TRAIN) is not None and find(tree, "predict", PREDICT) is not None


def bring(tree: SourceTree, names: Names) -> list[Unit]:
    """Raises:
    TrainyardError: one of the functions is not there.
    """
    train, predict = find(tree, "train", TRAIN), find(tree, "predict", PREDICT)
    if train is None or predict is None:
        raise TrainyardError(f"{tree.label}: no train and predict function")
    codes = {path: Code(tree.read(path)) for path in candidates(tree)}
    paths = literal_paths({train.path: train.code, predict.path: predict.code, **codes})
    model = one_model(tree, names, NAME, model_name=_stem(paths))
    _follow(model, paths)
    dataset = _data(tree, model, paths, train)
    _keep(tree, model, paths)
    told = _train(model, train, paths)
    _predict(tree, model, predict)
    _requirements(tree, model, writes=told or bool(paths.binaries))
    _sample(tree, model, predict, dataset, train)
    return [model.finish(dataset)]


def _stem(paths: Paths) -> str:
    """The MODEL_NAME of code that writes one binary: the file's name."""
    stem = PurePosixPath(paths.binaries[0]).stem if len(paths.binaries) == 1 else ""
    return stem if re.fullmatch(r"[A-Za-z0-9][\w.-]*", stem) and stem not in ("model", "clf", "pipeline") else ""


def _follow(model: OneModel, paths: Paths) -> None:
    """Binaries are written to models/, by the name of the model where there is one alone."""
    for text in paths.binaries:
        file = PurePosixPath(text)
        name = f"{model.name}{file.suffix}" if len(paths.binaries) == 1 else file.name
        if f"models/{name}" != text.removeprefix("./"):
            paths.moves[text] = f"models/{name}"
    if len(paths.binaries) > 1:
        model.wiring["MODEL_FILES"] = ",".join(dict.fromkeys(PurePosixPath(text).name for text in paths.binaries))


def _data(tree: SourceTree, model: OneModel, paths: Paths, train: Found) -> str:
    """Tables go to the project's data/; the DATASET_NAME is the one that the training names."""
    tables = [path for path in sorted(tree.files) if path.suffix in TABLES]
    named = {text.removeprefix("./"): text for text in paths.tables}
    chosen = ""
    for path in tables:
        inside = path.relative_to("data") if path.parts[0] == "data" else PurePosixPath(path.name)
        target = PurePosixPath("data") / inside
        if _is_taken(tree, model, path, target):
            target = PurePosixPath("data") / model.folder.name / inside
        model.unit.bring(model.project / target, path)
        for text in {str(path), f"{train.root / path.name}", path.name} & named.keys():
            chosen = chosen or str(target)
            if named[text].removeprefix("./") != str(target):
                paths.moves[named[text]] = str(target)
    first = str(next((one.relative_to(model.project) for one in model.unit.files if "data" in one.parts[2:3]), ""))
    return dataset_name(chosen or first) or f"data/{model.folder.name}.csv"


def _is_taken(tree: SourceTree, model: OneModel, source: PurePosixPath, target: PurePosixPath) -> bool:
    own = model.names.root / model.project / target
    return own.exists() and not (own.is_file() and own.read_bytes() == tree.read(source))


def _keep(tree: SourceTree, model: OneModel, paths: Paths) -> None:
    """All other files as they are; those that open what has moved follow."""
    binaries = {text.removeprefix("./"): paths.moves.get(text, text.removeprefix("./")) for text in paths.binaries}
    for path in tree.files:
        if path.suffix in TABLES:
            continue
        if str(path) in binaries:
            model.unit.bring(model.project / binaries[str(path)], path)
            model.unit.to_do.append(
                f"{place(path)}: is in {model.project}/models, without a record, which make train makes"
            )
            continue
        content = tree.read(path) if path.suffix == ".py" else b""
        changed = with_paths(content, paths.moves) if content else content
        if changed == content:
            model.keep([path])
        else:
            model.unit.write(model.folder / ORIGINAL / path, changed, "data/ and models/ are the project's", path)


def _train(model: OneModel, train: Found, paths: Paths) -> bool:
    """Write train.py; whether the function is told where to write."""
    suffix = PurePosixPath(paths.binaries[0]).suffix if paths.binaries else ".pkl"
    arguments, unknown = train_call(train.function, suffix)
    text = ", ".join(arguments)
    helpers = ["given", "trained"] if "given(" in text else ["trained"]
    made = TRAIN_FILE.format(
        name=train.function.name, file=train.path, made=MADE, target=train.target, arguments=text,
        imports="import pandas as pd\n\n" if "pd." in text else "", helpers=", ".join(helpers), inside=_inside(train),
    )  # fmt: skip
    model.write("train.py", made, f"calls {train.function.name} of {train.path} with the dataset")
    model.trained_by(f"{model.package}.train")
    for name in unknown:
        model.unit.to_do.append(
            f"{place(train.path, train.function.line)}: {train.function.name} wants {name}: say it in train.py, or as "
            f"a parameter: PAYLOAD='{{\"{name}\": ...}}'"
        )
    return "models/" in text


def _predict(tree: SourceTree, model: OneModel, predict: Found) -> None:
    loader = loader_of(tree, predict)
    loaded = f'original.loaded("{loader}")' if loader else f'served("{model.name}")'
    call, helper, how = predict_call(predict.function, predict.target, loaded)
    made = PREDICT_FILE.format(
        name=predict.function.name, file=predict.path, made=MADE, function=model.function, call=call, helper=helper,
        imports="import functools\n\n" if "functools." in call else "", inside=_inside(predict),
        served=", served" if "served(" in call else "",
    )  # fmt: skip
    model.write("predict.py", made, f"calls {predict.function.name} of {predict.path}")
    model.routes([model.function])
    model.unit.decided.append(f"{place(predict.path, predict.function.line)}: {predict.function.name} {how}")


def _inside(found: Found) -> str:
    return f', "{found.root}"' if found.root.parts else ""


def _requirements(tree: SourceTree, model: OneModel, *, writes: bool) -> None:
    """``writes``: the training saves its model itself."""
    lines, why = lines_of(tree, PurePosixPath(REQUIREMENTS)), "of requirements.txt"
    if not lines and tree.has("pyproject.toml"):
        lines, why = texts(part(toml_of(tree, "pyproject.toml"), "project", "dependencies")), "of pyproject.toml"
    if not lines:
        lines, why = guessed(tree, candidates(tree), model.unit.to_do), "from what the code imports; name the versions"
    if not writes and not {"joblib", "scikit-learn"} & {package_of(line) for line in lines}:
        lines, why = [*lines, "joblib"], f"{why}; joblib saves what the training returns"
    model.requirements(lines, why)


def _sample(tree: SourceTree, model: OneModel, predict: Found, dataset: str, train: Found) -> None:
    for path in sorted(tree.files):
        rows = part(json_of(tree, path), "payload", "instances") if path.suffix == ".json" else None
        if isinstance(rows, list) and rows:
            model.sample(rows, f"of {place(path)}")
            return
    source = next((one.source for target, one in model.unit.files.items() if target == model.project / dataset), None)
    columns, rows = first_rows(tree, source) if source else ([], [])
    named = [name for name in predict.function.parameters if name in columns]
    literals = {text for text, _ in train.code.strings()}
    if not columns:
        return
    kept = named if len(named) > 1 else [name for name in columns if name not in literals] if (
        len(literals & set(columns)) == 1
    ) else columns[:-1]  # fmt: skip
    whole = "frame" in "".join(one.content.decode() for target, one in model.unit.files.items()
                               if target == model.folder / "predict.py" and one.content)  # fmt: skip
    chosen = [[row[columns.index(name)] for name in kept] for row in rows]
    objects = [dict(zip(kept, chosen[0], strict=True))] if chosen else []
    model.sample(objects if whole else chosen, f"the first rows of {dataset}, without what seems to be the target")
    model.unit.to_do.append(f"{model.folder / SAMPLE}: look whether these are the inputs that the model wants")


KIND = Kind(NAME, "functions train and predict at the top of modules", recognises, bring)
