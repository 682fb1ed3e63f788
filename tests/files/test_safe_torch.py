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

import pytest
import torch

from repr_probe.errors import FileFormatError
from repr_probe.files.safe_torch import read_torch
from repr_probe.files.torch_records import claimed_storages


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


def test_the_walk_before_reading_runs_nothing_either(path: Path) -> None:
    canary = path.with_name("canary")
    for protocol in range(2, 6):
        assert claimed_storages(pickle.dumps({"x": [Payload(canary)]}, protocol=protocol)) == {}
    assert not canary.exists()


def test_argument_namespaces_are_named(path: Path) -> None:
    torch.save({"a": torch.ones(3), "args": argparse.Namespace(lr=1)}, path)
    with pytest.raises(FileFormatError, match=r"argparse\.Namespace.*torch\.save\(model\.state_dict\(\)"):
        read_torch(path)


def test_whole_modules_are_refused(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(FileFormatError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_torch(path)


def test_newer_pickles_are_refused(path: Path) -> None:
    torch.save({"a": 1}, path, pickle_protocol=4)
    with pytest.raises(FileFormatError, match="cannot be read without running code"):
        read_torch(path)


def test_torchscript_is_named(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    with pytest.raises(FileFormatError, match="TorchScript"):
        read_torch(path)


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
    with pytest.raises(FileFormatError, match=r"list of tensors \(data\.pkl\) cannot be read"):
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
