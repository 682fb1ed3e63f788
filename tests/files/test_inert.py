"""The inert reader: what comes back from pickles, that it agrees with Python's own reader, and that nothing in them is made or run."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import io
import os
import pathlib
import pickle
import random
import subprocess
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repr_probe.errors import FileFormatError
from repr_probe.files.dangerous import is_dangerous
from repr_probe.files.dead import Dead, Name
from repr_probe.files.inert import plain, unpickle_inert
from repr_probe.files.pickle_machine import STEPS

PROTOCOLS = range(6)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(-9, 9), inner, max_size=4),
    max_leaves=20,
)


@given(plain_values, st.sampled_from(PROTOCOLS))
def test_plain_values_come_back_as_python_reads_them(value: Any, protocol: int) -> None:
    assert unpickle_inert(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_containers_of_the_standard_library(protocol: int) -> None:
    value = {
        "o": collections.OrderedDict(a=1, b=[2]), "d": collections.defaultdict(list, {"k": [1]}), "c": collections.Counter("aab"),
        "q": collections.deque([1, 2], maxlen=3), "s": {1, 2}, "f": frozenset("x"), "b": bytearray(b"yz"), "z": 3 + 4j,
        "p": pathlib.PurePosixPath("/data/x.pt"), "l": 2**100, "n": -(2**40), "big": b"x" * 300, "text": "ü\n" * 300,
    }  # fmt: skip
    read = unpickle_inert(pickle.dumps(value, protocol))
    assert read["o"] == {"a": 1, "b": [2]} and read["d"] == {"k": [1]} and read["c"] == {"a": 2, "b": 1} and read["q"] == [1, 2]
    assert read["p"] == "/data/x.pt" and read["s"] == {1, 2} and set(read["f"]) == {"x"} and read["b"] == bytearray(b"yz")
    assert all(read[key] == value[key] for key in ("z", "l", "n", "big", "text"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("code", ["<f4", ">i2", "?", "c8", "<U3", "S2", "u1"])
def test_numpy_arrays_and_scalars(protocol: int, code: str) -> None:
    array = np.arange(6).astype(code).reshape(2, 3)
    value = {"c": array, "f": np.asfortranarray(array), "scalar": array[1, 2], "again": array, "empty": array[:0]}
    read = unpickle_inert(pickle.dumps(value, protocol))
    assert all(np.array_equal(read[key], value[key]) and read[key].dtype == value[key].dtype for key in value)
    assert read["again"] is read["c"]


def test_arrays_of_objects_stay_dead() -> None:
    read = unpickle_inert(pickle.dumps({"a": np.array([{}, None], dtype=object), "t": np.datetime64("2020-01-01")}))
    assert isinstance(read["a"], Dead) and read["a"].kind == "numpy.ndarray" and isinstance(read["t"], Dead)


class Colour(enum.Enum):
    RED = "red"


class Settings(dict[str, Any]):
    """A dictionary with attributes of its own, as old training programs pickle."""


class Listed(list[int]):
    pass


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, [2]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_objects_come_back_dead_with_all_that_was_said(protocol: int) -> None:
    settings = Settings(lr=0.1)
    settings.note = "x"  # type: ignore[attr-defined]
    value = [settings, Listed([1, 2]), Slotted(), datetime.date(2024, 2, 14), argparse.Namespace(arch="r50", deep=argparse.Namespace(k=1)), Colour]
    kept, numbers, slots, date, names, kind = unpickle_inert(pickle.dumps(value, protocol))
    assert kept.kind.endswith("Settings") and kept.items == {"lr": 0.1} and kept.state == {"note": "x"}
    assert numbers.list == [1, 2] and slots.state == {"a": 1, "b": [2]}
    assert date.kind == "datetime.date" and len(date.args) == 1 and isinstance(kind, Name) and kind.kind.endswith("Colour")
    assert names.state["arch"] == "r50" and plain(names) == {"arch": "r50", "deep": {"k": 1}} and plain(kept) == {"lr": 0.1}
    assert repr(kind).startswith("<dead ")


def _omegaconf(kind: str, **state: Any) -> Dead:
    node = Dead(f"omegaconf.{kind}")
    node.state = {"_metadata": None, "_parent": None, **state}
    return node


def test_settings_of_omegaconf_become_plain() -> None:
    inner = _omegaconf("listconfig.ListConfig", _content=[_omegaconf("nodes.AnyNode", _val=3), _omegaconf("nodes.StringNode", _val="x")])
    assert plain({"cfg": _omegaconf("dictconfig.DictConfig", _content={"a": inner, "b": None})}) == {"cfg": {"a": [3, "x"], "b": None}}


def test_plain_follows_cycles_shared_parts_and_depth() -> None:
    cycle: dict[str, Any] = {"a": 1}
    cycle["self"] = cycle
    assert plain(cycle)["self"]["self"]["a"] == 1
    shared: list[Any] = []
    for _ in range(60):
        shared = [shared, shared]
    plain(shared)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    plain(deep)
    other = Dead("datetime.date", (1,))
    assert plain([other])[0] is other


class Shout:
    """Leaves a file behind when it is made."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dangerous_names_are_refused_wherever_they_stand(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    for value in ({"x": [Shout(canary)]}, subprocess.Popen, eval, getattr):
        with pytest.raises(FileFormatError, match=r"reference to .*, which attacks are made of; nothing was run") as caught:
            unpickle_inert(pickle.dumps(value, protocol))
        assert caught.value.code == "E_MALICIOUS" and str(caught.value).isprintable()
    assert not canary.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("nt", "system"), ("__builtin__", "eval"), ("builtins", "exec"), ("torch.hub", "load"), ("torch", "hub.load"), ("torch", "load"),
     ("importlib._bootstrap", "x"), ("pathlib", "Path.__class__"), ("numpy.f2py", "x"), ("a.b", "c.__globals__"), ("sys", "modules"), ("io", "open")],
)  # fmt: skip
def test_dangerous_names(module: str, name: str) -> None:
    assert is_dangerous(module, name)


