"""Runs code that was written for something else, from the folder ``original/`` beside a model's predict.py.

It is imported with that folder first on the path and as the working folder, as where it came from. What it opens later
by a relative path it looks for where our images work: ``models/`` and ``data/`` are there.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.models.binaries import load_model, save_model, served_model_name

FOLDER = "original"
_lock = threading.RLock()


class Original:
    """The code in the folder ``original/`` beside ``file``."""

    def __init__(self, file: str, inside: str = "") -> None:
        """``inside``: the folder of it that its own imports begin at."""
        self.folder = Path(file).resolve().parent / FOLDER / inside
        self._modules: dict[str, ModuleType] = {}
        self._made: dict[str, Any] = {}

    def named(self, target: str) -> Any:
        """``module:name``: a function or a class of it.

        Raises:
            TrainyardError: the module has no such name; whatever importing it raises.
        """
        module, _, name = target.partition(":")
        with _lock:
            if module not in self._modules:
                with self.surroundings():
                    self._modules[module] = importlib.import_module(module)
        found = getattr(self._modules[module], name, None)
        if found is None:
            raise TrainyardError(f"{self.folder}: {module} has no {name}", "correct the name in predict.py or train.py")
        return found

    def made(self, target: str, *, then: str = "") -> Any:
        """An instance of the class ``target``, made at the first call, whose method ``then`` is called."""
        with _lock:
            if target not in self._made:
                kind = self.named(target)
                kind = getattr(kind, "inner", kind)  # a service of BentoML wraps its class
                with self.surroundings():
                    instance = kind()
                    if then and hasattr(instance, then):
                        finished(getattr(instance, then)())
                self._made[target] = instance
            return self._made[target]

    def loaded(self, target: str) -> Any:
        """What the function ``target`` returns, called once; for functions that load a model."""
        with _lock:
            if target not in self._made:
                self._made[target] = finished(self.named(target)())
            return self._made[target]

    @contextlib.contextmanager
    def surroundings(self) -> Iterator[None]:
        """The folder is the working folder and first on the path; modules of other code with names that are its own
        are out of the way. Afterwards it is last on the path: what is imported late is found."""
        own = {path.stem for path in self.folder.iterdir()}
        hidden = {
            name: module
            for name, module in sys.modules.items()
            if name.partition(".")[0] in own and name.partition(".")[0] not in sys.stdlib_module_names
        }
        for name in hidden:
            del sys.modules[name]
        entry = str(self.folder)
        sys.path[:] = [entry, *(one for one in sys.path if one != entry)]
        try:
            with contextlib.chdir(self.folder):
                yield
        finally:
            sys.path[:] = [*(one for one in sys.path if one != entry), entry]
            sys.modules.update(hidden)


def finished(result: Any) -> Any:
    """The result of a coroutine; anything else as it is."""
    if inspect.iscoroutine(result):
        import asyncio

        return asyncio.run(result)
    return result


def trained(result: Any, model_name: str) -> Any:
    """What a train function returned, as our training takes it: a model that it has not written itself is saved."""
    parts = list(result) if isinstance(result, tuple) else [result]
    model = next((one for one in parts if hasattr(one, "predict")), None)
    if model is None:
        return result
    metrics = next((one for one in parts if isinstance(one, Mapping)), {})
    if not any(Path("models").glob(f"{model_name}*")):
        save_model(model, model_name, metrics={name: float(value) for name, value in metrics.items()})
    return dict(metrics)


def published(msg: Mapping[str, Any]) -> dict[str, Any]:
    """The training of a model that came trained: its files become ``models/<model_name>``, with a record.

    Raises:
        TrainyardError: the files are not there.
    """
    payload = msg["payload"]
    source, name = Path(payload["$ref"]), str(payload["model_name"])
    if not source.exists():
        raise TrainyardError(f"{source}: no such files", "import the model again")
    Path("models").mkdir(exist_ok=True)
    target = Path("models") / name
    if source.is_dir():
        if target.is_symlink():  # the training's view of a large file or folder of an earlier training
            target.unlink()
        elif target.exists():
            shutil.rmtree(target)
        shutil.copytree(source, target, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, target.with_name(f"{name}{source.suffix}"))
    return {"files": sum(path.is_file() for path in source.rglob("*")) or 1}


def given(payload: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The parameters of that name which the training was asked for."""
    return {name: payload[name] for name in names if name in payload}


def served(model_name: str) -> Any:
    """The model that this image serves: what its training has saved."""
    return load_model(served_model_name(model_name))
