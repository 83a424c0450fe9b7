"""Cog projects: ``cog.yaml`` names a class with ``setup`` and ``predict``.

https://github.com/replicate/cog/blob/main/docs/yaml.md
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.documents import part, texts, yaml_of
from trainyard.host.scaffold.importing.kind import Kind
from trainyard.host.scaffold.importing.names import Names
from trainyard.host.scaffold.importing.one_model import MADE, OneModel, example_of, one_model
from trainyard.host.scaffold.importing.python_code import Code, Function
from trainyard.host.scaffold.importing.requirements import guessed, lines_of, without
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import Unit

NAME, FILE = "Cog project", "cog.yaml"
PREDICT = '''\
"""Asks {name} of original/{file}, as Cog does. {made}"""

from trainyard.models.imported import Original
from trainyard.models.row_arguments import each_row

original = Original(__file__)


def {function}(msg):
    return each_row({call}, msg)
'''
_TARGET = re.compile(r"(?P<file>[\w./-]+\.py):(?P<name>[A-Za-z_]\w*)")
IN_STAND_IN = {
    "BaseModel", "BasePredictor", "Input", "Path", "File", "Secret", "ConcatenateIterator", "AsyncConcatenateIterator",
}  # fmt: skip


def bring(tree: SourceTree, names: Names) -> list[Unit]:
    """Raises:
    TrainyardError: cog.yaml does not say where the predictor is, or it is not there.
    """
    document = yaml_of(tree, FILE)
    path, name = _target(tree, document)
    code = Code(tree.read(path))
    predict = _predict(path, name, code)
    model = one_model(tree, names, NAME)
    model.keep(tree.files)
    module = ".".join(path.with_suffix("").parts)
    call = f'original.made("{module}:{name}", then="setup").predict' if name in code.classes else (
        f'original.named("{module}:{name}")'
    )  # fmt: skip
    text = PREDICT.format(name=name, file=path, made=MADE, function=model.function, call=call)
    model.write("predict.py", text, f"calls {name} of {path} for each row")
    model.routes([model.function])
    model.untrained()
    _build(tree, document, model, code)
    _sample(model, predict)
    return [model.finish("data")]


def _target(tree: SourceTree, document: dict[str, Any]) -> tuple[PurePosixPath, str]:
    found = _TARGET.fullmatch(str(document.get("predict") or ""))
    if not found:
        raise TrainyardError(f"{FILE}: predict is not <file>.py:<class>", "name the predictor there")
    path = PurePosixPath(found["file"])
    if not tree.has(path) or not all(part.isidentifier() for part in path.with_suffix("").parts):
        raise TrainyardError(f"{FILE}: there is no {path}, or Python cannot import it", "correct predict there")
    return path, found["name"]


def _predict(path: PurePosixPath, name: str, code: Code) -> Function:
    if code.error:
        raise TrainyardError(f"{path}: cannot be read as Python of today ({code.error})", "correct it")
    if name in code.functions:
        return code.functions[name]
    methods = code.classes[name].methods if name in code.classes else {}
    if "predict" not in methods:
        raise TrainyardError(f"{path}: there is no class {name} with a method predict", f"correct {FILE}")
    return methods["predict"]


def _build(tree: SourceTree, document: dict[str, Any], model: OneModel, code: Code) -> None:
    build = document.get("build")
    lines = texts(part(build, "python_packages"))
    if isinstance(file := part(build, "python_requirements"), str):
        lines += lines_of(tree, PurePosixPath(file))
    if lines:
        model.requirements(without(lines, "cog"), f"of {FILE}")
    else:
        paths = [path for path in tree.files if path.suffix == ".py"]
        model.requirements(guessed(tree, paths, model.unit.to_do), "from what the code imports; name the versions")
    model.system_packages(texts(part(build, "system_packages")), FILE)
    named = {name for one in code.imports if one.module == "cog" for name in one.names}
    if missing := sorted(named - IN_STAND_IN):
        model.unit.to_do.append(f"imports {', '.join(missing)} from cog: add cog to requirements.txt")
    for command in [*texts(part(build, "run")), *texts(part(build, "pre_install"))]:
        model.unit.impossible.append(f"{FILE}: is not run: {command}: put what the model needs of it into setup.sh")
    if document.get("train"):
        model.unit.impossible.append(f"{FILE}: train: is not called: write train(msg) in train.py, which calls it")
    if part(build, "gpu"):
        model.unit.to_do.append(f"{FILE}: wants a GPU: our images compute on the processor")
    if environment := texts(document.get("environment")):
        names = ", ".join(one.partition("=")[0] for one in environment)
        model.unit.to_do.append(f"{FILE}: sets {names}: set them at the top of predict.py")


def _sample(model: OneModel, predict: Function) -> None:
    """A row of what has no default; Cog's ``Input()`` has none where it names none."""
    by_name = dict(zip(predict.parameters, predict.annotations, strict=True))
    values = {name: example_of(by_name[name]) for name in predict.required}
    if not all(value is not None for value in values.values()) or not (values or by_name):
        return
    first = next(iter(by_name), "")
    row = values or {first: example_of(by_name[first])}
    if all(value is not None for value in row.values()):
        model.sample([row], "made up from the types of the inputs")
        model.unit.to_do.append(f"{model.folder / 'test/test_instances.json'}: is made up: put inputs of yours there")


KIND = Kind(NAME, FILE, lambda tree: tree.has(FILE), bring)
