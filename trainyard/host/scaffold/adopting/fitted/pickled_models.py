"""A pickled estimator: what made it, in which version, and what it takes. It is opened in the image alone."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from trainyard.host.scaffold.adopting.fitted import ubjson
from trainyard.host.scaffold.adopting.fitted.described import Described, NotAModel
from trainyard.host.scaffold.adopting.fitted.pickle_values import LARGEST_TEXT, NotAPickle, Pickle, read_pickle
from trainyard.host.scaffold.adopting.fitted.pickled_objects import Global, Made, Pairs

TRANSFORMERS = tuple(
    f"sklearn.{room}." for room in ("compose", "decomposition", "feature_extraction", "feature_selection", "impute",
                                    "kernel_approximation", "preprocessing", "random_projection")
)  # fmt: skip
OF_TEXTS = "sklearn.feature_extraction.text."
LARGEST = 8 << 30  # bytes of an unpacked pickle
# What a pickled model may name, by its first module, and the package that has it.
PACKAGES = {
    "sklearn": "scikit-learn", "numpy": "numpy", "scipy": "scipy", "pandas": "pandas", "joblib": "joblib",
    "xgboost": "xgboost-cpu>=3,<4", "lightgbm": "lightgbm>=4,<5", "catboost": "catboost>=1.2.8,<2",
    "imblearn": "imbalanced-learn", "category_encoders": "category_encoders",
}  # fmt: skip
OF_PYTHON = frozenset({
    "builtins.object", "builtins.set", "builtins.frozenset", "builtins.list", "builtins.dict", "builtins.tuple",
    "builtins.slice", "builtins.complex", "builtins.bytearray", "builtins.range", "builtins.int", "builtins.float",
    "builtins.str", "builtins.bool", "builtins.bytes", "builtins.type", "builtins.NoneType",
    "copyreg._reconstructor", "copyreg.__newobj__", "_codecs.encode", "collections.OrderedDict",
    "collections.defaultdict", "functools.partial", "datetime.datetime", "datetime.date", "datetime.timedelta",
    "decimal.Decimal", "uuid.UUID", "types.SimpleNamespace",
})  # fmt: skip
PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # as protocols 0 to 2 call them
# Of those packages, what runs or reads what it is given.
DANGEROUS = re.compile(
    r"(testing|f2py|distutils|ctypeslib|_pytesttester|io\.|externals\.loky|computation|memmap|exec|eval|load|open|system"
    r"|import_module|getattr|fromregex|DataSource|Parallel|runstring|savetxt|genfromtxt)",
)
_VERSION = re.compile(r"\d+(\.\d+){1,3}((a|b|rc|\.post)\d+)?")
_UNPACK: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda file: cast("BinaryIO", gzip.GzipFile(fileobj=file)),
    b"BZ": lambda file: cast("BinaryIO", bz2.BZ2File(file)),
    b"\xfd7zXZ": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115 -- closed with the file below it
    b"\x5d\x00\x00": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115
    b"x": lambda file: cast("BinaryIO", io.BufferedReader(_Zlib(file))),
}


def describe(path: Path) -> Described | None:
    """The estimator in a pickle, or in what joblib has packed; None where it is neither.

    Raises:
        NotAModel: it is a pickle of something else, of what nobody can open elsewhere, or a damaged one.
    """
    with path.open("rb") as file:
        start = file.peek(8)
        unpack = next((found for magic, found in _UNPACK.items() if start.startswith(magic)), None)
        if unpack is None and start[:1] not in (b"\x80", b"(", b"c", b"}", b"]"):
            return None
        try:
            found = read_pickle(_Limited(unpack(file) if unpack else file))
        except (NotAPickle, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise NotAModel(f"begins as a pickle, and is damaged ({error})", "copy it again") from None
    return _described(found)


def _described(found: Pickle) -> Described:
    model = found.value
    _check_globals(found.globals)
    if not isinstance(model, Made) or _first(model.kind) not in PACKAGES or _first(model.kind) in ("numpy", "pandas"):
        raise NotAModel(f"a pickle of {_shown(model)}, and of no fitted estimator", "save the estimator by itself")
    if (last := _entry(model, -1).kind).startswith(TRANSFORMERS):
        raise NotAModel(f"{last} transforms rows and predicts nothing", "save the pipeline that ends in an estimator")
    parts = [*_parts(model)]
    if not any(map(_was_fitted, parts)):
        raise NotAModel(f"{model.kind} in it was not fitted", "fit it, and save it again")
    version = next((text for part in parts if isinstance(text := part.get("_sklearn_version"), str)), "")
    if version and not _VERSION.fullmatch(version):
        raise NotAModel(f"its scikit-learn has the version {version[:40]!r}", "save it again")
    owner = f"scikit-learn {version}" if version else _first(model.kind)
    library = f"{model.kind.rpartition('.')[2]} of {owner}"
    if _entry(model).kind.startswith(OF_TEXTS):
        facts = {"texts": True, "class": model.kind}
        required = (*_requirements(found.globals, version, by_name=False),)
        return Described("pickle", library, ".pkl", required, (), 1, frozenset({0}), facts=facts)
    columns, width = _features(parts)
    return Described(
        "pickle", library, ".pkl", tuple(_requirements(found.globals, version, by_name=bool(columns))), columns,
        width if 0 < width < 1_000_000 else 0, None, facts={"by_name": bool(columns), "class": model.kind},
    ).check()  # fmt: skip


def _was_fitted(part: Made) -> bool:
    """By the attributes that scikit-learn's estimators have after that; boosters have a handle."""
    states = part.state if isinstance(part.state, tuple) else (part.state,)
    names = [key for state in states if isinstance(state, Pairs) for key, _ in state if isinstance(key, str)]
    return any(name == "handle" or (name.endswith("_") and not name.endswith("__")) for name in names) or (
        part.kind.startswith("catboost.")
    )


