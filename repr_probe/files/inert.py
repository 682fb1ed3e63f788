"""Pickles read as a description: nothing a file names is imported or called, and classes that are not installed do not matter.

Tensors, numbers, texts, containers and numpy arrays come back as they are; everything else as a `Dead` object that still holds what the
file said about it. Names that would give the machine away are refused (`dangerous.py`), and so is whatever claims more than is there.
"""

from __future__ import annotations

import pathlib
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.dangerous import MODULE_OF_OLD, is_dangerous
from repr_probe.files.dead import Dead, Name, Unbuilt
from repr_probe.files.numpy_pickles import array_from, array_from_buffer, as_bytes, scalar_from
from repr_probe.files.pickle_machine import Buffer, Machine, Refused, members, pairs
from repr_probe.files.printable import printable
from repr_probe.files.tensor_claims import Making, Storage, extents, shape_of, storage_of

PICKLE_LIMIT = 256 << 20
PLAIN_DEPTH = 64
TENSOR_STEPS, ARRAY_STEPS, STORAGE_STEPS = 40, 20, 10  # what one costs beside an opcode: 150,000 tensors use up the budget
DTYPES = frozenset({
    "float16", "half", "bfloat16", "float32", "float", "float64", "double", "uint8", "int8", "int16", "short", "int32", "int", "int64", "long",
    "bool", "complex32", "complex64", "cfloat", "complex128", "cdouble", "uint16", "uint32", "uint64", "quint8", "qint8", "qint32", "quint4x2",
    "quint2x4", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2",
})  # fmt: skip


def unpickle_inert(source: str | Path | bytes, where: str = "") -> Any:
    """What the pickle says that is in the file, or the bytes, `source`; it must hold no tensors. `where` names it in errors.

    Raises FileFormatError: E_MALICIOUS, E_CORRUPT, E_PICKLE_LIMIT, E_KEYS.
    """
    where = where or ("the pickle" if isinstance(source, bytes) else str(source))
    if not isinstance(source, bytes):
        size = Path(source).stat().st_size
        if size > PICKLE_LIMIT:
            raise FileFormatError(f"{where} must be below {PICKLE_LIMIT >> 20} MiB; got {size >> 20} MiB", code="E_PICKLE_LIMIT")
        source = Path(source).read_bytes()
    return run_inert(InertReader(source), where)


def run_inert(reader: InertReader, where: str) -> Any:
    """What `reader` reads; whatever goes wrong becomes a FileFormatError about `where`."""
    try:
        return reader.run()
    except Refused as refusal:
        raise FileFormatError(f"{where} {refusal.what}", code=refusal.code) from None
    except Exception as failure:  # a damaged pickle can fail in any way; nothing in it was run
        reason = printable(f"{type(failure).__name__}: {failure}")
        raise FileFormatError(f"{where} must be undamaged; its pickle cannot be read ({reason}); copy it again", code="E_CORRUPT") from None


