"""What the index records of one architecture, read off the network itself, built without memory for its weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from repr_probe.encoders.architectures import Architecture, known_networks
from repr_probe.encoders.index.elastic import Axis, fit_table
from repr_probe.encoders.index.record import COMPUTED, Record, Shape
from repr_probe.encoders.input_spec import input_of
from repr_probe.encoders.networks import Network, build_network
from repr_probe.errors import CheckpointError, ReprProbeError

LIBRARIES = ("torchvision", "timm")


def every_architecture() -> list[Architecture]:
    """timm's networks and torchvision's classifiers, torchvision's first."""
    found = [Architecture(library, name) for library in LIBRARIES for name in known_networks(library)]
    return [architecture for architecture in found if _classifies(architecture)]


def _classifies(architecture: Architecture) -> bool:
    if architecture.library == "timm":
        return True
    from torchvision.models import get_model_builder

    return get_model_builder(architecture.name).__module__.count(".") == 2  # torchvision.models.detection.x and others have more


@contextmanager
def no_memory() -> Iterator[None]:
    """Inside: tensors have shapes and no values."""
    with torch.device("meta"):
        yield


def build_light(architecture: Architecture, image_size: tuple[int, int] | None = None) -> Network:
    """The network without memory for its weights; with it where the network computes with numbers while it is built."""
    try:
        with no_memory():
            return build_network(architecture, image_size=image_size)
    except (NotImplementedError, RuntimeError) as failure:
        if isinstance(failure, ReprProbeError):
            raise
        return build_network(architecture, image_size=image_size)


def survey(architecture: Architecture) -> Record:
    """Raises whatever the library raises for a network that cannot be built here, for instance ImportError."""
    network = build_light(architecture)
    tensors = tuple((name, tuple(tensor.shape)) for name, tensor in needed_by(network).items())
    spec = input_of(architecture)
    return Record(
        name=str(architecture), tensors=tensors, head=_head_of(network, dict(tensors)), stem=_stem_of(architecture, network, dict(tensors)),
        size=spec.size, tables=_tables_of(architecture, spec.size, dict(tensors)), mean_std=f"mean {_text(spec.mean)}, std {_text(spec.std)}",
        resampling=f"{spec.interpolation}, crop {spec.crop_pct:g}",
        n_parameters=sum(parameter.numel() for parameter in network.module.parameters()),
    )  # fmt: skip


def needed_by(network: Network) -> dict[str, torch.Tensor]:
    """What a file must bring: everything but counters and tables of whole numbers."""
    tensors = network.module.state_dict()
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point() and not name.endswith(COMPUTED)}


def _text(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{number:g}" for number in numbers)


def _head_of(network: Network, encoder: dict[str, Shape]) -> tuple[tuple[int, str], ...]:
    unneeded = set(network.module.state_dict()) - set(encoder)
    with no_memory():
        everything = [name for name, _ in network.shapes_with_head() if name not in unneeded and not name.endswith(COMPUTED)]
    if [name for name in everything if name in encoder] != list(encoder):
        return ()
    places, found = 0, []
    for name in everything:
        if name in encoder:
            places += 1
        else:
            found.append((places, name))
    return tuple(found)


def _stem_of(architecture: Architecture, network: Network, encoder: dict[str, Shape]) -> str:
    """The convolution that networks.py (torchvision) or timm's `in_chans` gives another number of input channels."""
    first: Any = next((name for name, shape in encoder.items() if len(shape) == 4), "")
    if architecture.library == "timm":
        stated = getattr(network.module, "pretrained_cfg", {}).get("first_conv")
        first = f"{stated}.weight" if isinstance(stated, str) else ""
    shape = encoder.get(first, ())
    return first if len(shape) == 4 and shape[1] == 3 else ""


def _tables_of(architecture: Architecture, size: tuple[int, int], encoder: dict[str, Shape]) -> tuple[tuple[str, tuple[Axis, ...]], ...]:
    """Tensors that another image size gives another shape, found by building the network for twice its native size."""
    if architecture.library != "timm":
        return ()
    try:
        doubled = needed_by(build_light(architecture, (2 * size[0], 2 * size[1])))
    except (CheckpointError, TypeError, AssertionError, ValueError, RuntimeError):
        return ()
    if set(doubled) != set(encoder):
        return ()
    fits = {name: fit_table(shape, tuple(doubled[name].shape)) for name, shape in encoder.items() if tuple(doubled[name].shape) != shape}
    return tuple((name, axes) for name, axes in fits.items() if axes is not None)
