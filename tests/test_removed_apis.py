"""What code uses that newer packages do not have: read, and never run."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
from pathlib import Path

import pytest
from packaging.version import Version

from trainyard.host.operations.removed_apis import by_ruff, table
from trainyard.host.operations.removed_apis.by_ast import find_removed
from trainyard.host.operations.removed_apis.by_ruff import find_removed_of_numpy
from trainyard.settings.host import HostSettings

NEWEST = {"scikit-learn": "1.7", "pandas": "3.0", "scipy": "1.16", "python": "3.12"}
OLD = {"scikit-learn": "1.1.3", "pandas": "1.5.0", "scipy": "1.9", "python": "3.9"}


def found(text: str, versions: dict[str, str], path: Path = Path("a.py")) -> list[tuple[int, str]]:
    known = {name: Version(version) for name, version in versions.items()}
    return [(one.line, f"{one.what}: {one.fix}") for one in find_removed(path, text, known)]


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("from sklearn.linear_model import Ridge as R\nR(alpha=1,\n  normalize=True)",
         "Ridge(normalize=...) was removed in scikit-learn 1.2: put a StandardScaler"),
        ("import sklearn.ensemble as e\n\ne.GradientBoostingClassifier(loss='deviance')",
         "GradientBoostingClassifier(loss='deviance') was removed in scikit-learn 1.3: write \"log_loss\""),
        ("import sklearn.ensemble\n\nsklearn.ensemble.RandomForestRegressor(max_features='auto')",
         "scikit-learn 1.3: write 1.0"),
        ("\n\nfrom sklearn.externals import joblib", "sklearn.externals.joblib was removed in scikit-learn 0.23"),
        ("import sklearn.datasets\n\nsklearn.datasets.load_boston()", "sklearn.datasets.load_boston was removed"),
        ("import pandas as pd\n\npd.get_dummies(x, columns=['a'])", "gives booleans, not 0 and 1, since pandas 2.0"),
        ("\n\ntable = table.append(row, ignore_index=True)", ".append(ignore_index=...) was removed in pandas 2.0"),
        ("\n\nif table.a.dtype == object: pass", "a column of strings is str, not object, since pandas 3.0"),
        ("\n\ntable.select_dtypes(include=['object'])", "a column of strings is str"),
        ("x = (1,\n2)\nencoder.get_feature_names()", ".get_feature_names was removed in scikit-learn 1.2"),
        ("\n\nimport distutils.util", "distutils was removed in Python 3.12"),
        ("\n\nfrom collections import Mapping, OrderedDict", "collections.Mapping was removed in Python 3.10"),
    ],
)  # fmt: skip
def test_what_the_locked_version_has_removed_is_named_with_its_line(code: str, part: str) -> None:
    (one,) = found(code, NEWEST)
    assert one[0] == 3
    assert part in one[1]
    assert found(code, OLD) == [] or "0.23" in part
    assert found(code, {}) == []


@pytest.mark.parametrize(
    "code",
    [
        "from mine import Ridge\nRidge(normalize=True)",
        "from sklearn.linear_model import Ridge\nRidge(alpha=1)",
        "from sklearn.preprocessing import normalize\nnormalize(x)",
        "from sklearn.ensemble import GradientBoostingClassifier as G\nG(loss='log_loss', criterion='friedman_mse')",
        "import pandas as pd\npd.get_dummies(x, dtype=int)",
        "rows.append(row)\nx.dtype == 'float64'\nx.dtype == kind",
        "import numpy as ix\nix.ix\nfrom . import imp",
    ],
)
def test_what_is_still_there_is_not_named(code: str) -> None:
    assert found(code, NEWEST) == []


def test_code_is_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    assert found(f"open({str(ran)!r}, 'w')\nimport imp", NEWEST)
    assert not ran.exists()


IMPORTED = ("linear_model", "ensemble", "tree", "cluster", "preprocessing", "model_selection", "metrics", "calibration")


@pytest.mark.slow
@pytest.mark.parametrize("row", table.ARGUMENTS, ids=lambda row: f"{row.callables[0]}-{row.name}-{row.value}")
def test_the_packages_here_have_removed_the_arguments_of_the_table(row: table.Argument) -> None:
    """A row with a wrong name, or of what has come back, would be noise in every report."""
    import numpy as np

    name = table.IMPORTED_AS[row.package]
    modules = [importlib.import_module(name), *(importlib.import_module(f"sklearn.{part}") for part in IMPORTED)]
    for callable_name in row.callables:
        called = next(getattr(module, callable_name) for module in modules if hasattr(module, callable_name))
        if row.value is None:
            assert row.name not in inspect.signature(called).parameters, callable_name
        else:
            assert row.name in inspect.signature(called).parameters, callable_name
            with pytest.raises(ValueError):
                called(**{row.name: row.value}).fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "row", [row for row in table.NAMES if row.package in ("pandas", "scikit-learn")], ids=lambda row: row.name
)
def test_the_packages_here_have_removed_the_names_of_the_table(row: table.Name) -> None:
    module, _, last = row.name.rpartition(".")
    with contextlib.suppress(ImportError):  # scikit-learn says at length why load_boston is gone
        assert not hasattr(importlib.import_module(module), last)


NUMPY = "import numpy as np\nnp.int(1)\nx = (np.\n  float_(2))\nnp.trapz\nnp.row_stack\nnp.product([1])  # noqa\n"


def test_names_that_numpy_has_removed_are_those_that_ruff_knows(tmp_path: Path) -> None:
    path = tmp_path / "a b.py"
    path.write_text(NUMPY)

    def names(version: str) -> list[tuple[int, str]]:
        settings = HostSettings.read({name: os.environ[name] for name in ("INDEX_URL",) if name in os.environ})
        return [(one.line, one.what) for one in find_removed_of_numpy([path], Version(version), settings)]

    aliases = [(2, "np.int was removed in numpy 1.24")]
    second = [(3, "np.float_ was removed in numpy 2.0"), (7, "np.product was removed in numpy 2.0")]
    assert names("1.23.2") == []
    assert names("1.26.4") == aliases
    assert sorted(names("2.3.0")) == sorted([*aliases, *second])
    assert (5, "np.trapz was removed in numpy 2.4") in names("2.4.0")
    assert not any("row_stack" in what for _, what in names("2.4.0"))


def test_the_fix_is_the_end_of_what_ruff_says() -> None:
    assert by_ruff._fix("`np.x` will be removed in NumPy 2.0. Use `numpy.y` instead.") == "use `numpy.y` instead"
    assert by_ruff._fix("Type alias `np.int` is deprecated, replace with builtin type") == "replace with builtin type"
