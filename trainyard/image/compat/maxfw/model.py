"""``maxfw.model``."""

from __future__ import annotations

from typing import Any


class MAXModelWrapper:
    """A model that is made once; ``predict`` goes through three steps that subclasses have."""

    MODEL_META_DATA: Any = None

    def __init__(self, path: Any = None) -> None:
        pass

    def _pre_process(self, x: Any) -> Any:
        return x

    def _post_process(self, x: Any) -> Any:
        return x

    def _predict(self, x: Any) -> Any:
        raise NotImplementedError

    def predict(self, x: Any, **kwargs: Any) -> Any:
        """The result for one input."""
        return self._post_process(self._predict(self._pre_process(x), **kwargs))
