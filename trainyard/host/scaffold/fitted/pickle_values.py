"""What a pickle would make, without making it: its opcodes are walked, no class is imported and nothing is called.

https://docs.python.org/3/library/pickletools.html describes the opcodes. joblib writes arrays between them, right after
the opcode that ends their wrapper. Nothing here hashes or recurses over what the file gives: a hostile one would
choose how deep.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

from trainyard.host.scaffold.fitted.pickled_objects import Global, Made, Pairs, Skipped

LARGEST_TEXT = 1 << 20  # bytes of a text that is kept; a longer one is skipped
MOST_OPCODES = 50_000_000
MAKERS = ("copy_reg._reconstructor", "copyreg._reconstructor", "copyreg.__newobj__")
NESTED = 8  # arrays of objects in arrays of objects
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_COUNTED = {"1": 1, "4": 4, "8": 8}
_NAME = re.compile(r"[\w.<>]{1,400}")
_ITEM = re.compile(r"[<>|=]?([a-zA-Z?])(\d*)")


class NotAPickle(Exception):
    """The bytes are no pickle, or one that ends too early."""


class Source(Protocol):
    """A file, or what unpacks one."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int = ..., /) -> bytes: ...


@dataclass
class Pickle:
    """The value, and all that unpickling would import."""

    value: Any
    globals: list[Global]


def read_pickle(source: Source) -> Pickle:
    """Walk the pickle that begins here.

    Raises:
        NotAPickle: it is none.
    """
    found: list[Global] = []
    return Pickle(_Walk(source, found, 0).value(), found)


