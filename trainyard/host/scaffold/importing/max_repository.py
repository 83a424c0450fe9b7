"""Model repositories in the manner of IBM's Model Asset Exchange (MAX): ``core/model.py`` has a ``ModelWrapper``.

https://github.com/IBM/MAX-Skeleton
"""

from __future__ import annotations

import base64
import re
from pathlib import PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.kind import Kind
from trainyard.host.scaffold.importing.names import Names
from trainyard.host.scaffold.importing.one_model import MADE, OneModel, one_model
from trainyard.host.scaffold.importing.python_code import Code
from trainyard.host.scaffold.importing.requirements import REQUIREMENTS, guessed, lines_of, without
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import Unit

NAME, FILE, API = "MAX model repository", PurePosixPath("core/model.py"), PurePosixPath("api/predict.py")
BASE = "MAXModelWrapper"
PREDICT = '''\
"""Asks {name} of original/core/model.py, as MAX does. {made}"""

from trainyard.models.imported import Original
from trainyard.models.row_arguments import each_row

original = Original(__file__)


def one({parameter}):
    return original.made("core.model:{name}").predict({value})


def {function}(msg):
    return each_row(one, msg)
'''
SERVER = ("maxfw", "flask", "flask-restplus", "flask-restx", "flask-cors", "werkzeug")
_ASSET = re.compile(r"^ARG\s+(model_bucket|model_file)=(\S+)", re.MULTILINE)
SAMPLE_BYTES = 1 << 20


def bring(tree: SourceTree, names: Names) -> list[Unit]:
    """Raises:
    TrainyardError: core/model.py has no wrapper.
    """
    code = Code(tree.read(FILE))
    wrappers = [one.name for one in code.classes.values() if any(BASE in base for base in one.bases)]
    if not wrappers:
        raise TrainyardError(f"{FILE}: no class of {BASE}", "write one with a method _predict")
    model = one_model(tree, names, NAME)
    model.keep(tree.files)
    takes_file = tree.has(API) and "FileStorage" in tree.text(API)
    text = PREDICT.format(
        name=wrappers[0], made=MADE, function=model.function, parameter="file: bytes" if takes_file else "value",
        value="file" if takes_file else "value",
    )  # fmt: skip
    model.write("predict.py", text, f"calls {wrappers[0]} for each row" + (": a file in base64" if takes_file else ""))
    model.routes([model.function])
    model.untrained()
    _requirements(tree, model)
    _remarks(tree, model)
    _sample(tree, model, takes_file=takes_file)
    return [model.finish("data")]


def _requirements(tree: SourceTree, model: OneModel) -> None:
    if tree.has(REQUIREMENTS):
        lines = without(lines_of(tree, PurePosixPath(REQUIREMENTS)), *SERVER)
        model.requirements(lines, "of requirements.txt, without the server that ours has the place of")
    else:
        paths = [path for path in tree.files if path.suffix == ".py" and path.parts[0] in ("core", "config.py")]
        model.requirements(guessed(tree, paths, model.unit.to_do), "from what the code imports; name the versions")


def _remarks(tree: SourceTree, model: OneModel) -> None:
    if tree.has("Dockerfile"):
        assets = dict(_ASSET.findall(tree.text("Dockerfile")))
        if len(assets) == 2:
            url = f"{assets['model_bucket'].rstrip('/')}/{assets['model_file']}"
            model.unit.to_do.append(f"Dockerfile: downloads {url}: unpack it to {model.folder / 'original' / 'assets'}")
        model.unit.decided.append("Dockerfile: our builder images have its place; what it installs of the system goes "
                                  "into setup.sh")  # fmt: skip
    if tree.is_folder(PurePosixPath("training")):
        model.unit.impossible.append("training/: is made for a service of IBM: write train(msg) in train.py")
    if tree.has(API):
        model.unit.decided.append(f"{API}: what it makes of predictions is not done: write it into predict.py")


def _sample(tree: SourceTree, model: OneModel, *, takes_file: bool) -> None:
    if not takes_file:
        model.sample([["text"]], "made up")
        model.unit.to_do.append(f"{model.folder / 'test/test_instances.json'}: is made up: put an input of yours there")
        return
    for path in tree.below(PurePosixPath("samples")):
        if path.suffix not in (".md", ".ipynb", ".txt", ".py") and len(content := tree.read(path)) <= SAMPLE_BYTES:
            model.sample([[base64.b64encode(content).decode()]], f"{path} in base64")
            return


KIND = Kind(NAME, f"{FILE} with a {BASE}", lambda tree: tree.has(FILE) and BASE in tree.text(FILE), bring)
