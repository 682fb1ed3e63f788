"""Opening: from what the user wrote to a network with its weights, before the user's wishes on input and pooling."""

from __future__ import annotations

import difflib
import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repr_probe import progress
from repr_probe.encoders.architectures import Architecture, nearest_architectures, resolve_architecture
from repr_probe.encoders.checkpoint_file import read_checkpoint
from repr_probe.encoders.encoder import probe_pooling
from repr_probe.encoders.fit import Fitted, decide, fit_choice
from repr_probe.encoders.input_spec import averaged_over_colours, input_of
from repr_probe.encoders.networks import RANDOM_SEED, build_network
from repr_probe.encoders.overrides import Overrides
from repr_probe.encoders.self_checks import check_head_width, check_outputs, trial_images
from repr_probe.encoders.sources import for_small_images
from repr_probe.encoders.survey import survey_file
from repr_probe.errors import CheckpointError, FileFormatError, UsageError
from repr_probe.files.hashing import sha256_of_all, sha256_of_files
from repr_probe.files.printable import printable
from repr_probe.preprocessing import InputSpec

EMBEDDED = Path(__file__).parent / "embedded"


@dataclass(frozen=True)
class Opened:
    """A network with its weights, before the user's wishes on input and pooling."""

    name: str
    architecture: Architecture
    module: nn.Module
    input: InputSpec
    identity: dict[str, Any]
    facts: dict[str, Any]
    notes: tuple[str, ...]
    fitted: Fitted | None = None


def open_checkpoint(checkpoint: str | Path, overrides: Overrides, pretrained: bool) -> Opened:
    text = str(checkpoint)
    if os.path.lexists(text):
        _no_pretrained(pretrained, text)
        return _open_file(Path(text), overrides, Path(text).name)
    embedded = embedded_networks()
    if text in embedded:
        _no_pretrained(pretrained, text)
        return _open_file(embedded[text], overrides, text)
    if text.startswith(("timm:", "torchvision:", "repr_probe:")):
        others = [name for name in overrides.to_dict() if name != "arch"]
        if overrides.arch not in (None, resolve_architecture(text)):
            raise CheckpointError(f"arch must be left out when the checkpoint is a network's name; got {overrides.arch} beside {text!r}")
        if others:
            raise UsageError(f"{others[0]} must go with a file of weights; got it beside {text!r}, which has none")
        return _open_named(text, pretrained)
    if "/" in text or "\\" in text or Path(text).suffix:
        raise FileFormatError(f"checkpoint must be an existing file; got {printable(text, limit=300)}, and nothing is there", code="E_NOT_FOUND")
    near = difflib.get_close_matches(text, embedded, n=2, cutoff=0.5)
    hint = f"nearest: {', '.join(near)}" if near else nearest_architectures(text)
    raise CheckpointError(f"checkpoint must be a file, an embedded network, timm:NAME or torchvision:NAME; got {printable(text)!r}; {hint}")


def embedded_networks() -> dict[str, Path]:
    """Name -> file of the networks this package brings along."""
    return {path.stem: path for path in EMBEDDED.glob("*.safetensors")}


def _no_pretrained(pretrained: bool, text: str) -> None:
    if pretrained:
        raise CheckpointError(f"pretrained must be left out when the checkpoint brings its weights; got {text}")


def _open_named(text: str, pretrained: bool) -> Opened:
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
    versions = library_versions(architecture.library)
    return Opened(
        name=text, architecture=architecture, module=network.module, input=input_of(architecture, pretrained=pretrained),
        # The same seed gives other weights, and the same name other published weights, under another version of the library.
        identity={"architecture": str(architecture), "weights": weights, "versions": versions},
        facts={"weights": weights},
        notes=(f"the weights are {weights}" + ("" if pretrained else "; published ones: --pretrained"),),
    )  # fmt: skip


