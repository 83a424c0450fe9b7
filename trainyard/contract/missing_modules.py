"""What to do about a module that cannot be found.

A name that nobody knows is never taken for a package: whoever installs a stranger's package runs a stranger's code.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from trainyard.contract.namesakes import MOUNTED

STAND_INS = os.path.realpath(Path(__file__).parents[1] / "image" / "compat") + os.sep
MOST = 3  # packages that a line names
# The distributions of well-known import names.
DISTRIBUTIONS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cortex": "cortex-python",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "distutils": "setuptools",
    "dotenv": "python-dotenv",
    "imblearn": "imbalanced-learn",
    "jwt": "PyJWT",
    "PIL": "pillow",
    "pkg_resources": "setuptools<81",
    "psycopg2": "psycopg2-binary",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "PyYAML",
}
OF_THE_SAME_NAME = (
    "altair", "bentoml", "boto3", "catboost", "category_encoders", "cloudpickle", "cog", "datasets", "dill", "gensim",
    "h5py", "hdbscan", "httpx", "joblib", "keras", "lightgbm", "lxml", "matplotlib", "mlflow", "networkx", "nltk",
    "numba", "numpy", "onnx", "onnxmltools", "onnxruntime", "openpyxl", "optuna", "pandas", "patsy", "plotly",
    "polars", "prophet", "pyarrow", "pydantic", "pytz", "redis", "requests", "scipy", "seaborn", "setuptools", "shap",
    "skl2onnx", "skops", "spacy", "sqlalchemy", "statsmodels", "tensorflow", "tokenizers", "torch", "torchvision",
    "tqdm", "transformers", "ujson", "xgboost", "xlrd",
)  # fmt: skip
# Once of Python, and of no version that our images have.
REMOVED = (
    "asynchat", "asyncore", "audioop", "binhex", "cgi", "cgitb", "chunk", "crypt", "formatter", "imghdr", "imp",
    "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "parser", "pipes", "smtpd", "sndhdr", "spwd", "sunau",
    "symbol", "telnetlib", "uu", "xdrlib", "cPickle", "StringIO", "ConfigParser", "Queue", "urllib2", "urlparse",
    "httplib", "__builtin__",
)  # fmt: skip


def fix_of(name: str, importer: str, sources: Path, requirements: str) -> str:
    """The fix for a module ``name`` that was not found.

    Args:
        name: as it was imported, with dots.
        importer: the file that imports it, relative to ``sources``; empty where it is not one of them.
        sources: the folder of the sources, which is on ``sys.path``.
        requirements: the requirements file of the role.
    """
    top = name.partition(".")[0]
    if (sources / top).exists() or (sources / f"{top}.py").exists():
        return f"there is no {name} in the sources, correct the import"
    if packages := _packages_with(top, importer, sources):
        return f"write {' or '.join(f'{package}.{name}' for package in packages)}: that is its path in the sources"
    if top in REMOVED:
        return f"Python {sys.version_info.major}.{sys.version_info.minor} has no {top} any more, replace it"
    if _is_installed(top):
        return f"the installed {_installed(top)} has no {name}, correct the import"
    return ("" if _distribution(top) else "correct the import, or ") + to_add(name, requirements)


def to_add(name: str, requirements: str) -> str:
    """What to add to the requirements for a module ``name`` that no file of the sources has."""
    top = name.partition(".")[0]
    return f"add {_distribution(top) or f'the package that has {top}'} to {requirements}"


def _is_installed(top: str) -> bool:
    """Our stand-in for a historical module is not the package itself."""
    spec = importlib.util.find_spec(top)
    return spec is not None and not str(spec.origin).startswith(STAND_INS)


def _distribution(top: str) -> str:
    return top if top in OF_THE_SAME_NAME else DISTRIBUTIONS.get(top, "")


def _packages_with(top: str, importer: str, sources: Path) -> list[str]:
    """The packages in the sources that have a module of that name; where the importer's own is one, that alone. None
    where it is rather the package that everybody knows."""
    found = {f"{module}.".partition(f".{top}.")[0] for module in modules(sources) if f".{top}." in f"{module}."}
    own = ".".join(Path(importer).parent.parts)
    if own in found:
        return [own]
    return [] if _distribution(top) else sorted(found)[:MOST]  # of many projects one may have a yaml.py


def modules(sources: Path) -> Iterator[str]:
    """The dotted names of the Python files in the sources."""
    for folder, folders, files in os.walk(sources):
        folders[:] = [name for name in folders if name.isidentifier() and name not in MOUNTED]
        dotted = ".".join(Path(folder).relative_to(sources).parts)
        yield from (f"{dotted}.{file[:-3]}".lstrip(".") for file in files if file.endswith(".py"))


def _installed(top: str) -> str:
    """The distribution of an installed module, with its version."""
    found = importlib.metadata.packages_distributions().get(top, [])
    if not found:
        return f"Python {sys.version_info.major}.{sys.version_info.minor}" if top in sys.stdlib_module_names else top
    return f"{found[0]} {importlib.metadata.version(found[0])}"