class InertReader(Machine):
    """Reads one pickle; `make` makes its tensors, else they are only checked and come back dead.

    names: everything the pickle names.  claims: the storages it refers to, by key.
    """

    def __init__(self, data: Buffer, at: int = 0, *, end: int | None = None, make: Making | None = None, storages: bool = False) -> None:
        super().__init__(data, at, end=end)
        self.make, self.storages = make, storages or make is not None
        self.names: set[str] = set()
        self.claims: dict[str, Storage] = {}

    def named(self, module: str, name: str) -> Any:
        if is_dangerous(module, name):
            raise Refused(
                f"must hold weights and nothing that runs; got a reference to {printable(f'{module}.{name}')}, which attacks are made of; "
                "nothing was run; get the file from its author",
                "E_MALICIOUS",
            )
        kind = f"{MODULE_OF_OLD.get(module, module)}.{name}"
        kind = kind.replace("numpy._core.", "numpy.core.", 1) if kind.startswith("numpy._core.") else kind
        self.names.add(kind)
        if module == "torch" and name in DTYPES:
            import torch

            return getattr(torch, name, None) or Name(kind)
        return Name(kind)

    def called(self, function: Any, arguments: tuple[Any, ...], keywords: dict[Any, Any] | None = None) -> Any:
        if not isinstance(function, Dead):
            raise pickle.UnpicklingError("a call of something that is no function")
        maker = MAKERS.get(function.kind) if isinstance(function, Name) else None
        if maker is not None:
            self.spend(_weight(arguments))
        made = NotImplemented if maker is None else maker(self, *arguments)
        if made is not NotImplemented:
            return made
        return Dead(function.kind, (*arguments, keywords) if keywords else arguments)

    def built(self, thing: Any, state: Any) -> Any:
        self.spend(_entries(state))
        if isinstance(thing, Unbuilt):
            self.spend(ARRAY_STEPS + _weight(state))
            array = array_from(state)
            if array is not None:
                self.spend(len(thing.slots))
                for slot in thing.slots:
                    self.memo[slot] = array
                return array
        if isinstance(thing, Dead) and not isinstance(thing, Name):
            self.spend(_entries(thing.state))  # they are copied
            thing.state = _merged(thing.state, state)
        return thing  # what became a plain value has no attributes

    def filled(self, thing: Any, items: list[tuple[Any, Any]]) -> None:
        holder = thing.items if isinstance(thing, Dead) else thing
        if not isinstance(holder, dict):
            raise pickle.UnpicklingError(f"entries for a {type(thing).__name__}")
        holder.update(items)

    def extended(self, thing: Any, items: list[Any]) -> None:
        if isinstance(thing, set):
            thing.update(members(self, items))
            return
        holder = thing.list if isinstance(thing, Dead) else thing
        if not isinstance(holder, list):
            raise pickle.UnpicklingError(f"items for a {type(thing).__name__}")
        holder.extend(items)

    def remember(self, index: int) -> None:
        super().remember(index)
        if isinstance(self.stack[-1], Unbuilt):
            self.stack[-1].slots.append(index)

    def persistent(self, key: Any) -> Any:
        if not self.storages:
            raise pickle.UnpicklingError("a reference to storages, which this file does not have")
        if isinstance(key, tuple) and len(key) == 4 and key[0] in ("module", b"module"):
            self.names.add("module")  # torch before 1.6 keeps the source text of pickled modules here
            return key[1]
        self.spend(STORAGE_STEPS)
        storage = storage_of(key)
        if self.claims.setdefault(storage.key, storage).whole != storage.whole:
            raise Refused(f"must be undamaged; the storage {printable(storage.key)} is claimed with two sizes", "E_SIZE_MISMATCH")
        return storage

    def nearest_name(self) -> str:
        """The text that was read last before what is being made: in a dictionary, its key."""
        for stack in (self.stack, *reversed(self.below)):
            for item in reversed(stack):
                if isinstance(item, str):
                    return item
        return "a tensor"


def _weight(arguments: Any) -> int:
    """What copying these may cost: one step an entry, or 64 bytes."""
    if not isinstance(arguments, tuple):
        return 0
    return sum(
        len(part) // 64 if isinstance(part, str | bytes | bytearray) else len(part)
        for part in arguments
        if isinstance(part, str | bytes | bytearray | list | tuple | dict | set | frozenset)
    )


def _entries(state: Any) -> int:
    """Entries of a state that is one dictionary, or several in a tuple."""
    return sum(len(part) for part in (state if isinstance(state, tuple) else (state,)) if isinstance(part, dict))


def _merged(old: Any, new: Any) -> Any:
    """A state of (attributes, slots) as one dictionary; later attributes beside earlier ones."""
    if isinstance(new, tuple) and len(new) == 2 and all(part is None or isinstance(part, dict) for part in new):
        new = {**(new[0] or {}), **(new[1] or {})}
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new


def plain(value: Any) -> Any:
    """Settings without the classes they were kept in: Namespace, AttributeDict, EasyDict, OmegaConf's containers and nodes become dicts,
    lists and values. What is deeper than any settings are, and objects of other classes, stay as they are; shared parts stay shared.
    """
    return _plain(value, 0, {})


