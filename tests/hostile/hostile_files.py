"""Every hostile or broken file: how it is written, what it is, and the code it must be refused with ("" where it must load).

`python tests/hostile/hostile_files.py` prints the table as Markdown.
"""

from __future__ import annotations

import builtins
import gzip
import io
import json
import os
import pickle
import random
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crafted
import numpy as np
import torch
from crafted import Payload, canary_of, saved, shell, text, weights

Writer = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Hostile:
    """write(path, folder): makes it at `path`.  reader: "load" (load_encoder), "torch" (read_torch) or "arrays" (read_arrays).

    code: "" where it must load.  says: words that the message, or the notes of what loaded, must hold.
    """

    number: str
    what: str
    code: str
    write: Writer
    says: str = ""
    reader: str = "load"


def _bytes(make: Callable[[Path], bytes]) -> Writer:
    return lambda path, folder: (path.write_bytes(make(folder)), None)[1]


def _fixed(content: bytes) -> Writer:
    return _bytes(lambda folder: content)


def _saved(make: Callable[[Path], Any], **how: Any) -> Writer:
    return _bytes(lambda folder: saved(make(folder), **how))


def _good(**how: Any) -> bytes:
    return saved(weights(), **how)


def _archive(change: Callable[[bytes], bytes]) -> Writer:
    return _bytes(lambda folder: change(_good()))


def _beside(opcodes: bytes) -> Writer:
    return _archive(lambda archive: crafted.beside(archive, opcodes))


def _without(*starts: str) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in weights().items() if not name.startswith(starts)}


def _replaced(name: str, tensor: Any) -> dict[str, Any]:
    return {**weights(), name: tensor}


def _cast(change: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: change(tensor) if tensor.is_floating_point() else tensor for name, tensor in weights().items()}


def _prefixed(*prefixes: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for seed, prefix in enumerate(prefixes) for name, tensor in weights(seed=seed).items()}


def _zeros(path: Path, folder: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50 << 20)


def _deflate_bomb(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive, archive.open("archive/data.pkl", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1 << 20))
    return buffer.getvalue()


def _twice(archive: bytes) -> bytes:
    entries = crafted.entries_of(archive)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return crafted.zipped([*entries, next(entry for entry in entries if entry[0].endswith("data.pkl"))])


def _flipped(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        at = opened.getinfo("archive/data.pkl").header_offset + 400
    return archive[:at] + bytes(byte ^ 0xFF for byte in archive[at : at + 8]) + archive[at + 8 :]


def _overlapping(archive: bytes) -> bytes:
    """The second storage said to lie where the first one does."""
    content, with_names = bytearray(archive), zipfile.ZipFile(io.BytesIO(archive))
    first = with_names.getinfo("archive/data/0").header_offset
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"archive/data/1", with_names.start_dir))
    content[entry + 42 : entry + 46] = first.to_bytes(4, "little")
    return bytes(content)


def _legacy_version(folder: Path) -> bytes:
    file = io.BytesIO(_good(zipped=False))
    magic, version = (pickle.load(file), file.tell())[1], (pickle.load(file), file.tell())[1]
    return file.getvalue()[:magic] + b"\x80\x02" + crafted.doubled(60) + b"." + file.getvalue()[version:]


def _said_without_end(archive: bytes) -> bytes:
    said = text("opt") + b"}" + text("dataset") + crafted.doubled(60) + b"s"
    return crafted.with_pickle(archive, lambda body: b"\x80\x02}(" + text("model") + body + said + b"u.")


def _scripted_payload(folder: Path) -> bytes:
    entries = [(name, crafted.bare(shell(folder), 2) if name.endswith("constants.pkl") else content) for name, content in _script_entries()]
    return crafted.zipped(entries)


def _script_entries() -> crafted.Entries:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return crafted.entries_of(crafted.script())


def _script(folder: Path) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return crafted.script()


def _torch_tar(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("storages")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name in ("tensors", "pickle"):
            content = crafted.bare(shell(folder), 2)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _folder(*names: str) -> Writer:
    def write(path: Path, folder: Path) -> None:
        path.mkdir()
        for name in names:
            (path / name).write_bytes(b"x")

    return write


def _object_array(folder: Path) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, features=np.array([shell(folder), None], dtype=object))
    return buffer.getvalue()


