"""From what was written as a checkpoint to an adapter, where it is no file of weights: `package.module:function`, ONNX, exported programs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.adapters.by_name import current_folder_importable, find_by_name
from repr_probe.encoders.adapters.protocol import ImageEncoder
from repr_probe.encoders.architectures import is_code_name
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.files.printable import printable
from repr_probe.files.sniff import sniff

PROGRAMS = ("torch-export", "torchscript")
# What each kind can be told beside the preprocessing: how images are handed over, and which output is taken.
PREPROCESSING = ("image_size", "mean", "std", "interp", "crop_pct", "channels")
HANDING: Mapping[str, tuple[str, ...]] = {
    "code": ("layout", "range", "arrays", "batch"),
    "onnx": ("layout", "range", "output"),
    "torch-export": ("layout", "range", "batch"),
    "torchscript": ("layout", "range", "batch"),
}


def open_adapter(
    checkpoint: str | Path,
    *,
    allow_code: bool = False,
    options: Mapping[str, Any] | None = None,
    pool: str | None = None,
    device: torch.device | None = None,
    kind: str | None = None,
) -> ImageEncoder | None:
    """The encoder `checkpoint` names, or None where it is no adapter's business (a file of weights, a name of timm or torchvision).

    checkpoint: an existing path, or `package.module:name` of a function, a torch module, an encoder (`as_encoder`), or a class or
        function without arguments that returns one of these.
    options: those of PREPROCESSING and HANDING; None counts as left out.  kind: what `sniff` said of the path, if it was asked already.

    ONNX files run without `allow_code`. Exported programs and TorchScript are code: without it they are None, for their weights can
    be read as those of any checkpoint; a name in a module is refused (E_NEEDS_CODE) with the command that allows it.
    """
    text = str(checkpoint)
    path = _existing(text)
    if path is not None and path.is_file():
        kind = kind or sniff(text)
    elif path is None and is_code_name(text):
        kind = "code"
    if kind is None or kind not in HANDING or (kind in PROGRAMS and not allow_code):
        return None
    if kind == "code" and not allow_code:
        raise CheckpointError(needs_code(text), code="E_NEEDS_CODE")
    given = _known({name: value for name, value in (options or {}).items() if value is not None}, kind, text)
    if kind == "code":
        encoder = encoder_by_name(text, pool=pool, **given)
        encoder.module.to(encoder.device if device is None else device)
        return encoder
    if pool is not None:
        raise UsageError(f"pool must be left out for {printable(text)}, whose output is taken as it is; got {pool!r}")
    if kind == "onnx":
        from repr_probe.encoders.adapters.onnx_encoder import onnx_encoder

        return onnx_encoder(text, **given)
    from repr_probe.encoders.adapters.exported_encoder import exported_encoder

    return exported_encoder(text, kind=kind, device=device, **given)


def _existing(text: str) -> Path | None:
    """The path, if there is something at it; a text that cannot be one (too long, a zero byte) is none."""
    try:
        return Path(text) if Path(text).exists() else None
    except (OSError, ValueError):
        return None


def needs_code(text: str) -> str:
    """The message that refuses to import, with the command that would."""
    name, module = printable(text), printable(text.partition(":")[0])
    return (
        f"checkpoint must not run code unless that is allowed; got {name}, which imports {module}; "
        f"if you trust it: repro-probe geometry {name} --dataset NAME --allow-code (in Python: allow_code=True)"
    )


def encoder_by_name(text: str, **options: Any) -> ImageEncoder:
    """Import `package.module` (also out of the current folder) and make an encoder of `name` in it."""
    with current_folder_importable():
        return as_encoder(object_by_name(text), name=text, **options)


def object_by_name(text: str) -> Any:
    """What `package.module:name` is, or returns when it must be called first: a function, a torch module or an encoder."""
    with current_folder_importable():
        found = find_by_name(text)
        if _is_factory(found):
            try:
                found = found()
            except Exception as failure:  # foreign code can fail in any way
                got = printable(" ".join(f"{type(failure).__name__}: {failure}".split()), limit=200)
                raise CheckpointError(f"{text} must return an encoder when it is called; got {got}", code="E_CODE") from failure
    if not callable(found) and not hasattr(found, "features"):
        raise CheckpointError(f"{text} must be a function, a torch module or an encoder; got a {type(found).__name__}", code="E_CODE")
    return found


def _is_factory(found: Any) -> bool:
    """Whether it must be called to get at the encoder: a class, or a function that needs no argument."""
    if isinstance(found, nn.Module) or not callable(found):
        return False
    if isinstance(found, type):
        return True
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):  # builtins may have none
        return False
    free = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    takes_images = any(one.kind is inspect.Parameter.VAR_POSITIONAL or (one.kind not in free and one.default is one.empty) for one in parameters)
    return not takes_images


def _known(given: dict[str, Any], kind: str, text: str) -> dict[str, Any]:
    known = (*PREPROCESSING, *HANDING[kind])
    if "interpolation" in given:
        given["interp"] = given.pop("interpolation")
    strange = [name for name in given if name not in known]
    if strange:
        raise UsageError(f"{strange[0]} must be left out for {printable(text)}; it takes {', '.join(known)}")
    return given
