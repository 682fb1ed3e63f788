"""The network that is trained: built from a configuration, with weights that its seed decides, and what images it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from repr_probe.encoders.architectures import Architecture, resolve_architecture
from repr_probe.encoders.input_spec import averaged_over_colours, imagenet_input
from repr_probe.encoders.networks import build_network
from repr_probe.encoders.resnets.options import architecture as parametric_resnet
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.preprocessing import InputSpec
from repr_probe.training.config import TrainConfig

# ResNets whose stem and width can be chosen; the parametric network has torchvision's names for their tensors.
RESNETS: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "resnet34": {"layers": "3-4-6-3"},
    "resnet50": {"layers": "3-4-6-3", "block": "bottleneck"},
}
SMALL_SIDE = 64  # pixels: images up to here are seen whole, not cut out of a larger frame


@dataclass(frozen=True)
class Backbone:
    """module: images (n, channels, height, width) -> features (n, n_features), in train mode.  architecture: what `load_encoder` calls it.

    input: how images are prepared when the trained network is evaluated.
    """

    module: nn.Module
    n_features: int
    architecture: str
    input: InputSpec


def build_backbone(config: TrainConfig, n_channels: int | None = None) -> Backbone:
    """The network of a run with random weights that depend on `config.seed` alone; the caller's random numbers stay as they were.

    n_channels: of the images, where the caller knows them; they must be those of the configuration.
    Raises CheckpointError for an unknown network (with the nearest names), UsageError where stem, width or image sizes do not suit it.
    """
    architecture, spec = architecture_of(config), input_of_run(config)
    if n_channels not in (None, spec.channels):
        raise UsageError(f"mean and std must have a value for each of {n_channels} channels of the images; got {spec.channels}")
    module = _build_timm(config, architecture, spec) if architecture.library == "timm" else _build(config, architecture, spec)
    n_features = _check_sizes(module, config, architecture, spec)
    return Backbone(module.train().requires_grad_(True), n_features, str(architecture), spec)


def architecture_of(config: TrainConfig) -> Architecture:
    """The network by name, its stem and width counted in.

    >>> str(architecture_of(TrainConfig(dataset="cifar10", stem="cifar", width=16)))
    'repr_probe:resnet(stem=cifar, width=16)'
    """
    named = resolve_architecture(config.arch)
    if config.width is None and (config.stem == "imagenet" or not has_chosen_stem(config)):
        return named
    if not has_chosen_stem(config):
        raise UsageError(f"width must go with one of {', '.join(RESNETS)}; got it with {named}")
    width = 64 if config.width is None else config.width
    return parametric_resnet(**RESNETS[named.name], stem=config.stem, width=width)


def has_chosen_stem(config: TrainConfig) -> bool:
    """Whether `stem` and `width` say something of the network: of the ResNets above they do, not of one that is described in full.

    >>> has_chosen_stem(TrainConfig(dataset="cifar10")), has_chosen_stem(TrainConfig(dataset="digits", arch="repr_probe:digits_net"))
    (True, False)
    """
    named = resolve_architecture(config.arch)
    return named.library in ("torchvision", "timm") and named.name in RESNETS


def input_of_run(config: TrainConfig) -> InputSpec:
    """What the trained network is shown when it is evaluated: images of the global views' size, normalised as in training.

    From 64 pixels up the centre is cut out, as is usual (224 of 256); smaller images are shown whole.
    """
    size = (config.global_size, config.global_size)
    crop = {"crop_pct": 1.0} if config.global_size <= SMALL_SIDE else {}
    spec = imagenet_input("the training run").override("the training run", size=size, **crop)
    if config.mean is not None and config.std is not None:
        return spec.override("the training run", mean=config.mean, std=config.std)
    return averaged_over_colours(spec) if architecture_of(config).name == "digits_net" else spec


def convert_for_ranks(module: nn.Module, *, device: torch.device, world_size: int) -> nn.Module:
    """BatchNorm over all ranks on several GPUs; on CPUs torch has no such layer, and each rank normalises its own images."""
    if device.type == "cuda" and world_size > 1:
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    return module


def _build(config: TrainConfig, architecture: Architecture, spec: InputSpec) -> nn.Module:
    size = spec.size if architecture.name == "vit" else None
    return build_network(architecture, channels=spec.channels, image_size=size, seed=config.seed).module


def _build_timm(config: TrainConfig, architecture: Architecture, spec: InputSpec) -> nn.Module:
    """Transformers take views of every size: their positions are interpolated (dynamic_img_size)."""
    import timm

    options: dict[str, Any] = {"img_size": config.global_size} | ({} if spec.channels == 3 else {"in_chans": spec.channels})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)
        try:
            return timm.create_model(architecture.name, num_classes=0, dynamic_img_size=True, **options)
        except TypeError:
            pass
    # Networks without positions know neither argument.
    return build_network(architecture, channels=spec.channels, seed=config.seed).module


@torch.no_grad()
def _check_sizes(module: nn.Module, config: TrainConfig, architecture: Architecture, spec: InputSpec) -> int:
    """Show the network black images of every view's size; returns the number of features."""
    module.eval()
    sizes = {"global_size": config.global_size, **({"local_size": config.local_size} if config.n_local else {})}
    for name, size in sizes.items():
        try:
            features = module(torch.zeros(2, spec.channels, size, size))
        except (RuntimeError, AssertionError, ValueError) as failure:
            reason = " ".join(str(failure).split())[:160] or type(failure).__name__
            raise UsageError(f"{name} must suit {architecture}; got {size} ({reason})") from None
        if features.ndim != 2:
            raise CheckpointError(f"arch must give one row of features an image; got shape {tuple(features.shape)} from {architecture}")
    return int(features.shape[1])
