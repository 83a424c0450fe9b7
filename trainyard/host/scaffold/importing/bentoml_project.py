"""BentoML projects of one service: a class with ``@bentoml.service``, its methods with ``@bentoml.api``.

https://docs.bentoml.com/en/latest/build-with-bentoml/services.html
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.documents import part, texts, toml_of, yaml_of
from trainyard.host.scaffold.importing.kind import Kind
from trainyard.host.scaffold.importing.names import Names, identifier
from trainyard.host.scaffold.importing.one_model import MADE, OneModel, example_of, one_model
from trainyard.host.scaffold.importing.python_code import Class, Code, Function
from trainyard.host.scaffold.importing.requirements import REQUIREMENTS, guessed, lines_of, without
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import Unit, place

NAME, FILES = "BentoML project", ("bentofile.yaml", "bentofile.yml", "bento.yaml")
HEAD = '''\
"""Asks {name} of original/{file}, as BentoML does. {made}"""

from trainyard.models.imported import Original
from trainyard.models.row_arguments import {helper}

original = Original(__file__)
'''
METHOD = """

def {function}(msg):
    return {helper}(original.made("{module}:{name}").{method}, msg{form})
"""
IN_STAND_IN = {"service", "api", "task", "importing", "Context", "images", "on_startup", "on_shutdown", "on_deployment"}
STORE = ("get", "load_model", "BentoModel", "load", "load_runner")


@dataclass(frozen=True)
class Service:
    path: PurePosixPath
    code: Code
    kind: Class

    @property
    def methods(self) -> list[Function]:
        """Those that answer requests."""
        return [one for one in self.kind.methods.values() if any("api" in text for text in one.decorators)]


def bring(tree: SourceTree, names: Names) -> list[Unit]:
    """Raises:
    TrainyardError: there is no class with a service, or it has no method that answers.
    """
    options = _options(tree)
    service = _service(tree, str(options.get("service") or ""))
    model = one_model(tree, names, NAME)
    model.keep(tree.files)
    _predict(model, service)
    model.untrained()
    _requirements(tree, options, service, model)
    model.system_packages(texts(part(options, "docker", "system_packages")), "its build options")
    _store(model, service)
    _sample(model, service.methods[0])
    return [model.finish("data")]


def is_service(tree: SourceTree) -> bool:
    """Whether the source has build options of BentoML, or a module with a service at its top."""
    if any(tree.has(name) for name in FILES):
        return True
    return any(len(path.parts) == 1 and path.suffix == ".py" and b"@bentoml.service" in tree.read(path)
               for path in tree.files)  # fmt: skip


def _options(tree: SourceTree) -> dict[str, Any]:
    for name in FILES:
        if tree.has(name):
            return yaml_of(tree, name)
    found = part(toml_of(tree, "pyproject.toml"), "tool", "bentoml", "build") if tree.has("pyproject.toml") else None
    return found if isinstance(found, dict) else {}


def _service(tree: SourceTree, named: str) -> Service:
    """The class that the options name, or the only one there is."""
    module, _, name = named.removesuffix(".py").partition(":")
    wanted = module.removesuffix(".py").replace(".", "/")
    found = []
    for path in sorted(one for one in tree.files if one.suffix == ".py"):
        code = Code(tree.read(path))
        found += [
            Service(path, code, kind)
            for kind in code.classes.values()
            if any(text.partition("(")[0].endswith("service") for text in kind.decorators)
        ]
        if any(dotted in tree.text(path) for dotted in ("bentoml.Service(", "bentoml.legacy")):
            raise TrainyardError(
                f"{place(path)}: bentoml.Service is of BentoML 1.1 and older, with runners",
                "write it as a class with @bentoml.service, then import it",
            )
    chosen = [one for one in found if str(one.path.with_suffix("")) == wanted and one.kind.name == name] or found
    usable = [
        one for one in chosen if one.methods and all(part.isidentifier() for part in one.path.with_suffix("").parts)
    ]
    if len(usable) != 1:
        what = "no class with @bentoml.service and a method with @bentoml.api" if not usable else "several services"
        raise TrainyardError(f"{tree.label}: {what}", "name one as service: in bentofile.yaml")
    return usable[0]


def _predict(model: OneModel, service: Service) -> None:
    module = ".".join(service.path.with_suffix("").parts)
    functions, text = [], ""
    helpers = {_form(one)[0] for one in service.methods}
    for one in service.methods:
        helper, form = _form(one)
        function = model.function if len(service.methods) == 1 else f"predict_{identifier(one.name)}"
        functions.append(function)
        text += METHOD.format(
            function=function, helper=helper, module=module, name=service.kind.name, method=one.name, form=form
        )
    head = HEAD.format(name=service.kind.name, file=service.path, made=MADE, helper=", ".join(sorted(helpers)))
    model.write("predict.py", head + text, f"calls {service.kind.name} of {service.path}")
    model.routes(functions)


def _form(method: Function) -> tuple[str, str]:
    """How a method takes rows: all of them as one argument, or one after the other."""
    if len(method.parameters) == 1:
        kind = method.annotations[0]
        if "ndarray" in kind:
            return "all_rows", ', "array"'
        if "DataFrame" in kind:
            return "all_rows", ', "frame"'
        if "batchable=True" in "".join(method.decorators) or kind.lower().startswith(("list[list", "list[dict")):
            return "all_rows", ""
    return "each_row", ""


def _requirements(tree: SourceTree, options: dict[str, Any], service: Service, model: OneModel) -> None:
    lines = texts(part(options, "python", "packages"))
    if isinstance(file := part(options, "python", "requirements_txt"), str):
        lines += lines_of(tree, PurePosixPath(file.removeprefix("./")))
    for call, values in _of_image(service.code):
        lines += values if call == "python_packages" else []
        lines += (
            [line for one in values for line in lines_of(tree, PurePosixPath(one))] if call != "python_packages" else []
        )
    if not lines and tree.has(REQUIREMENTS):
        lines = lines_of(tree, PurePosixPath(REQUIREMENTS))
    why = "of its build options"
    if not lines:
        paths = [path for path in tree.files if path.suffix == ".py"]
        lines, why = guessed(tree, paths, model.unit.to_do), "from what the code imports; name the versions"
    used = {name.partition(".")[0] for name in service.code.attributes_of("bentoml")}
    used |= {name for one in service.code.imports if one.module.startswith("bentoml") for name in one.names}
    if used <= IN_STAND_IN:
        lines = without(lines, "bentoml")
    elif not any(line.startswith("bentoml") for line in lines):
        lines = [*lines, "bentoml"]
    model.requirements(lines, why)


def _of_image(code: Code) -> list[tuple[str, list[str]]]:
    """What ``bentoml.images.Image()`` is asked to install: ``.python_packages("a", "b")``."""
    found = []
    for node in code.nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            values = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if node.func.attr in ("python_packages", "requirements_file"):
                found.append((node.func.attr, values))
    return found


def _store(model: OneModel, service: Service) -> None:
    """Models of BentoML's store are not in the folder."""
    for name, line in service.code.attributes_of("bentoml").items():
        if name.rpartition(".")[2] in STORE:
            model.unit.impossible.append(
                f"{place(service.path, line)}: bentoml.{name} takes a model of BentoML's store, which is not in the "
                f"source: bentoml models export it to {model.folder / 'original'}, and load it from there"
            )


def _sample(model: OneModel, method: Function) -> None:
    by_name = dict(zip(method.parameters, method.annotations, strict=True))
    values = {name: example_of(by_name[name]) for name in method.required}
    if _form(method)[0] == "each_row" and values and all(value is not None for value in values.values()):
        model.sample([values], "made up from the types of the inputs")
    elif _form(method)[0] == "all_rows":
        model.sample([[1.0, 2.0]], "made up")
    else:
        return
    model.unit.to_do.append(f"{model.folder / 'test/test_instances.json'}: is made up: put inputs of yours there")


KIND = Kind(NAME, "bentofile.yaml, or @bentoml.service in a module", is_service, bring)
