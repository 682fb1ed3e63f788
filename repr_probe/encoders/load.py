"""`load_encoder`: from what the user wrote to a network whose every weight is known to be in its place."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repr_probe import progress
from repr_probe.encoders.architectures import Architecture, nearest_architectures, resolve_architecture
from repr_probe.encoders.checkpoint_file import read_checkpoint
from repr_probe.encoders.devices import resolve_device
from repr_probe.encoders.encoder import Encoder, probe_pooling
from repr_probe.encoders.fit import Fitted, fit_file
from repr_probe.encoders.hints import find_hint
from repr_probe.encoders.input_spec import averaged_over_colours, input_of, overridden
from repr_probe.encoders.networks import RANDOM_SEED, build_network
from repr_probe.encoders.pooling import check_pool
from repr_probe.encoders.self_checks import check_head_width, check_outputs, trial_images
from repr_probe.errors import CheckpointError, FileFormatError
from repr_probe.files.hashing import sha256_of
from repr_probe.preprocessing import InputSpec

EMBEDDED = Path(__file__).parent / "embedded"


@dataclass(frozen=True)
class _Opened:
    """A network with its weights, before the user's wishes on input and pooling."""

    name: str
    architecture: Architecture
    module: nn.Module
    input: InputSpec
    identity: dict[str, Any]
    facts: dict[str, Any]
    notes: tuple[str, ...]
    fitted: Fitted | None = None


def load_encoder(
    checkpoint: str | Path,
    *,
    arch: str | None = None,
    image_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    pool: str | None = None,
    pretrained: bool = False,
    device: str = "auto",
) -> Encoder:
    """Open `checkpoint` as an image encoder.

    checkpoint, in this order: an existing torch or safetensors file; the name of an embedded network ("hydes-digits");
    "timm:NAME" or "torchvision:NAME" (random weights from seed 0, or published ones with `pretrained`, which may download).
    arch: the network of a file, where the file does not say it or shall not be believed.
    image_size, mean, std: in place of what the network's configuration says; `Encoder.input.sources` says where each value came from.
    pool: "avg", "mean", "cls" or "max" in place of the network's own pooling.  device: "auto" is cuda where there is one, else cpu.

    Every tensor the network needs up to its pooled output must be in the file with its shape, else CheckpointError says what does not fit;
    FileFormatError when the file itself cannot be read. Nothing in a file is ever run. The caller's random numbers are left as they were.
    """
    place, pool = resolve_device(device), check_pool(pool)
    opened = _open(checkpoint, resolve_architecture(arch) if arch else None, pretrained)
    spec = overridden(opened.input, image_size=image_size, mean=mean, std=std)
    if spec.size != opened.input.size:
        _resize(opened.module, spec.size, opened.architecture)
    opened.module.to(place)
    pooled, own_pool = _try_out(opened, spec, place)
    facts = {
        **opened.facts,
        "n_features": pooled.shape[1],
        "pooling": {None: "the network's own head before its classifier", "avg": "mean of the last maps or patches", "cls": "class token",
                    "max": "maximum of the last maps"}[own_pool],
        "versions": _versions(opened.architecture.library),
    }  # fmt: skip
    encoder = Encoder(
        name=opened.name, architecture=str(opened.architecture), module=opened.module, input=spec, identity=opened.identity,
        facts=facts, notes=opened.notes, pool=pool, own_pool=own_pool,
    )  # fmt: skip
    if pool is not None:
        encoder.features(trial_images(spec)[:1], [encoder.default_layer])  # a pooling the network does not have is refused now
    return encoder


def _open(checkpoint: str | Path, wanted: Architecture | None, pretrained: bool) -> _Opened:
    text = str(checkpoint)
    if Path(text).exists():
        _no_pretrained(pretrained, text)
        return _open_file(Path(text), wanted, Path(text).name)
    embedded = {path.stem: path for path in EMBEDDED.glob("*.safetensors")}
    if text in embedded:
        _no_pretrained(pretrained, text)
        return _open_file(embedded[text], wanted, text)
    if text.startswith(("timm:", "torchvision:")):
        if wanted not in (None, resolve_architecture(text)):
            raise CheckpointError(f"arch must be left out when the checkpoint is a network's name; got {wanted} beside {text!r}")
        return _open_named(text, pretrained)
    if "/" in text or "\\" in text or Path(text).suffix:
        raise FileFormatError(f"checkpoint must be an existing file; got {text}, and nothing is there")
    near = difflib.get_close_matches(text, embedded, n=2, cutoff=0.5)
    hint = f"nearest: {', '.join(near)}" if near else nearest_architectures(text)
    raise CheckpointError(f"checkpoint must be a file, an embedded network, timm:NAME or torchvision:NAME; got {text!r}; {hint}")


