"""Networks without their classifier, built from a name, with weights that depend on nothing but that name (or with published ones)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from repr_probe.encoders.architectures import Architecture
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import printable

RANDOM_SEED = 0
Shapes = list[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Network:
    """module: gives pooled features, its classifier taken off.

    head_names: dotted names under which the classifier's tensors stand in files.
    shapes_with_head: names and shapes of every tensor, in order, of the network with its classifier (needed to match by order).
    """

    module: nn.Module
    head_names: tuple[str, ...]
    shapes_with_head: Callable[[], Shapes]


def build_network(
    architecture: Architecture,
    *,
    channels: int = 3,
    pretrained: bool = False,
    image_size: tuple[int, int] | None = None,
    seed: int = RANDOM_SEED,
) -> Network:
    """Build the network in eval mode. Its random weights come from `seed`; the caller's random numbers are left as they were.

    channels: input channels of the stem.  image_size: only for networks whose weights depend on it (position tables).
    pretrained: weights published by the library, downloaded when they are not on this machine.
    """
    with _seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # announcements of the libraries about their own future
        if architecture.library == "repr_probe":
            module = _build_own(architecture, channels, image_size)
            network = Network(module, (), lambda: shapes_of(module))
        else:
            network = BUILDERS[architecture.library](architecture.name, channels, pretrained, image_size)
    network.module.eval().float().requires_grad_(False)
    return network


@contextmanager
def _seeded(seed: int = RANDOM_SEED) -> Iterator[None]:
    """Inside: torch's CPU generator starts from `seed`. After: it is where it was. Generators of other devices are not touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def shapes_of(module: nn.Module) -> Shapes:
    return [(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()]


def _build_own(architecture: Architecture, channels: int, image_size: tuple[int, int] | None) -> nn.Module:
    options = dict(architecture.options)
    if architecture.name == "resnet":
        from repr_probe.encoders.resnets.network import build_resnet

        return build_resnet(options, channels=channels)
    if architecture.name == "vit":
        from repr_probe.encoders.vits.network import build_vit

        return build_vit(options, channels=channels, image_size=image_size)
    from repr_probe.encoders.digits_net import DigitsNet

    return DigitsNet()


def _build_timm(name: str, channels: int, pretrained: bool, image_size: tuple[int, int] | None) -> Network:
    import timm

    changed: dict[str, Any] = ({} if image_size is None else {"img_size": image_size}) | ({} if channels == 3 else {"in_chans": channels})

    def create(**options: Any) -> nn.Module:
        return timm.create_model(name, **changed, **options)

    def shapes_with_head() -> Shapes:
        with _seeded():
            try:
                with torch.device("meta"):
                    return shapes_of(create())
            except (NotImplementedError, RuntimeError):  # some networks compute with numbers while they are built
                return shapes_of(create())

    try:
        module = create(num_classes=0, pretrained=pretrained)
    except TypeError as failure:
        if "img_size" not in str(failure):
            raise
        raise CheckpointError(f"image_size must be left at timm:{name}'s own; this network cannot be built for another") from None
    classifier = getattr(module, "pretrained_cfg", {}).get("classifier") or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    return Network(module, heads, shapes_with_head)


def _build_torchvision(name: str, channels: int, pretrained: bool, image_size: tuple[int, int] | None) -> Network:
    from torchvision.models import get_model_builder, get_model_weights

    if image_size is not None:
        raise CheckpointError(f"image_size must be left at torchvision:{name}'s own; its positions cannot be resized; use timm's network")
    options: dict[str, Any] = {}
    if name in ("inception_v3", "googlenet"):
        # As with torchvision's own weights: pixels are rescaled inside, and the training-only classifiers are not built.
        options = {"transform_input": True, "aux_logits": False} | ({} if pretrained else {"init_weights": True})
    module = get_model_builder(name)(weights=get_model_weights(name).DEFAULT if pretrained else None, **options)
    if channels != 3:
        _replace_stem(module, channels)
    shapes = shapes_of(module)
    heads = take_off_head(module)
    return Network(module, (*heads, "AuxLogits", "aux1", "aux2"), lambda: shapes)


def _replace_stem(module: nn.Module, channels: int) -> None:
    """Give the first convolution `channels` input channels."""
    name, stem = next((name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d))
    options: dict[str, Any] = {key: getattr(stem, key) for key in ("kernel_size", "stride", "padding", "dilation", "padding_mode")}
    fresh = nn.Conv2d(channels, stem.out_channels, bias=stem.bias is not None, **options)
    module.set_submodule(name, fresh)


def take_off_head(module: nn.Module) -> tuple[str, ...]:
    """Replace the classifier by what of it comes before the first weight of a decision (pooling, flattening, normalisation).

    Returns the dotted names of what was taken off.
    """
    attribute = next(name for name, _ in reversed(list(module.named_children())) if name in ("fc", "classifier", "head", "heads"))
    head = getattr(module, attribute)
    kept: list[nn.Module] = []
    if isinstance(head, nn.Sequential):
        layers = list(head)
        decision = next(index for index, layer in enumerate(layers) if isinstance(layer, nn.Linear | nn.Conv2d))
        kept = [layer for layer in layers[:decision] if not isinstance(layer, nn.Dropout)]
        if isinstance(layers[-1], nn.AdaptiveAvgPool2d):  # SqueezeNet decides first and pools afterwards
            kept = [layers[-1]]
    setattr(module, attribute, nn.Sequential(*kept) if kept else nn.Identity())
    if not kept:
        return (attribute,)
    return tuple(f"{attribute}.{index}" for index in range(len(kept), 100))


def _build_code(name: str, channels: int, pretrained: bool, image_size: tuple[int, int] | None) -> Network:
    """A network class, or a function that returns a network, out of somebody's module; the user has allowed it to run."""
    from repr_probe.encoders.adapters.by_name import current_folder_importable, find_by_name

    with current_folder_importable():
        found = find_by_name(name)
        try:
            module = found if isinstance(found, nn.Module) else found()
        except Exception as failure:  # foreign code can fail in any way
            reason = printable(" ".join(f"{type(failure).__name__}: {failure}".split()), limit=200)
            raise CheckpointError(f"{name} must return a network when it is called; got {reason}", code="E_CODE") from failure
    if not isinstance(module, nn.Module):
        raise CheckpointError(f"{name} must return a torch module to hold the weights; got a {type(module).__name__}", code="E_CODE")
    return Network(module, (), lambda: shapes_of(module))


BUILDERS = {"torchvision": _build_torchvision, "timm": _build_timm, "code": _build_code}
