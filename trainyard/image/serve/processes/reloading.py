"""Loads the routes anew whose model files have changed, in a process that serves nobody yet."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from trainyard.image.serve.prediction.endpoint import Endpoint

# Model code wherever it lies: trainyard.models.binaries keeps what it has loaded.
_MODEL_CODE = re.compile(r"(trainyard\.models|utils|common_utils)(\.|$)")
_OURS = ("__main__", "trainyard")


def renew(
    endpoints: Sequence[Endpoint], changed: set[str] | None, sources: Path, renew_one: Callable[[int, Endpoint], str]
) -> tuple[list[Endpoint], dict[str, str]]:
    """Load the endpoints again to which ``changed`` files below ``models/`` matter.

    Their modules are imported anew: a function may keep its model wherever it likes.

    Args:
        endpoints: of all routes.
        changed: names of files below ``models/``; None: too many to name.
        sources: the folder that the user's modules lie in.
        renew_one: loads one, whose number it is given; returns why the old one is kept, or nothing.

    Returns:
        Those that were renewed, and by route why the others go on with what they had.
    """
    stale = [
        (number, endpoint) for number, endpoint in enumerate(endpoints) if changed is None or endpoint.is_stale(changed)
    ]
    forget_modules(sources)
    renewed, refused = [], {}
    for number, endpoint in stale:
        if reason := renew_one(number, endpoint):
            refused[endpoint.route.path] = reason
        else:
            renewed.append(endpoint)
    return renewed, refused


def forget_modules(sources: Path) -> None:
    """Let the user's modules be imported again; who holds one keeps it."""
    prefixes = tuple({os.path.abspath(sources) + os.sep, os.path.realpath(sources) + os.sep})  # noqa: PTH100 -- both
    for name, module in list(sys.modules.items()):
        is_ours = name.split(".")[0] in _OURS
        if _MODEL_CODE.match(name) or (not is_ours and _is_below(getattr(module, "__file__", None), prefixes)):
            del sys.modules[name]
    importlib.invalidate_caches()


def _is_below(file: str | None, prefixes: tuple[str, ...]) -> bool:
    return bool(file) and str(file).startswith(prefixes) and "site-packages" not in str(file)