def _no_pretrained(pretrained: bool, text: str) -> None:
    if pretrained:
        raise CheckpointError(f"pretrained must be left out when the checkpoint brings its weights; got {text}")


def _open_named(text: str, pretrained: bool) -> _Opened:
    architecture = resolve_architecture(text)
    if pretrained:
        progress.note(f"published weights of {architecture}: taken from this machine if they are there, else downloaded")
    try:
        # torch announces downloads on the standard output, which belongs to results.
        with redirect_stdout(sys.stderr):
            network = build_network(architecture, pretrained=pretrained)
    except Exception as failure:  # downloading fails with the error classes of several libraries
        if isinstance(failure, CheckpointError):
            raise
        reason = " ".join(f"{type(failure).__name__}: {failure}".split())[:200]
        wanted = "downloadable" if pretrained else "buildable"
        raise CheckpointError(f"{architecture} must be {wanted}; got {reason}") from failure
    weights = "published by " + architecture.library if pretrained else f"random, seed {RANDOM_SEED}"
    versions = _versions(architecture.library)
    return _Opened(
        name=text, architecture=architecture, module=network.module, input=input_of(architecture, pretrained=pretrained),
        # The same seed gives other weights, and the same name other published weights, under another version of the library.
        identity={"architecture": str(architecture), "weights": weights, "versions": versions},
        facts={"weights": weights},
        notes=(f"the weights are {weights}" + ("" if pretrained else "; published ones: --pretrained"),),
    )  # fmt: skip


def _open_file(path: Path, wanted: Architecture | None, name: str) -> _Opened:
    file = read_checkpoint(path)
    hint = find_hint(file)
    fitted = fit_file(file, hint, wanted)
    architecture = fitted.architecture
    from_hint = hint.input if hint.architecture == architecture else None
    spec = from_hint or input_of(architecture)
    if fitted.grey_stem:
        spec = averaged_over_colours(spec)
    if fitted.image_size is not None:
        spec = spec.override("position table of the file", size=fitted.image_size)
    sha256 = sha256_of(path)
    return _Opened(
        name=name, architecture=architecture, module=fitted.network.module, input=spec,
        identity={"architecture": str(architecture), "weights": f"sha256:{sha256}", **fitted.identity()},
        facts={"file": path.name, "bytes": path.stat().st_size, "sha256": sha256, "format": file.kind, **fitted.facts()},
        notes=fitted.notes, fitted=fitted,
    )  # fmt: skip


def _resize(module: Any, size: tuple[int, int], architecture: Architecture) -> None:
    """Make a network whose positions are tied to an image size fit another; convolutional networks need nothing."""
    if hasattr(module, "set_input_size"):
        try:
            module.set_input_size(img_size=size)
        except (AssertionError, ValueError, RuntimeError) as failure:
            reason = " ".join(str(failure).split()) or type(failure).__name__
            raise CheckpointError(f"image_size must suit {architecture}; got {size[0]} x {size[1]} ({reason})") from None


def _try_out(opened: _Opened, spec: InputSpec, place: torch.device) -> tuple[torch.Tensor, str | None]:
    """Run four random images through; raises CheckpointError when nothing sensible comes out."""
    try:
        pooled, own_pool = probe_pooling(opened.module, trial_images(spec).to(place))
    except (RuntimeError, AssertionError, ValueError) as failure:
        reason = " ".join(f"{failure}".split())[:160] or type(failure).__name__
        size = f"{spec.size[0]} x {spec.size[1]}"
        raise CheckpointError(f"image_size must suit {opened.architecture}; it cannot take images of {size} ({reason})") from failure
    check_outputs(pooled, str(opened.architecture))
    if opened.fitted is not None:
        check_head_width(opened.fitted.match, opened.fitted.network, pooled.shape[1])
    return pooled, own_pool


def _versions(library: str) -> dict[str, str]:
    versions = {"torch": str(torch.__version__)}
    if library in ("timm", "torchvision"):
        versions[library] = str(__import__(library).__version__)
    return versions
