"""Which functions of a folder train and predict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from trainyard.host.scaffold.importing.python_code import Code, Function
from trainyard.host.scaffold.importing.source_tree import SourceTree

TRAIN = ("train", "train_model", "fit", "fit_model", "training", "run_training", "main")
PREDICT = ("predict", "predict_model", "make_prediction", "make_predictions", "inference", "infer", "score", "run")
LOAD = ("load_model", "load", "get_model", "load_artifact", "load_artifacts", "load_pipeline")
FILES = {
    "train": ("train", "training", "train_model", "model", "main"),
    "predict": ("predict", "prediction", "inference", "serve", "score", "model", "main", "app"),
}
DEEPEST = 3  # parts of a path
NO_CODE = {"test", "tests", "docs", "notebooks", "examples", "setup.py", "conftest.py"}


@dataclass(frozen=True)
class Found:
    """A function, and the module that has it. ``root`` is the folder that its imports begin at."""

    path: PurePosixPath
    code: Code
    function: Function
    root: PurePosixPath

    @property
    def target(self) -> str:
        """``module:function``, as seen from the root."""
        return f"{'.'.join(self.path.relative_to(self.root).with_suffix('').parts)}:{self.function.name}"


def candidates(tree: SourceTree) -> list[PurePosixPath]:
    """The modules that may have them, the nearest to the top first."""
    found = [
        path
        for path in tree.files
        if path.suffix == ".py"
        and len(path.parts) <= DEEPEST
        and not NO_CODE.intersection(path.parts)
        and all(part.isidentifier() for part in path.with_suffix("").parts)
        and not path.name.startswith("test_")
    ]
    return sorted(found, key=lambda path: (len(path.parts), path))


def find(tree: SourceTree, role: str, names: tuple[str, ...]) -> Found | None:
    """The function of a role: the first of ``names`` that there is, in the file that is called most like it."""
    codes = [(path, Code(tree.read(path))) for path in candidates(tree)]

    def rank(one: tuple[PurePosixPath, Code]) -> int:
        return FILES[role].index(one[0].stem) if one[0].stem in FILES[role] else len(FILES[role])

    for path, code in sorted(codes, key=rank):
        for name in names if path.stem in FILES[role] else names[:2]:
            if name in code.functions and not (name in ("main", "run") and path.stem not in FILES[role][:3]):
                return Found(path, code, code.functions[name], root_of(tree, path, code))
    return None


def loader_of(tree: SourceTree, predict: Found) -> str:
    """A function without parameters that loads the model, as seen from the root of the predict function; or nothing."""

    def fits(code: Code) -> Callable[[str], bool]:
        return lambda name: name in code.functions and not code.functions[name].required

    if name := next(filter(fits(predict.code), LOAD), ""):
        return f"{predict.target.partition(':')[0]}:{name}"
    return ""


def root_of(tree: SourceTree, path: PurePosixPath, code: Code) -> PurePosixPath:
    """Its own folder, where it imports what lies beside it by its name alone, as a script does; else the top."""
    beside = {name.removesuffix(".py") for name in tree.names(path.parent)}
    at_top = {name.removesuffix(".py") for name in tree.names()}
    tops = {one.module.partition(".")[0] for one in code.imports}
    return path.parent if path.parent.parts and tops & (beside - at_top) else PurePosixPath()
