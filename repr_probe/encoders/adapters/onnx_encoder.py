"""ONNX models as encoders, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.encoders.adapters.callable_encoder import CallableEncoder, as_handed, callable_encoder
from repr_probe.encoders.adapters.declared_input import declared_input
from repr_probe.encoders.adapters.onnx_files import external_files
from repr_probe.encoders.adapters.trial import trial_images
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.files.hashing import sha256_of
from repr_probe.files.printable import listed, printable

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(uint8)": np.uint8}


def onnx_encoder(
    path: str | Path, *, output: str | None = None, layout: str | None = None, range: str | None = None, **input_options: Any
) -> CallableEncoder:
    """The ONNX model at `path` as an encoder; its features are `output`, or its only output that is one vector an image.

    layout: found from the dimension of the input that is 3 (or 1: grey).  range: "uint8" where the model takes 8-bit pixels.
    input_options: image_size (the model's own where it is fixed), mean, std, interp, crop_pct, channels.
    The places of weights kept in other files are checked before the runtime opens anything: all must lie inside the model's folder.

    Raises CheckpointError (E_EXTERNAL_DATA, E_ONNX, E_AMBIGUOUS, E_OUTPUT) or UsageError; without onnxruntime, how to install it.
    """
    path = Path(path)
    beside = external_files(path)
    session = _session(path)
    given = _Input.of(session, path, layout)
    if given.size is not None:
        if input_options.get("image_size") not in (None, given.size, given.size[0] if len(set(given.size)) == 1 else None):
            raise UsageError(f"image_size must be {given.size[0]} x {given.size[1]}, which {path.name} fixes; got {input_options['image_size']}")
        input_options["image_size"] = None
    range = range or ("uint8" if given.dtype is np.uint8 else "normalised")
    spec = declared_input(range=range, grey=given.grey, **input_options)
    spec = spec if given.size is None else spec.override(f"input of {path.name}", size=given.size)
    handed = as_handed(trial_images(spec)[: given.batch or 4], layout=given.layout, range=range).numpy()
    missing = (given.batch or len(handed)) - len(handed)
    name = output or _only_vector(_runner(session, given, None, path)(np.concatenate([handed, *[handed[-1:]] * missing])), path)
    if name not in _names(session):
        raise CheckpointError(f"--output must name an output of {path.name}; got {printable(name)!r}; there are: {listed(_names(session))}",
                              code="E_ONNX")  # fmt: skip
    weights = [f"sha256:{sha256_of(file)}" for file in (path, *beside)]
    return callable_encoder(
        _runner(session, given, name, path), input=spec, name=path.name, architecture="onnx", layout=given.layout, range=range,
        batch=given.batch, identity={"weights": weights[0] if len(weights) == 1 else weights, "output": name},
        facts={"file": path.name, "format": "onnx", "output": name, "beside": [file.name for file in beside],
               "onnxruntime": _runtime().__version__},
        notes=(f"the features are the output {printable(name)!r} of the model; whether it comes after a classifier cannot be told",),
    )  # fmt: skip


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as failure:
        raise CheckpointError('ONNX models need onnxruntime, which is not installed; run: pip install "repr-probe[onnx]"',
                              code="E_EXTRA") from failure  # fmt: skip
    return onnxruntime


def _session(path: Path) -> Any:
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as failure:  # its errors are classes of its own
        raise CheckpointError(f"{path} must be a model onnxruntime can open; got {_said(failure)}", code="E_ONNX") from None


@dataclass(frozen=True)
class _Input:
    """The model's only input.  batch, size: None where free."""

    name: str
    dtype: type
    layout: str
    grey: bool
    batch: int | None
    size: tuple[int, int] | None

    @classmethod
    def of(cls, session: Any, path: Path, layout: str | None) -> _Input:
        inputs = session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape or ()) != 4 or inputs[0].type not in TYPES:
            got = listed([f"{one.name} {one.type} {one.shape}" for one in inputs])
            raise CheckpointError(f"{path} must take one array of images (4 dimensions, numbers); it takes {got}", code="E_ONNX")
        shape = [side if isinstance(side, int) and side > 0 else None for side in inputs[0].shape]
        found = {name for name, side in (("NCHW", shape[1]), ("NHWC", shape[3])) if side == 3}
        found = found or {name for name, side in (("NCHW", shape[1]), ("NHWC", shape[3])) if side == 1}
        if layout is None and len(found) != 1:
            raise CheckpointError(f"{path} must show which dimension are the channels; its input is {inputs[0].shape}; say layout NCHW or NHWC",
                                  code="E_AMBIGUOUS")  # fmt: skip
        layout = layout or found.pop()
        places = shape[1:3] if layout == "NHWC" else shape[2:4]
        height, width = places
        size = None if height is None or width is None else (height, width)
        channels = shape[3] if layout == "NHWC" else shape[1]
        return cls(inputs[0].name, TYPES[inputs[0].type], layout, channels == 1, shape[0], size)


def _runner(session: Any, given: _Input, output: str | None, path: Path) -> Callable[[np.ndarray], Any]:
    """images -> the named output, or {name: array} of all of them."""

    def run(images: np.ndarray) -> Any:
        wanted = _names(session) if output is None else [output]
        try:
            found = session.run(wanted, {given.name: images.astype(given.dtype, copy=False)})
        except Exception as failure:
            shape = tuple(images.shape)
            raise CheckpointError(f"{path} must take images {shape}; got {_said(failure)}; say image_size or layout", code="E_ONNX") from None
        return dict(zip(wanted, found)) if output is None else found[0]

    return run


def _names(session: Any) -> list[str]:
    return [one.name for one in session.get_outputs()]


def _only_vector(outputs: dict[str, Any], path: Path) -> str:
    """The only output of two dimensions; where there is none, the only one of (n, D, 1, 1)."""
    shapes = {name: tuple(getattr(array, "shape", ())) for name, array in outputs.items()}
    single = [name for name, shape in shapes.items() if len(shape) == 4 and (1, 1) in (shape[2:], shape[1:3])]
    vectors = [name for name, shape in shapes.items() if len(shape) == 2] or single
    if len(vectors) != 1:
        got = listed([f"{name} {shape}" for name, shape in shapes.items()], limit=6)
        what = "several vectors an image" if vectors else "no vector an image"
        raise CheckpointError(f"{path} must give one vector an image; it gives {what}: {got}; choose with --output NAME",
                              code="E_AMBIGUOUS" if vectors else "E_OUTPUT")  # fmt: skip
    return vectors[0]


def _said(failure: Exception) -> str:
    return printable(" ".join(str(failure).split()) or type(failure).__name__, limit=200)
