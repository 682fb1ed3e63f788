"""torch files that are damaged on purpose: every check of sizes, of both formats."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from repr_probe.errors import FileFormatError
from repr_probe.files.safe_torch import read_torch

MAGIC, VERSION, MACHINE = 0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def refused(path: Path, code: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_torch(path)
    assert caught.value.code == code and str(caught.value).isprintable()


class _Storages(pickle.Pickler):
    """Writes lists of the form ["storage", key, elements] as torch does its storages."""

    def persistent_id(self, item: Any) -> Any:
        return tuple(item[1]) if isinstance(item, list) and item[:1] == ["pid"] else None


def pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Storages(buffer, protocol=2).dump(value)
    return buffer.getvalue()


class Tensor:
    """Pickled as torch pickles a tensor, with whatever arguments."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __reduce__(self) -> Any:
        return torch._utils._rebuild_tensor_v2, (*self.arguments, False, {})


def storage(key: Any = "0", elements: Any = 4, view: Any = None, kind: Any = torch.FloatStorage) -> list[Any]:
    return ["pid", ["storage", kind, key, "cpu", elements, view]]


def legacy(content: Any, *records: bytes, keys: Any = ("0",), magic: int = MAGIC, version: int = VERSION, machine: Any = MACHINE) -> bytes:
    heads = (magic, version, machine, content, list(keys) if isinstance(keys, tuple) else keys)
    return b"".join([*map(pickled, heads), *records])


def record(*values: float, claimed: int | None = None) -> bytes:
    return struct.pack("<q", len(values) if claimed is None else claimed) + struct.pack(f"<{len(values)}f", *values)


def test_a_legacy_file_made_by_hand(path: Path) -> None:
    path.write_bytes(legacy({"a": Tensor(storage(), 0, (2, 2), (2, 1))}, record(1, 2, 3, 4)))
    assert read_torch(path)["a"].tolist() == [[1, 2], [3, 4]]
    view = Tensor(storage("0", 4, ("9", 1, 2)), 0, (2,), (1,))
    path.write_bytes(legacy({"a": view, "x": Path()}, record(1, 2, 3, 4)))
    assert read_torch(path)["a"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (legacy({}, version=7), "E_CORRUPT", "its version is 7, not 1001"),
        (legacy({}, machine={"little_endian": False}), "E_DTYPE", "must be little-endian"),
        (legacy({}, keys=7), "E_CORRUPT", "list of storages is none"),
        (legacy({}, keys=("0",)), "E_CORRUPT", "storage 0 is not one of its tensors"),
        (legacy({}, keys=([],)), "E_CORRUPT", r"storage \[\] is not one of its tensors"),
        (legacy({"a": Tensor(storage(), 0, (4,), (1,))}, keys=()), "E_CORRUPT", "storage 0 is missing"),
        (legacy({"a": Tensor(storage(), 0, (4,), (1,))}, record(1, 2, 3)), "E_CORRUPT", "storage 0 has 12 bytes, not 16"),
        (legacy({"a": Tensor(storage(), 0, (4,), (1,))}, record(1, 2, 3, claimed=4)), "E_CORRUPT", "ends within the storage 0"),
        (legacy({"a": Tensor(storage(), 0, (4,), (1,))}), "E_CORRUPT", "storage 0 has 0 bytes, not 16"),
        (legacy({"a": Tensor(storage(), 0, (8,), (1,))}, record(1, 2, 3, 4)), "E_TENSOR_BOMB", "a shows 32 bytes but 16 are stored"),
        (legacy({"a": Tensor(storage(), 1, (4,), (1,))}, record(1, 2, 3, 4)), "E_TENSOR_BOMB", "a reaches to byte 20 of 16"),
        (legacy({"a": Tensor(storage("0", 4, ("9", 3, 2)), 0, (2,), (1,))}), "E_SIZE_MISMATCH", "larger than the storage"),
        (legacy([storage(), storage("0", 5)]), "E_SIZE_MISMATCH", "claimed with two sizes"),
        (legacy({"a": Tensor(storage(), 0, (4,), (1, 1))}), "E_CORRUPT", "unequal numbers"),
        (legacy({"a": Tensor(storage(), -1, (4,), (1,))}), "E_CORRUPT", "offset must be whole numbers"),
        (legacy({"a": Tensor(storage(), 0, 4, (1,))}), "E_CORRUPT", "size must be whole numbers"),
        (legacy({"a": Tensor(storage(), 0, (True,), (1,))}), "E_CORRUPT", "size must be whole numbers"),
        (legacy({"a": Tensor("x", 0, (4,), (1,))}), "E_CORRUPT", "something that is no storage"),
        (legacy([storage(elements=1.5)]), "E_CORRUPT", "elements must be whole numbers"),
        (legacy([storage(elements=1 << 70)]), "E_CORRUPT", "elements must be whole numbers"),
        (legacy([storage(key=None)]), "E_CORRUPT", "a storage without a name"),
        (legacy([storage(kind=Path)]), "E_CORRUPT", "unknown kind of storage"),
        (legacy([storage("0", 4, (1, 2))]), "E_CORRUPT", "a view that is none"),
        (legacy([["pid", ["thing", 1]]]), "E_CORRUPT", "no storage"),
    ],
)  # fmt: skip
def test_damaged_legacy_files(path: Path, content: bytes, code: str, message: str) -> None:
    path.write_bytes(content)
    refused(path, code, message)