def _plain(value: Any, depth: int, done: dict[int, Any]) -> Any:
    if id(value) in done:
        return done[id(value)]
    inner = _content(value)
    if depth > PLAIN_DEPTH or not isinstance(inner, Mapping | list | tuple):
        return inner
    if isinstance(inner, tuple):
        done[id(value)] = tuple(_plain(item, depth + 1, done) for item in inner)
    elif isinstance(inner, list):
        items = done[id(value)] = list[Any]()
        items.extend(_plain(item, depth + 1, done) for item in inner)
    else:
        entries = done[id(value)] = dict[Any, Any]()
        entries.update((key, _plain(item, depth + 1, done)) for key, item in inner.items())
    return done[id(value)]


def _content(value: Any) -> Any:
    """What a container or node of settings holds; anything else itself."""
    for _ in range(PLAIN_DEPTH):
        if not isinstance(value, Dead) or isinstance(value, Name):
            return value
        state = value.state if isinstance(value.state, Mapping) else {}
        if value.kind.startswith("omegaconf."):
            inner = state.get("_content", state.get("_val", value))
        elif value.kind.rpartition(".")[2] in ("Namespace", "SimpleNamespace"):
            inner = dict(state)
        elif value.items:
            inner = value.items
        elif value.kind.rpartition(".")[2] in ("AttributeDict", "EasyDict", "AttrDict", "ConfigDict", "Box", "CfgNode"):
            inner = state.get("_fields", dict(state))
        else:
            return value
        if inner is value:
            return value
        value = inner
    return value


# What the names of ordinary checkpoints become. NotImplemented: the arguments are not the usual ones, so the object stays dead.


def _dictionary(reader: InertReader, *arguments: Any) -> Any:
    given = arguments[-1] if arguments else None
    if isinstance(given, dict):
        return dict(given)
    if isinstance(given, list | tuple):
        flat = [part for pair in given if isinstance(pair, list | tuple) and len(pair) == 2 for part in pair]
        return dict(pairs(reader, flat)) if len(flat) == 2 * len(given) else NotImplemented
    return {} if given is None or isinstance(given, Name) else NotImplemented


def _list(reader: InertReader, *arguments: Any) -> Any:
    return list(arguments[0]) if arguments and isinstance(arguments[0], list | tuple | set | frozenset) else NotImplemented if arguments else []


def _set(reader: InertReader, *arguments: Any) -> Any:
    return set(members(reader, _list(reader, *arguments))) if isinstance(_list(reader, *arguments), list) else NotImplemented


def _number(kind: type) -> Callable[..., Any]:
    def make(reader: InertReader, *arguments: Any) -> Any:
        return kind(*arguments) if all(type(value) in (int, float, bool) for value in arguments) and len(arguments) <= 2 else NotImplemented

    return make


def _bytes(reader: InertReader, *arguments: Any) -> Any:
    if len(arguments) == 2 and arguments[1] in ("latin1", "latin-1") and isinstance(arguments[0], str):
        raw = as_bytes(arguments[0])
        return NotImplemented if raw is None else raw
    return arguments[0] if arguments and isinstance(arguments[0], bytes | bytearray) else NotImplemented if arguments else b""


def _path(reader: InertReader, *parts: Any) -> Any:
    return str(pathlib.PurePosixPath(*parts)) if all(isinstance(part, str) for part in parts) else NotImplemented


def _size(reader: InertReader, *arguments: Any) -> Any:
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else NotImplemented


def _device(reader: InertReader, *arguments: Any) -> Any:
    return ":".join(str(part) for part in arguments) if all(type(part) in (str, int) for part in arguments) else NotImplemented


def _same(reader: InertReader, *arguments: Any) -> Any:
    return arguments[0] if arguments else NotImplemented


def _reconstructed(reader: InertReader, *arguments: Any) -> Any:
    """copyreg: (class, base, state of the base)."""
    if not arguments or not isinstance(arguments[0], Dead):
        return NotImplemented
    return reader.called(arguments[0], ())


def _forwarded(reader: InertReader, *arguments: Any) -> Any:
    """A tensor of a class of its own: (function, class, arguments, state)."""
    if len(arguments) < 3 or not isinstance(arguments[0], Name) or not isinstance(arguments[2], tuple):
        return NotImplemented
    return NotImplemented if arguments[0].kind in FORWARDING else reader.called(arguments[0], arguments[2])


def _array(reader: InertReader, *arguments: Any) -> Any:
    return Unbuilt("numpy.ndarray", arguments)


