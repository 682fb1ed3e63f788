"""SmoothGrad-CAM: the mean class activation map over noisy copies of an image, of all layers in one forward and one backward pass a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from repr_probe import progress
from repr_probe.encoders.adapters.protocol import ImageEncoder, require
from repr_probe.encoders.encoder import POOLED, Encoder
from repr_probe.encoders.maps import feature_maps, maps_and_output
from repr_probe.errors import InputError, UsageError
from repr_probe.exact_pass import exact_pass, module_device
from repr_probe.visual.cam import METHODS, WITHOUT_TARGET, CamMethod
from repr_probe.visual.cam_maps import SaliencyMaps, maps_of
from repr_probe.visual.cam_sums import FUSIONS, CamSums
from repr_probe.visual.captum_engine import captum_maps
from repr_probe.visual.layers import chosen_layers
from repr_probe.visual.noise import image_key, noise_scale, unit_noise
from repr_probe.visual.targets import OwnTarget, Target, self_target

# What a noisy batch gives: maps of every layer (m, h, w), scores (m,), and the largest absolute gradient (m, L).
BatchMaps = tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]
Engine = Callable[[torch.Tensor, torch.Tensor], BatchMaps]
Noise = Callable[[int, int], torch.Tensor]

# HyDeS, section VI-A: Grad-CAM "across all layers"; the target, the noise and how layers are joined are not stated there.
PRESETS = {"default": {"layers": "stages", "method": "layercam"}, "paper": {"layers": "all", "method": "gradcam"}}
ENGINES = ("own", "captum")


def smoothgrad_cam(
    encoder: ImageEncoder,
    images: torch.Tensor,
    *,
    target: str | Target | OwnTarget = "self",
    layers: str | Sequence[str] | None = None,
    method: str | None = None,
    sigma: float = 0.15,
    samples: int = 25,
    fusion: str = "mean-energy",
    batch_size: int = 8,
    seed: int = 0,
    engine: str = "own",
    preset: str | None = None,
) -> SaliencyMaps:
    """Where in each image the encoder finds what its embedding says; images (n, C, H, W), normalised as `encoder.input` wants them.

    target: "self", or what `repr_probe.visual.targets` makes.  layers: "stages", "all" (every block) or names.
    method: "layercam", "gradcam" or "eigen" (without gradient or target).  preset: "default" (LayerCAM of the stages) or "paper" (Grad-CAM
    of all blocks), replaced by what is named.
    sigma: SD of the noise as a share of the pixel range.  samples: noisy copies an image; the ReLU is inside their mean. Without noise
    one pass is made.  seed: the noise is a function of it, of the picture's pixels and of the number of the sample, of nothing else.
    batch_size: noisy copies in one pass; memory grows with it, the maps stay the same.
    fusion: "mean-energy" (mean over the layers of maps scaled to mean 1) or "mean" (of the maps in the unit of the score).
    engine: "own", or "captum": its LayerGradCam layer after layer on the same noise, for comparison.

    A map that is rounding error, without gradient or without any place in favour is NaN and listed in `dead`.
    The encoder may be frozen; modes, hooks, gradients and random states are as they were afterwards, also when something raises.
    Raises CheckpointError for an encoder without maps or gradients (ONNX, exported, a function), UsageError and InputError otherwise.
    Source: Smilkov et al., SmoothGrad, 2017, applied to Grad-CAM; equal to captum's NoiseTunnel(LayerGradCam) on the same noise.
    """
    chosen = _preset(preset)
    method, words = _one_of("method", method or chosen["method"], METHODS), chosen["layers"] if layers is None else layers
    _one_of("fusion", fusion, FUSIONS)
    _one_of("engine", engine, ENGINES)
    _check(encoder, method, engine, samples, batch_size, target)
    scale = noise_scale(sigma, encoder.input)
    samples = 1 if sigma == 0 else samples
    device = module_device(encoder.module, "auto")
    # Tensors of inference mode could not enter a graph.
    with torch.inference_mode(False), exact_pass(encoder.module, device):
        batch = _checked_images(images, encoder)
        names, notes = chosen_layers(encoder, words, gradients=method not in WITHOUT_TARGET)
        for note in notes:
            progress.note(f"{encoder.name}: {note}")
        goal = None if method in WITHOUT_TARGET else _bound(target, encoder, batch, batch_size)
        run = _engine(engine, encoder, names, method, goal)
        noise = _noise_of(batch, encoder, scale, seed) if sigma > 0 else None
        results = list(_results(run, batch, noise, len(names), samples=samples, batch_size=batch_size, fusion=fusion, device=device))
    settings = {
        "target": None if goal is None else goal.name, "layers": names, "method": method, "sigma": sigma, "samples": samples, "fusion": fusion,
        "seed": seed, "engine": engine, "preset": preset or "default", "upsampling": "bilinear, align_corners=False", "notes": notes,
        "encoder": encoder.name, "architecture": encoder.architecture, "identity": dict(encoder.identity), "input": encoder.input.to_dict(),
    }  # fmt: skip
    return maps_of(results, names, settings)


def _results(
    run: Engine, images: torch.Tensor, noise: Noise | None, n_layers: int, *, samples: int, batch_size: int, fusion: str, device: torch.device
) -> Iterator[Any]:
    """FusedMaps of every image in turn; the sums of an image are dropped as soon as its last sample is in."""
    height, width = images.shape[2:]
    pairs = [(image, sample) for image in range(len(images)) for sample in range(samples)]
    sums: dict[int, CamSums] = {}
    with progress.task("noisy passes", len(pairs)) as advance:
        for start in range(0, len(pairs), batch_size):
            part = pairs[start : start + batch_size]
            noisy = torch.stack([images[image] if noise is None else images[image] + noise(image, sample) for image, sample in part])
            owner = torch.tensor([image for image, _ in part])
            maps, scores, steepest = run(noisy.to(device), owner.to(device))
            for row, (image, sample) in enumerate(part):
                held = sums.setdefault(image, CamSums(n_layers, samples))
                held.add(sample, [each[row] for each in maps], steepest[row].tolist(), float(scores[row]))
                if held.full:
                    yield sums.pop(image).result((height, width), fusion, exact=noise is None)
            advance(len(part))


def _engine(engine: str, encoder: ImageEncoder, layers: list[str], method: str, target: Target | None) -> Engine:
    cam = METHODS[method]
    if target is None:
        return lambda noisy, owner: _active(encoder, noisy, layers, cam)
    if engine == "captum":
        return lambda noisy, owner: captum_maps(encoder, noisy, owner, layers, target)
    return lambda noisy, owner: _explained(encoder, noisy, owner, layers, cam, target)


def _explained(encoder: ImageEncoder, noisy: torch.Tensor, owner: torch.Tensor, layers: list[str], cam: CamMethod, target: Target) -> BatchMaps:
    """One forward pass, one backward pass that stops at the earliest layer."""
    with torch.enable_grad():
        activations, features = maps_and_output(encoder, noisy.requires_grad_(), layers, grad=True)
        scores = target.score(features, owner)
        _check_scores(scores, owner)
        gradients = torch.autograd.grad(scores.sum(), list(activations.values()))
    steepest = torch.stack([_largest(gradient) for gradient in gradients], 1)  # (m, L)
    return [cam(each.detach(), gradient) for each, gradient in zip(activations.values(), gradients)], scores.detach(), steepest


def _largest(gradient: torch.Tensor) -> torch.Tensor:
    """Largest absolute value of every row; without the copy that abs makes."""
    return torch.maximum(gradient.amax((1, 2, 3)), -gradient.amin((1, 2, 3)))


def _active(encoder: ImageEncoder, noisy: torch.Tensor, layers: list[str], cam: CamMethod) -> BatchMaps:
    """Without a target: no gradient is taken, none can be zero."""
    maps = [cam(each, None) for each in feature_maps(encoder, noisy, layers).values()]
    return maps, torch.zeros(len(noisy)), torch.ones(len(noisy), len(layers))


def _noise_of(images: torch.Tensor, encoder: ImageEncoder, scale: torch.Tensor, seed: int) -> Noise:
    keys = [image_key(image, encoder.input) for image in images]
    shape = tuple(images.shape[1:])
    return lambda image, sample: unit_noise(keys[image], sample, shape, seed=seed) * scale


def _bound(target: str | Target | OwnTarget, encoder: ImageEncoder, images: torch.Tensor, batch_size: int) -> Target:
    """The target with the images' own clean embeddings in it, where it wants them."""
    wanted = self_target() if isinstance(target, str) else target
    if isinstance(wanted, Target):
        return wanted
    device = module_device(encoder.module, "auto")
    own = torch.cat([encoder.features(part.to(device), [POOLED])[POOLED] for part in images.split(batch_size)])
    return wanted.of(own.clone())  # features are tensors of inference mode