def _cycle(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = {"state_dict": weights()}
    content["self"] = content
    content["list"] = [content, content]
    return content


def _as_numpy(folder: Path) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in weights().items()}


def _hwio() -> dict[str, torch.Tensor]:
    return {name: tensor.permute(2, 3, 1, 0).contiguous() if tensor.ndim == 4 else tensor for name, tensor in weights().items()}


def _bert() -> dict[str, torch.Tensor]:
    names = {"embeddings.word_embeddings.weight": (3000, 64), "embeddings.position_embeddings.weight": (128, 64)}
    for layer in range(2):
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            names[f"encoder.layer.{layer}.{part}.weight"] = (64, 64)
            names[f"encoder.layer.{layer}.{part}.bias"] = (64,)
    return {f"bert.{name}": torch.ones(shape) for name, shape in names.items()}


def _optimizer() -> dict[str, Any]:
    moments = {index: {"step": torch.tensor(1.0), "exp_avg": tensor} for index, tensor in enumerate(weights().values())}
    return {"optimizer": {"state": moments, "param_groups": [{"lr": 0.1}]}, "epoch": 3}


def _safetensors(header: Any, n_bytes: int) -> bytes:
    return crafted.safetensors(json.dumps(header).encode(), bytes(n_bytes))


def _stem_of(stride: tuple[int, ...]) -> dict[str, Any]:
    return _replaced("conv1.weight", torch.ones(1).as_strided((8, 3, 7, 7), stride))


def _pid(key: str, elements: bytes) -> bytes:
    return b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + elements + b"tQ"


def _tensor(key: str, elements: bytes, offset: bytes, size: bytes, stride: bytes) -> bytes:
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + _pid(key, elements) + offset + size + stride + b"\x89ccollections\nOrderedDict\n)RtR"


def _link(path: Path, folder: Path) -> None:
    path.symlink_to(path)


