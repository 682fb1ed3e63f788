"""Programs torch wrote down whole: torch.export (.pt2) and TorchScript. Opening one runs code; only `--allow-code` leads here."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from repr_probe.encoders.adapters.callable_encoder import CallableEncoder, callable_encoder
from repr_probe.encoders.adapters.declared_input import declared_input
from repr_probe.errors import CheckpointError
from repr_probe.files.hashing import sha256_of
from repr_probe.files.printable import printable


def exported_encoder(
    path: str | Path,
    *,
    kind: str,
    range: str = "normalised",
    layout: str = "NCHW",
    batch: int | None = None,
    device: torch.device | None = None,
    **input_options: Any,
) -> CallableEncoder:
    """A .pt2 (`kind` "torch-export") or TorchScript ("torchscript") file as an encoder whose features are its output.

    The size of images and the batch are the program's own where it fixes them. Raises CheckpointError (E_CODE) when torch cannot open it.
    """
    path = Path(path)
    open_one = _open_export if kind == "torch-export" else _open_script
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript announces its own end at every use
            module, shape = open_one(path)
    except Exception as failure:  # foreign code can fail in any way
        got = printable(" ".join(f"{type(failure).__name__}: {failure}".split()), limit=200)
        raise CheckpointError(f"{path} must be a program this torch ({torch.__version__}) can open; got {got}", code="E_CODE") from failure
    places = shape[1:3] if layout == "NHWC" else shape[2:4]
    grey = (shape[3] if layout == "NHWC" else shape[1]) == 1 if len(shape) == 4 else False
    spec = declared_input(range=range, grey=grey, **input_options)
    if input_options.get("image_size") is None and len(places) == 2 and all(places):
        spec = spec.override(f"input of {path.name}", size=(int(places[0] or 0), int(places[1] or 0)))
    if kind == "torchscript":
        module.to(device or "cpu")  # an exported program holds constants made for the device it was written on
    return callable_encoder(
        module, input=spec, name=path.name, architecture=kind, layout=layout, range=range, arrays="torch",
        batch=batch or (shape[0] if shape else None), module=module, identity={"weights": f"sha256:{sha256_of(path)}"},
        facts={"file": path.name, "format": kind, "torch": str(torch.__version__)},
        notes=("the features are the output of the program; whether it ends in a classifier cannot be told",),
    )  # fmt: skip


def _open_export(path: Path) -> tuple[Any, tuple[int | None, ...]]:
    """(module, shape of its only input with None where it is free)."""
    program = torch.export.load(path)
    specs = program.graph_signature.user_inputs
    if len(specs) != 1:
        raise ValueError(f"one input is wanted, the program takes {len(specs)}")
    placeholder = next(node for node in program.graph.nodes if node.op == "placeholder" and node.name == specs[0])
    shape = tuple(side if isinstance(side, int) else None for side in placeholder.meta["val"].shape)
    return program.module(), shape


def _open_script(path: Path) -> tuple[Any, tuple[int | None, ...]]:
    return torch.jit.load(str(path), map_location="cpu").eval(), ()