def _scalar(reader: InertReader, *arguments: Any) -> Any:
    made = scalar_from(*arguments) if len(arguments) == 2 else None
    return NotImplemented if made is None else made


def _from_buffer(reader: InertReader, *arguments: Any) -> Any:
    made = array_from_buffer(*arguments) if len(arguments) == 4 else None
    return NotImplemented if made is None else made


def _tensor(reader: InertReader, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    return _over(reader, storage, extents(storage, offset, size, stride, reader.nearest_name))


def _tensor_v3(reader: InertReader, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *rest: Any) -> Any:
    return _over(reader, storage, extents(storage, offset, size, stride, reader.nearest_name, dtype))


def _over(reader: InertReader, storage: Storage, checked: Any) -> Any:
    reader.spend(TENSOR_STEPS)
    return Dead("torch.Tensor") if reader.make is None else reader.make(storage, *checked)


def _meta(reader: InertReader, *arguments: Any) -> Any:
    raise Refused(f"must hold the values of its tensors; {printable(reader.nearest_name())} is on the meta device, which has none", "E_META")


def _sparse(reader: InertReader, layout: Any, data: Any) -> Any:
    """A sparse tensor of the right size without values: nothing here computes with sparse weights, they are only refused by name."""
    import torch

    sizes = [part for part in data if isinstance(part, tuple)] if isinstance(data, tuple) else []
    values = [part for part in data if isinstance(part, torch.Tensor)] if isinstance(data, tuple) else []
    if reader.make is None or len(sizes) != 1:
        return NotImplemented
    shape, dtype = shape_of(sizes[0]), values[-1].dtype if values else torch.float32
    return torch.sparse_coo_tensor(torch.zeros(len(shape), 0, dtype=torch.int64), torch.zeros(0, dtype=dtype), shape, check_invariants=True)


def _quantised(reader: InertReader, storage: Any, offset: Any, size: Any, *rest: Any) -> Any:
    """A quantised tensor of the right size without values, to be refused by name."""
    import torch

    if reader.make is None or not isinstance(storage, Storage):
        return NotImplemented
    return torch.empty(shape_of(size), dtype=storage.dtype, device="meta")


def _from_numpy(reader: InertReader, *arguments: Any) -> Any:
    import torch

    array = arguments[0] if arguments else None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or not array.dtype.isnative:
        return NotImplemented
    return torch.from_numpy(array)


FORWARDING = ("torch._tensor._rebuild_from_type", "torch._tensor._rebuild_from_type_v2")
MAKERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict"), _dictionary),
    **dict.fromkeys(("builtins.list", "collections.deque"), _list),
    **dict.fromkeys(("builtins.set", "builtins.frozenset"), _set),
    "builtins.tuple": lambda reader, *arguments: made if (made := _list(reader, *arguments)) is NotImplemented else tuple(made),
    "builtins.int": _number(int), "builtins.long": _number(int), "builtins.float": _number(float), "builtins.bool": _number(bool),
    "builtins.complex": _number(complex), "builtins.bytes": _bytes, "builtins.bytearray": _bytes, "_codecs.encode": _bytes,
    **{f"{module}.{name}": _path for module in ("pathlib", "pathlib._local")
       for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")},
    "copyreg._reconstructor": _reconstructed, "copyreg.__newobj__": _reconstructed,
    "numpy.core.multiarray._reconstruct": _array, "numpy.core.multiarray.scalar": _scalar, "numpy.core.numeric._frombuffer": _from_buffer,
    "torch.Size": _size, "torch.device": _device,
    "torch._utils._rebuild_tensor": _tensor, "torch._utils._rebuild_tensor_v2": _tensor, "torch._utils._rebuild_tensor_v3": _tensor_v3,
    **dict.fromkeys(FORWARDING, _forwarded),
    "torch._utils._rebuild_meta_tensor_no_storage": _meta, "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_qtensor": _quantised, "torch._utils._rebuild_device_tensor_from_numpy": _from_numpy,
    **dict.fromkeys(
        ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch._utils._rebuild_device_tensor_from_cpu_tensor",
         "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", "torch.jit._pickle.restore_type_tag", "torch.jit._pickle.build_intlist",
         "torch.jit._pickle.build_tensorlist", "torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist"), _same,
    ),
}  # fmt: skip
