"""What a file is: told from its content, whatever it is called."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from repr_probe.errors import FileFormatError
from repr_probe.files.sniff import sniff


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"\0" * 10_000, "nothing but zero bytes"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page"),
        (b"  \n<html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"\x1f\x8b\x08\x00rest", "gzip"),
        (b"just a few words\nand more of them\n", r'plain text that starts with "just a few words'),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00.", "bare pickle.*nothing was run"),
        (b"\x07\x01\x02\x03\xff\xfe", "starts with the bytes 07 01 02 03 ff fe"),
        (b"PK\x03\x04" + b"x" * 200, "cut short"),
        ((1 << 40).to_bytes(8, "little") + b'{"a":1}', "claims 1099511627776 bytes"),
    ],
)
def test_strangers_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "resnet50.pth"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        sniff(path)
    assert "\n" not in str(caught.value)


def test_a_long_run_of_zeros_before_data_is_unknown_not_empty(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\0" * 5000 + b"data")
    with pytest.raises(FileFormatError, match="starts with the bytes 00 00"):
        sniff(path)


def test_tar(tmp_path: Path) -> None:
    (tmp_path / "inside").write_text("x")
    with tarfile.open(tmp_path / "model.pth.tar", "w") as archive:
        archive.add(tmp_path / "inside")
    with pytest.raises(FileFormatError, match="tar archive") as caught:
        sniff(tmp_path / "model.pth.tar")
    assert caught.value.code == "E_TAR"
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "old", "w", format=form) as archive:
            for name in ("sys_info", "pickle"):
                archive.add(tmp_path / "inside", name)
        with pytest.raises(FileFormatError, match=r"tar archive of torch 0\.1") as caught:
            sniff(tmp_path / "old")
        assert caught.value.code == "E_TORCH_TAR"


def test_nothing_there_and_loops(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="nothing at this path"):
        sniff(tmp_path / "absent.pth")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileFormatError, match="must be an existing file"):
        sniff(tmp_path / "loop")


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="a folder of nothing"):
        sniff(tmp_path)
    (tmp_path / "meta.json").write_text("{}")
    assert sniff(tmp_path) == "store"


def test_a_pipe_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileFormatError, match="regular file"):
        sniff(tmp_path / "pipe")  # opening it would wait for a writer for ever


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(FileFormatError, match="must be readable"):
        sniff(path)


def test_known_formats(tmp_path: Path) -> None:
    path = tmp_path / "any_name"
    np.save(tmp_path / "a.npy", np.zeros(2))
    (tmp_path / "a.npy").replace(path)
    assert sniff(path) == "npy"
    np.savez(tmp_path / "a.npz", a=np.zeros(2))
    assert sniff(tmp_path / "a.npz") == "npz"
    for content, kind in (
        (b'{"a": 1}', "json"),
        (b"a,b\n1,2\n", "csv"),
        (b"1;2\n3;4\n", "csv"),
        (b"PAR1....", "parquet"),
        (b"\x89HDF\r\n\x1a\n..", "hdf5"),
    ):
        path.write_bytes(content)
        assert sniff(path) == kind


def test_other_zip_archives(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    for name, message in (("m/code/x.py", "TorchScript"), ("readme.txt", r"something else \(readme")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(FileFormatError, match=message):
            sniff(path)


def folder_of(path: Path, *names: str, **contents: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).mkdir() if name.endswith("/") else (path / name).write_bytes(b"x")
    for name, content in contents.items():
        (path / f"{name}.json").write_text(content)
    return path


@pytest.mark.parametrize(
    ("kind", "names", "contents"),
    [
        ("store", ("meta.json",), {}),
        ("dcp", (".metadata", "__0_0.distcp"), {}),
        ("deepspeed", ("latest", "global_step10/"), {}),
        ("sentence-transformers", ("modules.json", "0_CLIPModel/"), {"config": '{"model_type": "clip"}'}),
        ("savedmodel", ("saved_model.pb", "variables/"), {}),
        ("orbax", ("_CHECKPOINT_METADATA",), {}),
        ("orbax", ("manifest.ocdbt", "d/"), {}),
        ("tf-checkpoint", ("model.ckpt-1.index", "model.ckpt-1.data-00000-of-00001", "checkpoint"), {}),
        ("timm", ("model.safetensors",), {"config": '{"architecture": "resnet18"}'}),
        ("open-clip", ("open_clip_model.safetensors",), {"open_clip_config": "{}", "config": '{"model_type": "clip"}'}),
        ("hf", ("model.safetensors",), {"open_clip_config": "{}", "config": '{"model_type": "clip"}'}),
        ("hf", ("model.safetensors.index.json",), {"config": "{}"}),
        ("hf", ("pytorch_model.bin",), {"config": "no json"}),
        ("feature-folder", ("features.npy", "file_names.txt"), {}),
    ],
)
def test_kinds_of_folders(tmp_path: Path, kind: str, names: tuple[str, ...], contents: dict[str, str]) -> None:
    assert sniff(folder_of(tmp_path / "folder", *names, **contents)) == kind


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "a folder of nothing"),
        (("notes.txt",), r"a folder of notes\.txt$"),
        (("a.pth",), r"; try: repro-probe inspect \S+/a\.pth$"),
        (("a.pth", "b.ckpt", "c d.pt", "e.onnx"), r"choose one of 4: repro-probe inspect \S+/a\.pth \| .*/b\.ckpt \| .*'\S+/c d\.pt'$"),
        (("config.json",), "a folder of config.json"),
        (("checkpoint", "x.index"), "a folder of checkpoint, x.index"),
    ],
)
def test_unknown_folders_say_what_is_in_them(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        sniff(folder_of(tmp_path / "folder", *names))
    assert caught.value.code == "E_DIR_UNKNOWN"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:\x04abcd", "onnx"),
        (b"\x08\x08:\x05\x0a\x03abc", "onnx"),
        (b"\x82\xa6params\x81\xa4conv\xc7", "flax-msgpack"),
        (b"\xde\x00\x01\xd9\x0bbatch_stats\x80", "flax-msgpack"),
        (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "torch-legacy"),
        (b"\x80\x04\x95\x0d\0\0\0\0\0\0\0\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "torch-legacy"),
    ],
)
def test_more_formats(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    assert sniff(tmp_path / "x.bin") == kind


@pytest.mark.parametrize(
    "content", [b"\x08\x07\x12\xff\xff\xff\xff\x07x", b"\x08\x99\x12\x01", b"\x08\x07", b"\x82\xa6par", b"\x82\x01\x02\xff",
                b"\x81\xa3\xff\xfe\xfd\x01"]
)  # fmt: skip
def test_near_misses_are_unknown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(FileFormatError, match="starts with the bytes") as caught:
        sniff(tmp_path / "x.bin")
    assert caught.value.code == "E_UNKNOWN"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("torch-zip", ("m/data.pkl", "m/data/0")),
        ("torchscript", ("m/data.pkl", "m/code/x.py")),
        ("torchscript", ("m/data.pkl", "m/constants.pkl")),
        ("torch-export", ("m/data/weights/weight_0", "m/models/model.json", "m/archive_format")),
        ("torch-export", ("serialized_exported_program.json", "serialized_state_dict.pt")),
        ("keras", ("config.json", "metadata.json", "model.weights.h5")),
        ("npz", ("a.npy", "b.npy")),
    ],
)
def test_kinds_of_zip_archives(tmp_path: Path, kind: str, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    assert sniff(tmp_path / "x") == kind
