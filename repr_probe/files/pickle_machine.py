"""The opcodes of pickle (protocols 0 to 5) over a stack and a memo, without a single import or call.

What names, calls, states and persistent ids *mean* is for the subclass to say. Python's own unpickler in C allocates a memo as large as
the largest index a hostile file writes, and both of its unpicklers follow lengths before they know that the bytes are there; here every
value costs bytes of the file and a step of a budget, so that time and memory are bounded by what was read.
"""

from __future__ import annotations

import codecs
import pickle
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol

STEPS_LIMIT = 6_000_000  # an ordinary checkpoint takes 20,000; a list of 1.3 million file names takes 2.6 million
LINE_LIMIT = 1 << 20
KEY_PARTS_LIMIT, KEY_WHOLE_LIMIT = 64, 1000  # parts of one tuple; of a whole key, however its tuples share them
KEY_TEXT_LIMIT = 10_000  # characters within the tuples of one key


class Buffer(Protocol):
    """bytes, or a mapped file."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: Any, /) -> Any: ...
    def find(self, wanted: bytes, start: int, end: int, /) -> int: ...


class Refused(Exception):
    """A pickle asks for what no checkpoint needs. `what` goes behind the name of the file: "must ...; got ..."."""

    def __init__(self, what: str, code: str) -> None:
        super().__init__(what)
        self.what, self.code = what, code


class Machine(ABC):
    """Runs one pickle that starts at `at` in `data`; afterwards `at` is behind its end.

    protocol: the highest the pickle announced.
    """

    def __init__(self, data: Buffer, at: int = 0, *, end: int | None = None) -> None:
        self.data, self.at, self.end = data, at, len(data) if end is None else end
        self.protocol = 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.left = STEPS_LIMIT

    def run(self) -> Any:
        data, end, steps = self.data, self.end, STEPS
        while self.at < end:
            code = data[self.at]
            self.at += 1
            if code == STOP:
                return self.stack.pop()
            self.left -= 1 if code not in COSTLY else 3
            if self.left < 0:
                self.spend(0)
            step = steps.get(code)
            if step is None:
                raise pickle.UnpicklingError(f"unknown opcode {code:#04x}")
            step(self)
        raise EOFError("the pickle ends in the middle")

    def spend(self, steps: int) -> None:
        """Pay for what is about to be made: one opcode may copy an object of any size."""
        self.left -= steps
        if self.left < 0:
            raise Refused(f"must be describable in {STEPS_LIMIT} steps; got more; save long lists as arrays", "E_PICKLE_LIMIT")

    # What things mean: for subclasses.
    @abstractmethod
    def named(self, module: str, name: str) -> Any:
        """What the pickle means by `module.name`."""

    @abstractmethod
    def called(self, function: Any, arguments: tuple[Any, ...], keywords: dict[Any, Any] | None = None) -> Any:
        """What the pickle means by calling `function`, which came from `named` or `called`."""

    @abstractmethod
    def built(self, thing: Any, state: Any) -> Any:
        """`thing` after its state was set; another object where it only now can be made."""

    @abstractmethod
    def filled(self, thing: Any, items: list[tuple[Any, Any]]) -> None:
        """Put entries into a kind of dictionary."""

    @abstractmethod
    def extended(self, thing: Any, items: list[Any]) -> None:
        """Put items into a kind of list or set."""

    @abstractmethod
    def persistent(self, key: Any) -> Any:
        """What the pickle means by something kept outside of it."""

    # Bytes of the pickle.
    def take(self, n_bytes: int) -> bytes:
        start = self.at
        if not 0 <= n_bytes <= self.end - start:
            raise EOFError("the pickle ends in the middle of a value")
        self.at = start + n_bytes
        return self.data[start : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        stop = self.data.find(b"\n", self.at, min(self.end, self.at + LINE_LIMIT))
        if stop < 0:
            raise EOFError("the pickle ends in the middle of a line")
        text = self.take(stop + 1 - self.at)
        return text[:-1]

    def unmark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]


def usable_key(machine: Machine, key: Any) -> Any:
    """`key`, if hashing it is certain to be quick: nested tuples can take 2^60 steps, or the stack of the interpreter."""
    if type(key) is str:
        return key
    waiting, n_parts, n_characters = [(key, 0)], 0, 0
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, tuple):
            n_parts += len(part)
            if depth > 3 or len(part) > KEY_PARTS_LIMIT or n_parts > KEY_WHOLE_LIMIT:
                raise Refused("must use plain keys; got a key of deeply nested tuples", "E_KEYS")
            waiting += [(inner, depth + 1) for inner in part]
        elif isinstance(part, str | bytes) and depth:
            n_characters += len(part)
            if n_characters > KEY_TEXT_LIMIT:
                raise Refused("must use plain keys; got a tuple of long texts as a key", "E_KEYS")
        elif type(part) is int:
            if part.bit_length() > 60:  # such integers can be made to share one hash
                raise Refused("must use plain keys; got an integer above 2^60 as a key", "E_KEYS")
        elif isinstance(part, frozenset):
            raise Refused("must use plain keys; got a set as a key", "E_KEYS")
    machine.spend(n_parts)  # tuples do not remember their hash
    return key


def pairs(machine: Machine, items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise pickle.UnpicklingError("a key without a value")
    return [(usable_key(machine, items[at]), items[at + 1]) for at in range(0, len(items), 2)]


def members(machine: Machine, items: Iterable[Any]) -> list[Any]:
    return [usable_key(machine, item) for item in items]


def _counted(form: str, make: Callable[[bytes], Any]) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        machine.stack.append(make(machine.take(machine.number(form))))

    return step


def _fixed(form: str) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(machine.number(form))


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value)


def _fresh(make: Callable[[], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(make())


def _from_line(make: Callable[[bytes], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(make(machine.line()))


def _of_mark(make: Callable[[Machine, list[Any]], Any]) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        items = machine.unmark()
        machine.stack.append(make(machine, items))

    return step


def _of_top(count: int) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        if len(machine.stack) < count:
            raise pickle.UnpicklingError("a tuple of values that are not there")
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return step


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _latin(raw: bytes) -> str:
    return raw.decode("latin-1")


def _integer_line(raw: bytes) -> Any:
    if raw in (b"00", b"01"):
        return raw == b"01"
    return int(raw.removesuffix(b"L"), 0)


def _quoted(raw: bytes) -> str:
    if len(raw) < 2 or raw[:1] != raw[-1:] or raw[:1] not in b"\"'":
        raise pickle.UnpicklingError("a text without quotes")
    return codecs.escape_decode(raw[1:-1])[0].decode("latin-1")  # type: ignore[attr-defined]


def _signed(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _proto(machine: Machine) -> None:
    protocol = machine.number("<B")
    if protocol > 5:
        raise pickle.UnpicklingError(f"unknown protocol {protocol}")
    machine.protocol = max(machine.protocol, protocol)


def _frame(machine: Machine) -> None:
    if machine.number("<Q") > machine.end - machine.at:
        raise EOFError("the pickle ends in the middle of a frame")


def _mark(machine: Machine) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.unmark()


def _pop_mark(machine: Machine) -> None:
    machine.unmark()


def _duplicate(machine: Machine) -> None:
    machine.stack.append(machine.stack[-1])


def _recall(index: Callable[[Machine], int]) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(machine.memo[index(machine)])


def _remember(index: Callable[[Machine], int]) -> Callable[[Machine], None]:
    return lambda machine: machine.remember(index(machine))


def _global(machine: Machine) -> None:
    module = _text(machine.line())
    machine.stack.append(machine.named(module, _text(machine.line())))


def _stack_global(machine: Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise pickle.UnpicklingError("a name that is no text")
    machine.stack.append(machine.named(module, name))


def _inst(machine: Machine) -> None:
    module = _text(machine.line())
    made = machine.named(module, _text(machine.line()))
    machine.stack.append(machine.called(made, tuple(machine.unmark())))


def _obj(machine: Machine) -> None:
    function, *arguments = machine.unmark()
    machine.stack.append(machine.called(function, tuple(arguments)))


def _reduce(machine: Machine) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.called(function, _arguments(arguments)))


def _newobj_ex(machine: Machine) -> None:
    keywords, arguments, function = machine.stack.pop(), machine.stack.pop(), machine.stack.pop()
    if not isinstance(keywords, dict):
        raise pickle.UnpicklingError("arguments that are no dictionary")
    machine.stack.append(machine.called(function, _arguments(arguments), keywords))


def _arguments(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise pickle.UnpicklingError("arguments that are no tuple")
    return value


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    machine.stack[-1] = machine.built(machine.stack[-1], state)


def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    machine.extended(machine.stack[-1], [item])


def _appends(machine: Machine) -> None:
    items = machine.unmark()
    machine.extended(machine.stack[-1], items)


def _setitem(machine: Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.filled(machine.stack[-1], [(usable_key(machine, key), value)])


def _setitems(machine: Machine) -> None:
    items = machine.unmark()
    machine.filled(machine.stack[-1], pairs(machine, items))


def _persistent(machine: Machine) -> None:
    machine.stack.append(machine.persistent(machine.stack.pop()))


def _extension(machine: Machine) -> None:
    raise pickle.UnpicklingError("pickle extension codes are not part of a checkpoint")


def _out_of_band(machine: Machine) -> None:
    raise pickle.UnpicklingError("the pickle refers to data outside of it")


STOP = pickle.STOP[0]
# Steps that leave a container behind: they cost memory far beyond their one byte.
COSTLY = frozenset(code[0] for code in (pickle.EMPTY_SET, pickle.EMPTY_DICT, pickle.MARK, pickle.MEMOIZE, pickle.REDUCE, pickle.NEWOBJ))
_BY_CODE: dict[bytes, Callable[[Machine], None]] = {
    pickle.PROTO: _proto, pickle.FRAME: _frame, pickle.MARK: _mark, pickle.POP: _pop, pickle.POP_MARK: _pop_mark,
    pickle.DUP: _duplicate, pickle.NONE: _constant(None), pickle.NEWTRUE: _constant(True), pickle.NEWFALSE: _constant(False),
    pickle.INT: _from_line(_integer_line), pickle.LONG: _from_line(_integer_line), pickle.FLOAT: _from_line(float),
    pickle.BININT: _fixed("<i"), pickle.BININT1: _fixed("<B"), pickle.BININT2: _fixed("<H"), pickle.BINFLOAT: _fixed(">d"),
    pickle.LONG1: _counted("<B", _signed), pickle.LONG4: _counted("<i", _signed),
    pickle.STRING: _from_line(_quoted), pickle.UNICODE: _from_line(lambda raw: str(raw, "raw-unicode-escape")),
    pickle.BINSTRING: _counted("<i", _latin), pickle.SHORT_BINSTRING: _counted("<B", _latin),
    pickle.BINUNICODE: _counted("<I", _text), pickle.SHORT_BINUNICODE: _counted("<B", _text), pickle.BINUNICODE8: _counted("<Q", _text),
    pickle.BINBYTES: _counted("<I", bytes), pickle.SHORT_BINBYTES: _counted("<B", bytes), pickle.BINBYTES8: _counted("<Q", bytes),
    pickle.BYTEARRAY8: _counted("<Q", bytearray), pickle.NEXT_BUFFER: _out_of_band, pickle.READONLY_BUFFER: _out_of_band,
    pickle.EMPTY_TUPLE: _constant(()), pickle.TUPLE: _of_mark(lambda machine, items: tuple(items)),
    pickle.TUPLE1: _of_top(1), pickle.TUPLE2: _of_top(2), pickle.TUPLE3: _of_top(3),
    pickle.EMPTY_LIST: _fresh(list), pickle.LIST: _of_mark(lambda machine, items: list(items)), pickle.EMPTY_DICT: _fresh(dict),
    pickle.DICT: _of_mark(lambda machine, items: dict(pairs(machine, items))),
    pickle.EMPTY_SET: _fresh(set), pickle.FROZENSET: _of_mark(lambda machine, items: frozenset(members(machine, items))),
    pickle.APPEND: _append, pickle.APPENDS: _appends, pickle.ADDITEMS: _appends, pickle.SETITEM: _setitem, pickle.SETITEMS: _setitems,
    pickle.GET: _recall(lambda machine: int(machine.line())), pickle.BINGET: _recall(lambda machine: machine.number("<B")),
    pickle.LONG_BINGET: _recall(lambda machine: machine.number("<I")),
    pickle.PUT: _remember(lambda machine: int(machine.line())), pickle.BINPUT: _remember(lambda machine: machine.number("<B")),
    pickle.LONG_BINPUT: _remember(lambda machine: machine.number("<I")), pickle.MEMOIZE: _remember(lambda machine: len(machine.memo)),
    pickle.GLOBAL: _global, pickle.STACK_GLOBAL: _stack_global, pickle.INST: _inst, pickle.OBJ: _obj,
    pickle.REDUCE: _reduce, pickle.NEWOBJ: _reduce, pickle.NEWOBJ_EX: _newobj_ex, pickle.BUILD: _build,
    pickle.PERSID: lambda machine: machine.stack.append(machine.persistent(machine.line().decode("ascii"))), pickle.BINPERSID: _persistent,
    pickle.EXT1: _extension, pickle.EXT2: _extension, pickle.EXT4: _extension,
}  # fmt: skip
STEPS: dict[int, Callable[[Machine], None]] = {code[0]: step for code, step in _BY_CODE.items()}