def _open_file(path: Path, overrides: Overrides, name: str) -> Opened:
    survey = survey_file(read_checkpoint(path), overrides)
    fitted = fit_choice(survey, decide(survey, overrides))
    files = survey.file.files or (path,)
    given, sha256 = overrides.to_dict(), sha256_of_all(path) if path.is_dir() else sha256_of_files(files)
    versions = library_versions(fitted.architecture.library) if fitted.choice.candidate.waived else None
    return Opened(
        name=name, architecture=fitted.architecture, module=fitted.network.module, input=input_of_file(fitted),
        identity={
            "architecture": str(fitted.architecture), "weights": f"sha256:{sha256}", **fitted.identity(),
            **({"overrides": given} if given else {}),
            **({"versions": versions} if versions else {}),  # what is missing is random, and random by version
        },
        facts={"file": path.name, "bytes": sum(file.stat().st_size for file in files), "sha256": sha256, "format": survey.file.kind, **fitted.facts()},
        notes=fitted.notes, fitted=fitted,
    )  # fmt: skip


def input_of_file(fitted: Fitted) -> InputSpec:
    """In this order: what the file says, what its program is known to use, what the names call for, what the library states."""
    survey, reading = fitted.survey, fitted.choice.candidate.reading
    stated, of_source = survey.hint.input, survey.source.input if survey.source is not None else None
    spec = stated or of_source or reading.input or input_of(fitted.architecture)
    if stated is None and of_source is not None and has_small_stem(fitted.network.module):
        spec = for_small_images(spec)
    if stated is None:
        spec = survey.hint.adjusted(spec)
    if reading.channels == 1 and spec.channels == 3:
        spec = averaged_over_colours(spec)
    elif reading.channels != spec.channels:
        seen = f"{reading.channels} channels, the preprocessing {spec.channels}"
        raise CheckpointError(f"checkpoint must take grey or RGB images; got a first layer of {seen}", code="E_CHANNELS")
    if reading.image_size is not None and stated is None:
        spec = spec.override("position table of the file", size=reading.image_size)
    return spec


def has_small_stem(module: nn.Module) -> bool:
    """Whether the first layer is a 3 x 3 convolution of stride 1, as in networks for images of 32 pixels."""
    first = next((layer for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    return first is not None and tuple(first.kernel_size) == (3, 3) and tuple(first.stride) == (1, 1)


def resize_network(module: Any, size: tuple[int, int], architecture: Architecture) -> None:
    """Make a network whose positions are tied to an image size fit another; convolutional networks need nothing."""
    if hasattr(module, "set_input_size"):
        try:
            module.set_input_size(img_size=size)
        except (AssertionError, ValueError, RuntimeError) as failure:
            reason = " ".join(str(failure).split()) or type(failure).__name__
            raise CheckpointError(f"image_size must suit {architecture}; got {size[0]} x {size[1]} ({reason})") from None


def try_out(opened: Opened, spec: InputSpec, place: torch.device) -> tuple[torch.Tensor, str | None]:
    """Run four random images through; raises CheckpointError when nothing sensible comes out."""
    try:
        pooled, own_pool = probe_pooling(opened.module, trial_images(spec).to(place))
    except (RuntimeError, AssertionError, ValueError) as failure:
        reason = " ".join(f"{failure}".split())[:160] or type(failure).__name__
        size = f"{spec.size[0]} x {spec.size[1]}"
        raise CheckpointError(f"image_size must suit {opened.architecture}; it cannot take images of {size} ({reason})") from failure
    check_outputs(pooled, str(opened.architecture))
    if opened.fitted is not None:
        check_head_width(opened.fitted.choice.candidate, opened.fitted.network.head_names, pooled.shape[1])
    return pooled, own_pool


def library_versions(library: str) -> dict[str, str]:
    versions = {"torch": str(torch.__version__)}
    if library in ("timm", "torchvision"):
        versions[library] = str(__import__(library).__version__)
    return versions
