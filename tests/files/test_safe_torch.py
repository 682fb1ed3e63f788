"""torch files: what is read, what is refused, and that nothing in a file ever runs."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repr_probe.errors import FileFormatError
from repr_probe.files.dead import Dead
from repr_probe.files.inert import plain
from repr_probe.files.safe_torch import read_torch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


class Payload:
    """Runs a command when a careless reader opens it."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


def rewritten(path: Path, change: Any) -> None:
    """Copy the zip entry by entry, each as `change(name, bytes)` says (None drops it)."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            new = change(name, content)
            if new is not None:
                archive.writestr(name, new)


def test_both_formats_come_back_equal(path: Path) -> None:
    content = {"a": torch.arange(6.0).reshape(2, 3), "b": [1, "x", {"c": torch.ones(2, dtype=torch.bfloat16)}], "shared": None}
    content["shared"] = content["a"][:, :1]
    for zipped in (True, False):
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        read = read_torch(path)
        assert torch.equal(read["a"], content["a"]) and torch.equal(read["shared"], content["shared"])
        assert torch.equal(read["b"][2]["c"], content["b"][2]["c"]) and read["b"][:2] == [1, "x"]


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_by_name_and_never_run(path: Path, zipped: bool) -> None:
    canary = path.with_name("canary")
    torch.save({"conv1.weight": torch.ones(3), "x": Payload(canary)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(FileFormatError, match=r"got a reference to (posix|nt)\.system.*nothing was run"):
        read_torch(path)
    assert not canary.exists()


def test_bare_pickle_is_refused_and_never_run(path: Path) -> None:
    canary = path.with_name("canary")
    path.write_bytes(pickle.dumps(Payload(canary)))
    with pytest.raises(FileFormatError, match="bare pickle"):
        read_torch(path)
    assert not canary.exists()


def test_settings_beside_weights_come_back_dead(path: Path) -> None:
    torch.save({"a": torch.ones(3), "args": argparse.Namespace(lr=1, arch="vit_small")}, path)
    read = read_torch(path)
    assert torch.equal(read["a"], torch.ones(3)) and isinstance(read["args"], Dead) and read["args"].kind == "argparse.Namespace"
    assert plain(read["args"]) == {"lr": 1, "arch": "vit_small"}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_whole_modules_are_read_without_their_classes(path: Path, zipped: bool) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, stride=2), torch.nn.BatchNorm2d(2))
    torch.save(module, path, _use_new_zipfile_serialization=zipped)
    read = read_torch(path)
    convolution = read.state["_modules"]["0"]
    assert read.kind == "torch.nn.modules.container.Sequential" and convolution.state["stride"] == (2, 2)
    assert torch.equal(convolution.state["_parameters"]["weight"], module[0].weight)
    assert torch.equal(read.state["_modules"]["1"].state["_buffers"]["running_var"], torch.ones(2))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_every_protocol(path: Path, protocol: int, zipped: bool) -> None:
    content = {"a": torch.arange(6.0).reshape(2, 3)[:, 1:], "n": np.arange(4.0).reshape(2, 2), "s": {1, 2}, "t": ("x", b"y", 1.5, None, True, 2**70)}
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    read = read_torch(path)
    assert torch.equal(read["a"], content["a"]) and np.array_equal(read["n"], content["n"])
    assert read["s"] == content["s"] and read["t"] == content["t"]


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_read_without_its_code(path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    torch.jit.script(module).save(str(path))
    read = read_torch(path)
    assert read.kind.startswith("__torch__.") and torch.equal(read.state["0"].state["weight"], module[0].weight)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "complex64", "uint16", "float16", "bool", "int64"])
def test_every_type_comes_back_equal_from_both_readers(path: Path, dtype: str, protocol: int) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)).T
    torch.save({"a": tensor, "p": torch.nn.Parameter(torch.ones(2)), "e": torch.empty(0, 3)}, path, pickle_protocol=protocol)
    read = read_torch(path)
    assert read["a"].dtype == tensor.dtype and read["a"].stride() == tensor.stride()
    assert torch.equal(read["a"].contiguous().view(torch.uint8), tensor.contiguous().view(torch.uint8)) and read["e"].shape == (0, 3)


@pytest.mark.filterwarnings("ignore")
def test_odd_tensors_keep_their_kind_but_no_values(path: Path) -> None:
    sparse, quantised = torch.eye(3).to_sparse(), torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.quint8)
    torch.save({"s": sparse, "q": quantised}, path)
    read = read_torch(path)
    assert read["s"].layout is torch.sparse_coo and read["s"].shape == (3, 3)
    assert read["q"].is_quantized and read["q"].shape == (4,)


def test_a_danger_in_any_pickle_of_the_archive(path: Path) -> None:
    torch.save({"a": torch.ones(3)}, path)
    canary = path.with_name("canary")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("weights/other.pkl", pickle.dumps(Payload(canary)))
    with pytest.raises(FileFormatError, match=r"reference to (posix|nt)\.system") as caught:
        read_torch(path)
    assert caught.value.code == "E_MALICIOUS" and not canary.exists()


def test_names_that_leave_the_archive(path: Path) -> None:
    torch.save({"a": torch.ones(3)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../evil", b"x")
    with pytest.raises(FileFormatError, match="must name entries inside itself") as caught:
        read_torch(path)
    assert caught.value.code == "E_ZIP_NAME"


def test_files_without_checksums(path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, path)
    finally:
        torch.serialization.set_crc32_options(before)
    assert torch.equal(read_torch(path)["a"], torch.ones(3))


def test_legacy_views_of_one_storage(path: Path) -> None:
    base = torch.arange(10.0)
    torch.save([base[2:5], base[::2], argparse.Namespace()], path, _use_new_zipfile_serialization=False)
    read = read_torch(path)
    assert torch.equal(read[0], base[2:5]) and torch.equal(read[1], base[::2])


def test_a_record_cut_short_is_found(path: Path) -> None:
    torch.save({"a": torch.arange(1000.0), "b": torch.ones(1000)}, path)
    rewritten(path, lambda name, content: content[:100] if name.endswith("data/0") else content)
    # torch itself reads this file without a word and fills the tensor with what lies behind the record
    assert not torch.equal(torch.load(path, weights_only=True, mmap=True)["a"], torch.arange(1000.0))
    with pytest.raises(FileFormatError, match="record data/0 has 100 bytes, not 4000"):
        read_torch(path)


def test_a_missing_record_is_found(path: Path) -> None:
    torch.save({"a": torch.ones(10)}, path)
    rewritten(path, lambda name, content: None if name.endswith("data/0") else content)
    with pytest.raises(FileFormatError, match="record data/0 of a tensor is missing"):
        read_torch(path)


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_cut_files(path: Path, keep: float) -> None:
    for zipped, message in ((True, "cut short"), (False, "must be complete and undamaged")):
        torch.save({"a": torch.ones(5000)}, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * keep)])
        with pytest.raises(FileFormatError, match=message):
            read_torch(path)


def test_a_damaged_list_of_tensors(path: Path) -> None:
    torch.save({"a": torch.ones(10)}, path)
    rewritten(path, lambda name, content: content[:20] + b"\xff\xfe" + content[22:] if name.endswith("data.pkl") else content)
    with pytest.raises(FileFormatError, match="pickle cannot be read"):
        read_torch(path)


def test_compressed_entries_are_not_unpacked(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", b"\0" * 1_000_000)
    with pytest.raises(FileFormatError, match=r"compressed entries \(m/data\.pkl\)"):
        read_torch(path)


def test_two_entries_of_one_name(path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr("m/data.pkl", b"x")
    with pytest.raises(FileFormatError, match="name every entry once"):
        read_torch(path)


def test_two_lists_of_tensors(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"x")
        archive.writestr("n/data.pkl", b"x")
    with pytest.raises(FileFormatError, match=r"one data\.pkl; got 2"):
        read_torch(path)


def test_entries_that_overlap(path: Path) -> None:
    torch.save({"a": torch.ones(1000), "b": torch.ones(1000)}, path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    position = content.index(b"data/0", start) - content[start:].index(b"PK\x01\x02")  # the entry of data/0 in the directory
    entry = content.rfind(b"PK\x01\x02", 0, position + 20)
    content[entry + 20 : entry + 28] = (len(content) * 2).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="claim more than the"):
        read_torch(path)


def test_a_tensor_of_terabytes_in_four_bytes(path: Path) -> None:
    torch.save({"w": torch.ones(1).expand(10**6, 10**6)}, path)
    with pytest.raises(FileFormatError, match="w shows 4000000000000 bytes but 4 are stored"):
        read_torch(path)


def test_tensors_without_values(path: Path) -> None:
    torch.save({"w": torch.ones(3, device="meta")}, path)
    with pytest.raises(FileFormatError, match="w is on the meta device"):
        read_torch(path)


def test_deep_and_shared_containers_are_walked_once(path: Path) -> None:
    shared: list[Any] = [torch.ones(1)]
    for _ in range(60):  # 2 to the 60 paths
        shared = [shared, shared]
    torch.save(shared, path)
    read_torch(path)


def test_other_formats_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_text("a,b\n1,2\n")
    with pytest.raises(FileFormatError, match=r"written by torch\.save; got a file of kind csv"):
        read_torch(tmp_path / "x.pt")


def test_control_characters_are_escaped(path: Path) -> None:
    torch.save({"evil\x1b[2J": torch.ones(1).expand(10, 10)}, path)
    with pytest.raises(FileFormatError, match=r"evil\\x1b\[2J shows"):
        read_torch(path)


def test_memory_mapped(path: Path) -> None:
    """Changing a loaded tensor does not change the file."""
    torch.save({"a": torch.zeros(10)}, path)
    before = path.read_bytes()
    read_torch(path)["a"].add_(1)
    assert path.read_bytes() == before
    assert io.BytesIO(before).getbuffer().nbytes > 0