def archive(path: Path, *entries: tuple[str, bytes]) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as opened:
        warnings.simplefilter("ignore")
        for name, content in entries:
            opened.writestr(name, content)


def test_a_zip_without_its_checksum(path: Path) -> None:
    archive(path, ("m/data.pkl", pickle.dumps({"a": 1}, 2)), ("m/version", b"3"))
    whole = path.read_bytes()
    assert read_torch(path) == {"a": 1}
    path.write_bytes(whole.replace(b"K\x01s", b"K\x02s"))
    refused(path, "E_CORRUPT", r"entry m/data.pkl is not \(checksum\)")


def test_entries_that_are_elsewhere(path: Path) -> None:
    archive(path, ("m/data.pkl", pickle.dumps({"a": 1}, 2)), ("m/data/0", b"1234"))
    whole = bytearray(path.read_bytes())
    entry = whole.rindex(b"PK\x01\x02")
    for offset, message in ((1, "is not where its directory says"), (0, "overlap")):
        whole[entry + 42 : entry + 46] = offset.to_bytes(4, "little")
        path.write_bytes(whole)
        refused(path, "E_SIZE_MISMATCH", message)


def test_limits_of_zip_archives(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(path, ("m/data.pkl", pickle.dumps({"a": 1}, 2)), ("m/version", b"3"))
    monkeypatch.setattr("repr_probe.files.torch_records.PICKLE_LIMIT", 3)
    refused(path, "E_PICKLE_LIMIT", "must keep data.pkl below 0 MiB")
    monkeypatch.setattr("repr_probe.files.zip_records.ENTRIES_LIMIT", 1)
    refused(path, "E_PICKLE_LIMIT", "must have at most 1 entries; got 2")


def test_big_endian_archives_are_swapped_by_both_readers(path: Path) -> None:
    for protocol in (2, 4):
        torch.save({"a": torch.arange(3.0), "b": torch.tensor([1], dtype=torch.uint8)}, path, pickle_protocol=protocol)
        with zipfile.ZipFile(path) as opened:
            entries = [(info.filename, opened.read(info)) for info in opened.infolist()]
        big = {"byteorder": b"big", "data/0": struct.pack(">3f", 0, 1, 2)}
        archive(path, *((name, big.get(name.split("/", 1)[1], content)) for name, content in entries))
        assert read_torch(path)["a"].tolist() == [0, 1, 2] and read_torch(path)["b"].tolist() == [1]


def test_reading_does_not_change_the_file_or_the_process(path: Path) -> None:
    torch.save({"a": torch.zeros(10), "args": Path("x")}, path)
    before, safe = path.read_bytes(), torch.serialization.get_safe_globals()
    read = read_torch(path)
    read["a"].add_(1)
    assert path.read_bytes() == before and read["args"] == "x" and torch.serialization.get_safe_globals() == safe


def test_an_environment_that_asks_for_code_is_not_heard(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

    class Shout:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {path.with_name('canary')}",)

    torch.save({"a": Shout()}, path)
    refused(path, "E_MALICIOUS", "nothing was run")
    assert not path.with_name("canary").exists()
