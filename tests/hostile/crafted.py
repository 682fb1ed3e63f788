"""Building blocks of hostile files: small good weights, payloads, and archives and pickles put together by hand."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


class Payload:
    """Runs `call` on `arguments` in a reader that makes what a pickle asks for."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


def canary_of(folder: Path) -> Path:
    return folder / "canary"


def shell(folder: Path) -> Payload:
    return Payload(os.system, f"touch {canary_of(folder)}")


def weights(width: int = 8, *, channels: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    """A ResNet-18 of this stem width with its classifier, 122 tensors: 10 outputs, 0.7 MB at width 8."""
    from torchvision.models import resnet18

    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in resnet18().state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes.items():
        sizes = [10 if size == 1000 else size * width // 64 if size >= 64 else size for size in shape]
        if name == "conv1.weight":
            sizes[1] = channels
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(100)
        elif name.endswith("running_var"):
            made[name] = torch.rand(sizes, generator=generator) + 0.5
        else:
            scale = (2 / max(1, torch.Size(sizes[1:]).numel())) ** 0.5 if len(sizes) > 1 else 0.1
            made[name] = torch.randn(sizes, generator=generator) * scale + (1.0 if name.endswith("weight") and len(sizes) == 1 else 0.0)
    return made


def saved(content: Any, *, zipped: bool = True, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    return buffer.getvalue()


Entries = list[tuple[str, bytes]]


def entries_of(archive: bytes) -> Entries:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return [(info.filename, opened.read(info)) for info in opened.infolist()]


def zipped(entries: Entries) -> bytes:
    """An archive of these entries, also with one name twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def changed(archive: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with every entry as `change(leaf of its name, content)` says; None drops it."""
    new = [(name, change(name.split("/", 1)[-1], content)) for name, content in entries_of(archive)]
    return zipped([(name, content) for name, content in new if content is not None])


def with_pickle(archive: bytes, build: Callable[[bytes], bytes]) -> bytes:
    """The archive with another data.pkl: `build` gets the opcodes that leave the old content on the stack."""
    return changed(archive, lambda leaf, content: build(content[2:-1]) if leaf == "data.pkl" else content)


def beside(archive: bytes, opcodes: bytes) -> bytes:
    """{"state_dict": the content, "beside": what `opcodes` leave on the stack}."""
    return with_pickle(archive, lambda body: b"\x80\x02}(" + text("state_dict") + body + text("beside") + opcodes + b"u.")


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def doubled(times: int) -> bytes:
    """Opcodes for a list that holds one list twice, which holds one list twice, ...: 2^times ways to its end."""
    steps = [b"]"]
    for index in range(10_000, 10_000 + times):
        number = struct.pack("<I", index)
        steps.append(b"r" + number + b"0](" + (b"j" + number) * 2 + b"e")
    return b"".join(steps)


def put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def grid(inner: bytes, parts: int, levels: int) -> bytes:
    """Opcodes for a tuple that holds one tuple `parts` times, which holds one `parts` times, ...: parts^levels ways to `inner`."""
    for index in range(20_000, 20_000 + levels):
        inner += put(index) + b"0(" + get(index) * parts + b"t"
    return inner


def unbuilt(slots: int, builds: int) -> bytes:
    """Opcodes for a numpy array that the memo holds `slots` times before its state is set `builds` times."""
    state = b"(K\x01K\x01\x85cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R\x89C\x01at" + put(9) + b"0"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    return state + array + b"".join(put(100_000 + index) for index in range(slots)) + b"2" * builds + (get(9) + b"b0") * builds


def rebuilt(entries: int, builds: int) -> bytes:
    """Opcodes for an object of `entries` attributes that gets another state `builds` times."""
    state = b"}(" + b"".join(b"J" + struct.pack("<i", index) + b"N" for index in range(entries)) + b"u"
    return b"cmodule\nClass\n)\x81" + state + b"b" + b"}K\x01Nsb" * builds


def safetensors(header: bytes, data: bytes = b"", *, length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


def script() -> bytes:
    """A scripted module with a convolution that reads images."""
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(module), buffer)
    return buffer.getvalue()


def bare(content: Any, protocol: int = 4) -> bytes:
    return pickle.dumps(content, protocol=protocol)