def _entry(model: Made, place: int = 0) -> Made:
    """What sees the rows first, or last (-1): of a search the best estimator, of a pipeline that step."""
    for _ in range(20):
        steps, best = model.get("steps"), model.get("best_estimator_")
        first = steps[place] if isinstance(steps, list) and steps else None
        inner = first[1] if isinstance(first, tuple) and len(first) == 2 else best
        if not isinstance(inner, Made):
            break
        model = inner
    return model


def _features(parts: list[Made]) -> tuple[tuple[str, ...], int]:
    """The names of the columns, and their number; none, or 0, where it does not say them."""
    for part in parts:
        names, width = _texts_of(part.get("feature_names_in_")), part.get("n_features_in_")
        if names or isinstance(width, int):
            return names, width if isinstance(width, int) else len(names)
    return (), _width_of_boosted(parts)


def _width_of_boosted(parts: list[Made]) -> int:
    """What a booster that is not scikit-learn's own says; 0 where it does not, or is too large to be read here."""
    for part in parts:
        if isinstance(width := part.get("_n_features"), int):
            return width
        handle = part.get("handle")
        content = handle if isinstance(handle, bytes) else _bytes_of(handle)
        with contextlib.suppress(ubjson.NotUbjson, KeyError, TypeError, ValueError):
            found = ubjson.loads(content) if content.startswith(b"{") else {}
            return int(found["Model"]["learner"]["learner_model_param"]["num_feature"])
    return 0


def _bytes_of(value: Any) -> bytes:
    """What a bytearray is made of."""
    arguments = value.arguments if isinstance(value, Made) and isinstance(value.arguments, tuple) else ()
    return next((one for one in arguments if isinstance(one, bytes)), b"")


def _check_globals(found: list[Global]) -> None:
    for one in found:
        text = f"{PYTHON_2.get(one.module, one.module)}.{one.name}"
        if one.module == "__main__":
            raise NotAModel(f"it has {text}, which is nowhere but where it was saved", "define it in a module")
        if text in OF_PYTHON:
            continue
        if _first(one.module) not in PACKAGES or "." in one.name:
            fix = "serve it by a predict function of your own, if you trust it"
            raise NotAModel(f"opening it imports {text}, which is not of a library of models", fix)
        if DANGEROUS.search(text) and not text.endswith(("NumpyArrayWrapper", "loader")):
            raise NotAModel(f"opening it calls {text}, which no fitted model needs", "do not open it")


def _first(kind: str) -> str:
    return kind.partition(".")[0]


def _parts(model: Made) -> Iterator[Made]:
    """The object and those that it is made of, the outer ones first. Pipelines are lists of pairs."""
    waiting, seen = deque([model]), set()
    while waiting:
        one: Any = waiting.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Made):
            yield one
            inner: Any = one.state
            waiting.extend(inner if isinstance(inner, tuple) else [inner])
        elif isinstance(one, Pairs):
            waiting.extend(value for _, value in one)
        elif isinstance(one, list | tuple):
            waiting.extend(one)


def _texts_of(array: Any) -> tuple[str, ...]:
    """The texts of a NumPy array of objects, as its state has them."""
    state = array.state if isinstance(array, Made) else None
    values = next((part for part in state if isinstance(part, list)), None) if isinstance(state, tuple) else None
    return tuple(values) if values and all(isinstance(value, str) for value in values) else ()


def _requirements(found: list[Global], version: str, *, by_name: bool) -> Iterator[str]:
    packages = {_first(one.module) for one in found} & PACKAGES.keys()
    if version:
        yield f"scikit-learn=={version}"
    elif packages & {"sklearn", "xgboost", "lightgbm"}:
        yield "scikit-learn"
    yield "joblib"
    if version and [int(part) for part in re.findall(r"\d+", version)[:3]] < [1, 4, 2]:
        yield "numpy<2"  # what was built for NumPy 1 does not run with 2
    if by_name or "pandas" in packages:
        yield "pandas"
    yield from sorted(PACKAGES[name] for name in packages - {"sklearn", "numpy", "scipy", "pandas", "joblib"})


def _shown(value: Any) -> str:
    if isinstance(value, Made):
        return value.kind[:80] or "an object"
    if isinstance(value, Pairs):
        keys = ", ".join(repr(key[:20]) for key, _ in value[:4] if isinstance(key, str))
        return f"a dict with {keys or 'no names'}"
    return f"a {type(value).__name__}"


class _Limited:
    """So that a small file that unpacks to a large one takes neither all time nor all memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, LARGEST

    def read(self, size: int, /) -> bytes:
        self._take(size)
        return self._file.read(size)

    def readline(self, size: int = LARGEST_TEXT, /) -> bytes:
        line = self._file.readline(LARGEST_TEXT)
        self._take(len(line))
        return line

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise NotAPickle(f"it unpacks to more than {LARGEST >> 30} GB")


class _Zlib(io.RawIOBase):
    """What zlib has packed, as joblib's compress= does."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file, self._unpacker = file, zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size, content = len(buffer), b""
        while not content and not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._file.read(1 << 16)
            if not packed:
                break
            content = self._unpacker.decompress(packed, size)
        buffer[: len(content)] = content
        return len(content)