def _check_scores(scores: Any, owner: torch.Tensor) -> None:
    if not isinstance(scores, torch.Tensor) or scores.shape != owner.shape or not scores.requires_grad:
        got = f"shape {tuple(scores.shape)}" if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise InputError(f"target must give one score an image, ({len(owner)},), computed from its embedding; got {got}")


def _check(encoder: ImageEncoder, method: str, engine: str, samples: int, batch_size: int, target: Any) -> None:
    require(encoder, "maps")
    for name, value in (("samples", samples), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise UsageError(f"{name} must be a whole number from 1; got {value!r}")
    if engine == "captum" and method != "gradcam":
        raise UsageError(f"method must be gradcam for the captum engine, which has LayerGradCam alone; got {method}")
    if isinstance(target, str) and target != "self":
        raise UsageError(f"target must be 'self', or made by centred_target, similar_to, centroid_target or class_target; got {target!r}")
    if not isinstance(target, str | Target | OwnTarget):
        raise UsageError(f"target must be 'self' or a Target; got a {type(target).__name__}; a unit of the embedding means nothing by itself")
    if method in WITHOUT_TARGET:
        if target != "self":
            raise UsageError(f"target must be left out for the method {method}, which has none; got one")
        return
    require(encoder, "grad")
    if isinstance(encoder, Encoder) and encoder.pool not in (None, encoder.own_pool):
        raise UsageError(f"pool must be the network's own ({encoder.own_pool}) where gradients are taken; got {encoder.pool!r}")


def _checked_images(images: Any, encoder: ImageEncoder) -> torch.Tensor:
    """A copy on the CPU, outside any graph."""
    batch = torch.as_tensor(images).detach().to("cpu", torch.float32, copy=True)
    if batch.ndim != 4 or len(batch) == 0 or batch.shape[1] != encoder.input.channels:
        raise InputError(f"images must be (n, {encoder.input.channels}, height, width), one at least; got {tuple(batch.shape)}")
    if not bool(torch.isfinite(batch).all()):
        raise InputError("images must be finite; got NaN or infinity")
    return batch


def _preset(name: str | None) -> dict[str, str]:
    return PRESETS[_one_of("preset", name or "default", PRESETS)]


def _one_of(what: str, value: str, known: Any) -> str:
    if value not in known:
        raise UsageError(f"{what} must be one of {', '.join(known)}; got {value!r}")
    return value