def _rows_of_files() -> list[Hostile]:
    return [
        Hostile("01", "an empty file", "E_EMPTY", _fixed(b"")),
        Hostile("02", "plain text", "E_TEXT", _fixed(b"these are not the weights\nyou are looking for\n")),
        Hostile("03", "the login page of a web site", "E_HTML", _fixed(b"<!DOCTYPE html><html><body>Sign in</body></html>")),
        Hostile("04", "a git-lfs pointer", "E_LFS", _fixed(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"), "git lfs pull"),
        Hostile("05", "50 MB of zeros", "E_ZEROS", _zeros),
        Hostile("06", "random bytes", "E_UNKNOWN", _fixed(random.Random(0).randbytes(5000)), "bytes cd 07 2c d8"),
        Hostile("07", "a zip cut in half", "E_TRUNCATED", _archive(lambda archive: archive[: len(archive) // 2])),
        Hostile("08", "a zip without its last 100 bytes", "E_TRUNCATED", _archive(lambda archive: archive[:-100])),
        Hostile("09", "a legacy file cut in half", "E_CORRUPT", _bytes(lambda folder: (whole := _good(zipped=False))[: len(whole) // 2])),
        Hostile("10", "a legacy file without its last 100 bytes", "E_CORRUPT", _bytes(lambda folder: _good(zipped=False)[:-100])),
        Hostile("40", "safetensors, header of 2^40 bytes", "E_TRUNCATED", _fixed(crafted.safetensors(b"{}", length=1 << 40))),
        Hostile("45", "a tar of torch 0.1 with a symbolic link and a payload", "E_TORCH_TAR", _bytes(_torch_tar)),
        Hostile("46", "a folder of nothing known", "E_DIR_UNKNOWN", _folder("notes.txt")),
        Hostile("46b", "a folder of several checkpoints", "E_DIR_UNKNOWN", _folder("a.pth", "b.ckpt"), "repro-probe inspect"),
        Hostile("47", "a named pipe", "E_NOT_REGULAR", lambda path, folder: os.mkfifo(path)),
        Hostile("47b", "a device", "E_NOT_REGULAR", lambda path, folder: path.symlink_to("/dev/zero")),
        Hostile("48", "gzip", "E_GZIP", _bytes(lambda folder: gzip.compress(_good()[:5000]))),
        Hostile("50", "rar", "E_UNKNOWN", _fixed(b"Rar!\x1a\x07\x01\x00" + bytes(range(256)))),
        Hostile("51", "a symbolic link to itself", "E_NOT_FOUND", _link),
        Hostile("51b", "a file that vanished", "E_NOT_FOUND", lambda path, folder: None),
    ]  # fmt: skip


def _rows_of_code() -> list[Hostile]:
    return [
        Hostile("11", "a bare pickle with os.system", "E_BARE_PICKLE", _bytes(lambda folder: crafted.bare(shell(folder)))),
        Hostile("12", "os.system beside good weights, zip", "E_MALICIOUS", _saved(lambda folder: {**weights(), "x": shell(folder)}), "nothing was run"),
        Hostile("13", "os.system beside good weights, legacy", "E_MALICIOUS", _saved(lambda folder: {**weights(), "x": shell(folder)}, zipped=False)),
        Hostile("14", "builtins.getattr", "E_MALICIOUS", _saved(lambda folder: {**weights(), "x": Payload(getattr, os.sep, "join")}), "getattr"),
        Hostile("15", "builtins.eval as the root object", "E_MALICIOUS",
                _saved(lambda folder: Payload(eval, f"open({str(canary_of(folder))!r}, 'w')")), "eval"),
        Hostile("16", "builtins.exec in place of a weight", "E_MALICIOUS",
                _saved(lambda folder: _replaced("conv1.weight", Payload(builtins.exec, f"open({str(canary_of(folder))!r}, 'w')"))), "exec"),
        Hostile("16b", "os.system by name from the stack (protocol 4)", "E_MALICIOUS",
                _saved(lambda folder: {**weights(), "x": shell(folder)}, protocol=4)),
        Hostile("16c", "os.system in another pickle of a TorchScript archive", "E_MALICIOUS", _bytes(_scripted_payload)),
        Hostile("16d", "os.system by the opcode INST, in text", "E_MALICIOUS",
                _bytes(lambda folder: crafted.beside(_good(), b"(S'touch " + os.fsencode(canary_of(folder)) + b"'\nios\nsystem\n"))),
        Hostile("42", "TorchScript", "", _bytes(_script), reader="torch"),
        Hostile("49", "an .npz of Python objects", "E_OBJECT_ARRAY", _bytes(_object_array), "nothing was run", reader="arrays"),
    ]  # fmt: skip


def _rows_of_sizes() -> list[Hostile]:
    overlap = {key: {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]} for key in "ab"}
    return [
        Hostile("17", "300 MB deflated into kilobytes", "E_ZIP_COMPRESSED", _bytes(_deflate_bomb), "nothing was unpacked"),
        Hostile("18", "two entries data.pkl", "E_ZIP_DUP", _archive(_twice)),
        Hostile("19", "an entry named ../../evil", "E_ZIP_NAME",
                _archive(lambda archive: crafted.zipped([*crafted.entries_of(archive), ("../../evil", b"x")]))),
        Hostile("20", "a record shorter than its tensor", "E_SIZE_MISMATCH",
                _archive(lambda archive: crafted.changed(archive, lambda leaf, content: content[:100] if leaf == "data/0" else content))),
        Hostile("20b", "two storages in one place", "E_SIZE_MISMATCH", _archive(_overlapping)),
        Hostile("21", "a record that is missing", "E_MISSING_STORAGE",
                _archive(lambda archive: crafted.changed(archive, lambda leaf, content: None if leaf == "data/5" else content))),
        Hostile("22", "flipped bytes in data.pkl", "E_CORRUPT", _archive(_flipped)),
        Hostile("23", "4 bytes that show 4 TB by stride 0", "E_TENSOR_BOMB",
                _saved(lambda folder: {**weights(), "x": torch.ones(1).expand(10**6, 10**6)}), "4000000000000 bytes"),
        Hostile("24", "a stem of stride 0", "E_TENSOR_BOMB", _saved(lambda folder: _stem_of((0, 0, 0, 0))), "conv1.weight"),
        Hostile("24b", "a tensor that reaches behind its storage", "E_TENSOR_BOMB",
                _beside(_tensor("0", b"M\x98\x04", b"K\x01", b"M\x98\x04\x85", b"K\x01\x85"))),
        Hostile("24c", "a tensor of negative stride", "E_CORRUPT",
                _beside(_tensor("0", b"M\x98\x04", b"K\x07", b"K\x08\x85", b"J\xff\xff\xff\xff\x85"))),
        Hostile("39", "safetensors, two tensors in one place", "E_CORRUPT", _fixed(_safetensors(overlap, 24))),
        Hostile("39b", "safetensors, a header of 6,000,000 empty lists", "E_CORRUPT",
                _bytes(lambda folder: crafted.safetensors(b'{"a":[' + b",".join([b"[]"] * 6_000_000) + b"]}"))),
        Hostile("39c", "Flax, a list of 8,000,000 empty values", "E_CORRUPT",
                _bytes(lambda folder: b"\x81\xa1a\xdd" + struct.pack(">I", 8_000_000) + b"\xc0" * 8_000_000)),
        Hostile("41", "safetensors, a shape that does not fit its bytes", "E_CORRUPT",
                _fixed(_safetensors({"a": {"dtype": "F32", "shape": [100, 100], "data_offsets": [0, 24]}}, 24))),
    ]  # fmt: skip


def _rows_of_pickles() -> list[Hostile]:
    deep = 200_000
    copies = b"(" + b"N" * 100_000 + b"tr\x40\x42\x0f\x00" + (b"0ccollections\ndeque\nj\x40\x42\x0f\x00\x85R") * 10_000
    return [
        Hostile("25a", "lists nested 200,000 deep", "", _beside(b"]" * deep + b"a" * (deep - 1))),
        Hostile("25b", "dictionaries nested 50,000 deep", "", _beside((b"}" + text("k")) * 50_000 + b"N" + b"s" * 50_000)),
        Hostile("25c", "tuples nested 200,000 deep", "", _beside(b")" + b"\x85" * deep)),
        Hostile("25d", "a key of tuples nested 200,000 deep", "E_KEYS", _beside(b"}" + b")" + b"\x85" * deep + b"Ns")),
        Hostile("26", "lists shared along 2^60 paths", "", _beside(crafted.doubled(60))),
        Hostile("26b", "a key of tuples shared along 2^60 paths", "E_KEYS",
                _beside(b"}" + b")" + b"2\x86" * 60 + b"Ns")),
        Hostile("26c", "a key of tuples shared along 64^4 paths", "E_KEYS", _beside(b"}" + crafted.grid(b"K\x01", 64, 4) + b"Ns")),
        Hostile("26d", "a key of tuples that shows one text of 100 kB 700 times", "E_KEYS",
                _beside(b"}" + crafted.grid(text("x" * 100_000), 9, 3) + b"]s")),
        Hostile("26e", "a legacy version shared along 2^60 paths", "E_CORRUPT", _bytes(_legacy_version)),
        Hostile("26f", "an argument `dataset` shared along 2^60 paths", "", _archive(_said_without_end)),
        Hostile("27", "a key of control characters, a key of 100 kB", "",
                _saved(lambda folder: {**weights(), "evil\x1b[2J\x07": torch.ones(2), "k" * 100_000: torch.ones(2)})),
        Hostile("57", "a dictionary that holds itself", "", _saved(_cycle)),
        Hostile("60", "a memo index of 2^32 - 1", "", _beside(b"Nr\xff\xff\xff\xff")),
        Hostile("61", "a bytearray of 2^60 bytes", "E_CORRUPT", _beside(b"\x96" + (1 << 60).to_bytes(8, "little"))),
        Hostile("62", "100,000 entries copied 10,000 times", "E_PICKLE_LIMIT", _beside(copies)),
        Hostile("64", "2,000 nested dictionaries under one key of 1 MB", "",
                _beside(text("k" * 1_000_000) + crafted.put(30_000) + b"0" + (b"}" + crafted.get(30_000)) * 2_000 + b"N" + b"s" * 2_000)),
        Hostile("65", "300,000 attributes copied 20,000 times", "E_PICKLE_LIMIT", _beside(crafted.rebuilt(300_000, 20_000))),
        Hostile("66", "an array remembered 300,000 times and made 20,000 times", "E_PICKLE_LIMIT", _beside(crafted.unbuilt(300_000, 20_000))),
        Hostile("63", "eight million empty dictionaries", "E_PICKLE_LIMIT", _beside(b"}0" * 8_000_000 + b"N")),
    ]  # fmt: skip


def _rows_of_weights() -> list[Hostile]:
    return [
        Hostile("28", "a NaN", "E_NONFINITE",
                _saved(lambda folder: _replaced("layer2.0.conv1.weight", torch.full((16, 8, 3, 3), float("nan")))), "layer2.0.conv1.weight"),
        Hostile("29", "tensors without values (meta)", "E_META", _saved(lambda folder: _cast(lambda tensor: tensor.to("meta")))),
        Hostile("30", "`x` and `module.x` both", "E_AMBIGUOUS", _saved(lambda folder: _prefixed("", "module."))),
        Hostile("31", "an optimizer only", "E_NO_ENCODER", _saved(lambda folder: _optimizer())),
        Hostile("32", "a head only", "E_NO_ENCODER", _saved(lambda folder: {"fc.weight": torch.ones(10, 64), "fc.bias": torch.ones(10)})),
        Hostile("33", "two unknown encoders", "E_AMBIGUOUS", _saved(lambda folder: _prefixed("alpha.", "beta.")), "--prefix"),
        Hostile("34", "one convolution of another shape", "E_SHAPE",
                _saved(lambda folder: _replaced("layer3.1.conv2.weight", torch.ones(32, 16, 3, 3))), "layer3.1.conv2.weight"),
        Hostile("35", "one batch normalisation missing", "E_MISSING", _saved(lambda folder: _without("layer2.1.bn2."))),
        Hostile("36", "layer4 gone, its classifier kept", "E_HEAD_WIDTH", _saved(lambda folder: _without("layer4."))),
        Hostile("37", "a stem of one channel", "", _saved(lambda folder: weights(channels=1)), "mean 0.449"),
        Hostile("38", "a language model", "E_NO_ENCODER", _saved(lambda folder: _bert())),
        Hostile("43", "a list of tensors", "E_LIST", _saved(lambda folder: list(weights().values()))),
        Hostile("44", "one matrix", "E_NO_ENCODER", _saved(lambda folder: torch.ones(50, 8)), "features"),
        Hostile("52", "float8 weights", "", _saved(lambda folder: _cast(lambda tensor: tensor.to(torch.float8_e4m3fn))), "float8"),
        Hostile("53", "complex weights", "E_DTYPE", _saved(lambda folder: _cast(lambda tensor: tensor.to(torch.complex64)))),
        Hostile("54", "a sparse weight", "E_DTYPE", _saved(lambda folder: _replaced("conv1.weight", weights()["conv1.weight"].to_sparse()))),
        Hostile("55", "every convolution zero", "E_DEGENERATE", _saved(lambda folder: _cast(lambda tensor: tensor * (tensor.ndim != 4)))),
        Hostile("56", "numpy arrays as values", "", _saved(_as_numpy)),
        Hostile("58", "numbers as keys", "E_KEYS", _saved(lambda folder: dict(enumerate(weights().values())))),
        Hostile("59", "kernels as (height, width, in, out)", "E_LAYOUT_HWIO", _saved(lambda folder: _hwio())),
    ]  # fmt: skip


HOSTILE = tuple(
    sorted(
        [*_rows_of_files(), *_rows_of_code(), *_rows_of_sizes(), *_rows_of_pickles(), *_rows_of_weights()],
        key=lambda row: (int(row.number[:2]), row.number),
    )
)


def write_all(folder: Path) -> dict[str, Path]:
    """Every file of the table in `folder`, which must be empty: number -> path."""
    paths = {}
    for row in HOSTILE:
        paths[row.number] = folder / f"{row.number}.pth"
        row.write(paths[row.number], folder)
    return paths


def table() -> str:
    """The table as Markdown."""
    lines = ["| | file | outcome |", "|---|---|---|"]
    lines += [f"| {row.number} | {row.what} | {f'`{row.code}`' if row.code else 'loads'} |" for row in HOSTILE]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