@pytest.mark.parametrize(
    ("module", "name"),
    [("argparse", "Namespace"), ("collections", "defaultdict"), ("numpy._core.multiarray", "scalar"), ("omegaconf.dictconfig", "DictConfig"),
     ("torch.nn.modules.conv", "Conv2d"), ("functools", "partial"), ("builtins", "type"), ("typing", "Any"), ("code.models", "ResNet"),
     ("_codecs", "encode"), ("torch.optim.lr_scheduler", "LambdaLR"), ("uuid", "UUID"), ("__main__", "Net"), ("profile", "Net"), ("osmium", "x")],
)  # fmt: skip
def test_names_of_ordinary_checkpoints_are_no_danger(module: str, name: str) -> None:
    assert not is_dangerous(module, name)


def test_nothing_is_imported() -> None:
    read = unpickle_inert(b"\x80\x04\x8c\x0eno_such_module\x8c\x01C\x93)R.")
    assert read.kind == "no_such_module.C"
    assert unpickle_inert(b"cthis\nd\n.").kind == "this.d"  # importing it would print a poem


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"", "ends in the middle"),
        (b"\x80\x09N.", "unknown protocol 9"),
        (b"\xff", "unknown opcode 0xff"),
        (b"X\xff\xff\xff\x7fab", "middle of a value"),
        (b"\x8e" + b"\xff" * 8, "middle of a value"),
        (b"\x95" + b"\xff" * 8, "middle of a frame"),
        (b"N)R.", "no function"),
        (b"ca\nb\nNR.", "no tuple"),
        (b"NNa.", "items for a NoneType"),
        (b"NNNs.", "entries for a NoneType"),
        (b"}(Nu.", "key without a value"),
        (b"}]Ns.", "unhashable"),
        (b"\x82\x01.", "extension codes"),
        (b"\x97.", "outside of it"),
        (b"NQ.", "reference to storages"),
        (b"Sab\n.", "without quotes"),
        (b"g7\n.", "KeyError"),
        (b".", "IndexError"),
        (b"0.", "IndexError"),
        (b"N\x86.", "not there"),
        (b"NN\x93.", "no text"),
        (b"ca\nb\n)N\x92.", "no dictionary"),
        (b"I" + b"9" * 5000 + b"\n.", "Exceeds the limit"),
        (b"L12", "middle of a line"),
    ],
)
def test_damaged_pickles(pickled: bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        unpickle_inert(pickled)
    assert caught.value.code == "E_CORRUPT" and str(caught.value).isprintable()


def test_random_damage_is_always_named() -> None:
    """Whatever is in a pickle: a value or a FileFormatError, nothing else."""
    whole = pickle.dumps({"a": [1, 2.5, "x", (None, {"k": b"y"})], "n": np.arange(3), "args": argparse.Namespace(x=1)})
    dice = random.Random(0)
    outcomes = set()
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.choice([*STEPS, dice.randrange(256)])
        try:
            unpickle_inert(bytes(damaged))
            outcomes.add("read")
        except FileFormatError as refusal:
            outcomes.add(refusal.code)
    assert {"read", "E_CORRUPT"} <= outcomes <= {"read", "E_CORRUPT", "E_MALICIOUS", "E_KEYS"}


@pytest.mark.parametrize("key", [2**64, ((((((1,),),),),),), frozenset({1}), tuple(range(100))])
def test_keys_that_could_take_long(key: Any) -> None:
    with pytest.raises(FileFormatError, match="must use plain keys") as caught:
        unpickle_inert(pickle.dumps({key: 1}))
    assert caught.value.code == "E_KEYS"


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repr_probe.files.pickle_machine.STEPS_LIMIT", 1000)
    with pytest.raises(FileFormatError, match=r"describable in 1000 steps.*save long lists as arrays") as caught:
        unpickle_inert(pickle.dumps([str(number) for number in range(1000)]))
    assert caught.value.code == "E_PICKLE_LIMIT"
    monkeypatch.setattr("repr_probe.files.inert.PICKLE_LIMIT", 10)
    (tmp_path / "x").write_bytes(pickle.dumps(list(range(100))))
    with pytest.raises(FileFormatError, match="must be below 0 MiB"):
        unpickle_inert(tmp_path / "x")


def test_copies_are_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One opcode may copy a large object; 40 copies of 100 entries are more than 1,000 steps."""
    monkeypatch.setattr("repr_probe.files.pickle_machine.STEPS_LIMIT", 1000)
    copied = b"(" + b"N" * 100 + b"tp0\n" + b"0ccollections\ndeque\ng0\n\x85R" * 40 + b"."
    with pytest.raises(FileFormatError, match="describable in 1000 steps"):
        unpickle_inert(copied)


def test_every_opcode_of_python_is_known() -> None:
    import pickletools

    assert {ord(opcode.code) for opcode in pickletools.opcodes} == {*STEPS, pickle.STOP[0]}


def test_python_2_texts_and_names() -> None:
    read = unpickle_inert(b"(dp0\nS'caf\\xe9'\np1\nc__builtin__\nset\np2\n((lp3\nI1\naI2\natp4\nRp5\nsS'n'\nL12L\nsS'b'\nI01\ns.")
    assert read == {"café": {1, 2}, "n": 12, "b": True}


def test_simple_namespaces_and_memory_views() -> None:
    assert plain(unpickle_inert(pickle.dumps(types.SimpleNamespace(a=[1])))) == {"a": [1]}
    buffer = io.BytesIO()
    pickle.Pickler(buffer, protocol=5).dump(np.arange(5))
    assert np.array_equal(unpickle_inert(buffer.getvalue()), np.arange(5))