class _Walk:
    """The stack machine of pickle, on descriptions."""

    def __init__(self, source: Source, found: list[Global], depth: int) -> None:
        self._source, self._found, self._depth = source, found, depth
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def value(self) -> Any:
        try:
            for _ in range(MOST_OPCODES):
                code = self._source.read(1).decode("latin-1")
                opcode = _OPCODES.get(code)
                if opcode is None:
                    raise NotAPickle(f"byte {code!a}" if code else "it ends too early")
                if opcode.name == "STOP":
                    return self._pop()
                self._do(opcode.name, self._argument(opcode))
        except (IndexError, ValueError, TypeError, OverflowError) as error:
            raise NotAPickle(str(error)) from None
        raise NotAPickle("it has too many opcodes")

    def _argument(self, opcode: Any) -> Any:
        """Of what has a length, by ourselves: pickletools reads all of it, however long."""
        argument = opcode.arg
        if argument is None:
            return None
        kind = re.fullmatch(r"(string|bytes|bytearray|unicodestring|long)([148])", argument.name)
        if kind is None:
            return argument.reader(self._source)
        length = int.from_bytes(self._exactly(_COUNTED[kind[2]]), "little")
        if length > LARGEST_TEXT:
            self._skip(length)
            return Skipped()
        content = self._exactly(length)
        if kind[1] == "long":
            return int.from_bytes(content, "little", signed=True)
        return content.decode("utf-8", "surrogatepass") if kind[1] == "unicodestring" else content

    def _exactly(self, size: int) -> bytes:
        content = self._source.read(size)
        if len(content) < size:
            raise NotAPickle("it ends too early")
        return content

    def _skip(self, size: int) -> None:
        while size > 0:
            size -= len(self._exactly(min(size, LARGEST_TEXT)))

    def _do(self, name: str, argument: Any) -> None:
        if action := _ACTIONS.get(name):
            action(self)
        elif name in ("GLOBAL", "INST"):
            self._global(*str(argument).split(" ", 1))
            if name == "INST":
                made = self._pop()
                self._stack.append(Made(made, tuple(self._marked())))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if argument not in self._memo:
                raise NotAPickle("it names what it has not made")
            self._stack.append(self._memo[argument])
        elif name.startswith("EXT"):
            self._stack.append(Made(Global("copyreg", f"extension {argument}")))
        elif name == "PERSID":
            self._stack.append(Made(Global("pickle", "persistent_load"), argument))
        elif name in ("STRING", "UNICODE", "INT", "LONG", "FLOAT") or pickletools_pushes(name):
            self._stack.append(argument)
        elif name not in ("PROTO", "FRAME"):
            raise NotAPickle(f"opcode {name}")

    def _pop(self) -> Any:
        return self._stack.pop()

    def _marked(self) -> list[Any]:
        """What came since the last mark."""
        place = self._marks.pop()
        found, self._stack[place:] = self._stack[place:], []
        return found

    def _global(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str) and _NAME.fullmatch(f"{module}.{name}")):
            raise NotAPickle("a class without a name")
        found = Global(module, name)
        self._found.append(found)
        self._stack.append(found)

    def stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._global(module, name)

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def pop(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def pop_mark(self) -> None:
        self._marked()

    def make_tuple(self, count: int | None) -> None:
        items = self._marked() if count is None else [self._pop() for _ in range(count)][::-1]
        self._stack.append(tuple(items))

    def make_list(self) -> None:
        self._stack.append(self._marked())

    def make_dict(self) -> None:
        items = self._marked()
        self._stack.append(Pairs(zip(items[::2], items[1::2], strict=True)))

    def add(self, count: int | None, width: int) -> None:
        """To a list (``width`` 1) or a dict (2); to what has methods of its own it is noted."""
        items = self._marked() if count is None else [self._pop() for _ in range(count)][::-1]
        target = self._stack[-1]
        if width == 2:
            pairs = list(zip(items[::2], items[1::2], strict=True))
            (target if isinstance(target, Pairs) else target.items if isinstance(target, Made) else []).extend(pairs)
        elif isinstance(target, list):
            target.extend(items)
        elif isinstance(target, Made):
            target.items.extend(items)

    def reduce(self) -> None:
        """What protocols 0 and 1 make objects by is seen through: it is given their class."""
        arguments, by = self._pop(), self._pop()
        if isinstance(by, Global) and str(by) in MAKERS and isinstance(arguments, tuple) and arguments:
            by, arguments = arguments[0], arguments[1:]
        self._stack.append(Made(by, arguments))

    def new(self) -> None:
        arguments, by = self._pop(), self._pop()
        self._stack.append(Made(by, arguments))

    def new_with_names(self) -> None:
        _, arguments, by = self._pop(), self._pop(), self._pop()
        self._stack.append(Made(by, arguments))

    def build(self) -> None:
        state, made = self._pop(), self._stack[-1]
        if not isinstance(made, Made):
            return
        made.state = state
        if made.kind.startswith("joblib.") and made.kind.endswith("NumpyArrayWrapper"):
            self._stack[-1] = self._array(made)

    def persistent(self) -> None:
        self._stack.append(Made(Global("pickle", "persistent_load"), self._pop()))

    def _array(self, wrapper: Made) -> Any:
        """What lies in the file where joblib's wrapper of an array ends."""
        shape, dtype = wrapper.get("shape"), wrapper.get("dtype")
        if not isinstance(shape, tuple) or not all(isinstance(size, int) and size >= 0 for size in shape):
            raise NotAPickle("an array without a shape")
        code = dtype.arguments[0] if isinstance(dtype, Made) and isinstance(dtype.arguments, tuple) else ""
        match = _ITEM.fullmatch(code.decode("latin-1") if isinstance(code, bytes) else str(code))
        if match is None:
            raise NotAPickle("an array of an unknown type")
        if match[1] == "O":
            if self._depth >= NESTED:
                raise NotAPickle("arrays in arrays in arrays")
            return _Walk(self._source, self._found, self._depth + 1).value()
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self._skip(self._exactly(1)[0])
        self._skip(prod(shape) * int(match[2] or 1) * (4 if match[1] == "U" else 1))
        return wrapper


def pickletools_pushes(name: str) -> bool:
    """Whether an opcode only puts its argument on the stack."""
    return name.startswith(("BIN", "SHORT_BIN", "LONG", "BYTEARRAY"))


def _push(value: Any) -> Callable[[_Walk], None]:
    return lambda walk: walk._stack.append(value)


def _push_new(kind: Callable[[], Any]) -> Callable[[_Walk], None]:
    return lambda walk: walk._stack.append(kind())


_ACTIONS: dict[str, Callable[[_Walk], None]] = {
    "NONE": _push(None), "NEWTRUE": _push(True), "NEWFALSE": _push(False),
    "EMPTY_LIST": _push_new(list), "EMPTY_DICT": _push_new(Pairs), "EMPTY_SET": _push_new(list),
    "EMPTY_TUPLE": _push(()), "MARK": _Walk.mark, "POP": _Walk.pop, "POP_MARK": _Walk.pop_mark,
    "DUP": lambda walk: walk._stack.append(walk._stack[-1]),
    "MEMOIZE": lambda walk: walk._memo.__setitem__(len(walk._memo), walk._stack[-1]),
    "TUPLE": lambda walk: walk.make_tuple(None), "TUPLE1": lambda walk: walk.make_tuple(1),
    "TUPLE2": lambda walk: walk.make_tuple(2), "TUPLE3": lambda walk: walk.make_tuple(3),
    "LIST": _Walk.make_list, "DICT": _Walk.make_dict, "FROZENSET": _Walk.make_list,
    "APPEND": lambda walk: walk.add(1, 1), "APPENDS": lambda walk: walk.add(None, 1),
    "ADDITEMS": lambda walk: walk.add(None, 1),
    "SETITEM": lambda walk: walk.add(2, 2), "SETITEMS": lambda walk: walk.add(None, 2),
    "REDUCE": _Walk.reduce, "NEWOBJ": _Walk.new, "NEWOBJ_EX": _Walk.new_with_names, "BUILD": _Walk.build,
    "STACK_GLOBAL": _Walk.stack_global, "BINPERSID": _Walk.persistent,
    "OBJ": lambda walk: _object(walk),
}  # fmt: skip


def _object(walk: _Walk) -> None:
    by, *arguments = walk._marked()
    walk._stack.append(Made(by, tuple(arguments)))
