"""What a BentoML service imports from ``bentoml``, where the package is not installed: its decorators, no server and no
store of models."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn


def service(inner: Any = None, /, **_: Any) -> Any:
    """The class as it is."""
    return inner if inner is not None else lambda one: one


def api(func: Any = None, /, **_: Any) -> Any:
    """The method as it is."""
    return func if func is not None else lambda one: one


task = on_startup = on_shutdown = on_deployment = api


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Around imports of what a service runs with."""
    yield


class Context:
    """What a request came with; there is nothing in it."""


class _Chain:
    """``Image(...).python_packages(...)``: what an image of BentoML would hold."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: self


class images:  # noqa: N801 -- bentoml's name
    """``bentoml.images``."""

    Image = _Chain
    PythonImage = _Chain


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):  # what Python itself looks for
        raise AttributeError(name)
    raise ModuleNotFoundError(
        f"bentoml.{name}: this image's stand-in for bentoml has service and api alone; add bentoml", name="bentoml"
    )
