"""Which architectures with the same tensors compute the same features.

Two of them do when their modules agree in every setting, or, where settings differ, when the same weights give the same features of a
trial image. Networks too large to try count as different as soon as a setting differs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from repr_probe.encoders.architectures import resolve_architecture
from repr_probe.encoders.forward import run_network
from repr_probe.encoders.index.record import Record
from repr_probe.encoders.index.survey import build_light
from repr_probe.encoders.networks import build_network
from repr_probe.errors import CheckpointError

LARGEST_TRIED = 150_000_000
SMALL_IMAGE = (64, 64)
TOLERANCE = 1e-5
BUILD_FAILURES = (CheckpointError, TypeError, AssertionError, ValueError, RuntimeError)
# Settings that say nothing about features in evaluation.
IGNORED = {
    "training", "num_classes", "pretrained_cfg", "default_cfg", "drop_prob", "drop_rate", "attn_drop_rate", "drop_path", "drop_path_rate",
    "head_drop", "dropout", "inplace", "grad_checkpointing", "feature_info", "p", "fused_attn", "transform_input", "name", "init_scheme",
}  # fmt: skip


@dataclass
class Trials:
    """What was done to tell architectures apart, for the facts of the index."""

    by_settings: int = 0
    by_features: int = 0
    too_large: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def groups_of(records: Iterable[Record]) -> list[list[Record]]:
    """Records with the same tensors, but for those that follow the image size; groups of two or more."""
    found: dict[object, list[Record]] = {}
    for record in records:
        found.setdefault(record.skeleton(), []).append(record)
    return [group for group in found.values() if len(group) > 1]


def with_kinds(records: Sequence[Record], trials: Trials, advance: Callable[[int], None] = lambda steps: None) -> list[Record]:
    """The records, each with its kind: 1, 2, ... within a group; equal for those that compute the same."""
    kinds: dict[str, int] = {}
    for group in groups_of(records):
        for number, same in enumerate(_same_functions(group, trials), start=1):
            kinds |= {record.name: number for record in same}
        advance(1)
    return [replace(record, kind=kinds.get(record.name, 0)) for record in records]


def _same_functions(group: Sequence[Record], trials: Trials) -> list[list[Record]]:
    size = _common_size(group)
    by_settings: dict[object, list[Record]] = {}
    for record in group:
        by_settings.setdefault(_settings_of(record, size), []).append(record)
    trials.by_settings += len(group) - len(by_settings)
    found: list[list[Record]] = []
    for same in by_settings.values():
        other = next((others for others in found if _same_features(others[0], same[0], size, trials)), None)
        if other is None:
            found.append(same)
        else:
            other += same
    return found


def _common_size(group: Sequence[Record]) -> tuple[int, int] | None:
    """An image size that all can be built for, where their own ones differ; None: each is built for its own."""
    size = group[0].size
    if all(record.size == size for record in group):
        return None
    try:
        for record in group:
            build_light(resolve_architecture(record.name), size)
    except BUILD_FAILURES:
        return None
    return size


def _settings_of(record: Record, size: tuple[int, int] | None) -> object:
    network = build_light(resolve_architecture(record.name), size)
    # Sizes of grids and windows are among the settings.
    return tuple((name, type(module).__qualname__, _plain(vars(module))) for name, module in network.module.named_modules())


def _plain(value: object) -> object:
    """Settings as something that can be compared: numbers, words and their collections; of functions their names."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        items = [(str(key), _plain(item)) for key, item in value.items() if str(key) not in IGNORED and not str(key).startswith("_")]
        return tuple(sorted(items, key=lambda item: item[0]))
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(_plain(item) for item in value)
    if isinstance(value, functools.partial):
        return (_plain(value.func), _plain(value.args), _plain(value.keywords))
    return getattr(value, "__qualname__", type(value).__qualname__)


def _same_features(one: Record, other: Record, size: tuple[int, int] | None, trials: Trials) -> bool:
    pair = f"{one.name} and {other.name}"
    if max(one.n_parameters, other.n_parameters) > LARGEST_TRIED:
        trials.too_large.append(pair)
        return False
    trials.by_features += 1
    networks = [build_network(resolve_architecture(record.name), image_size=size).module.double() for record in (one, other)]
    for network in networks:
        _fill(network)
    for image in (SMALL_IMAGE, size or one.size):
        first, second = (_features(network, image) for network in networks)
        if first is not None and second is not None:
            return _close(first, second)
    trials.failed.append(pair)
    return False


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= TOLERANCE * one.abs().max())


def _features(network: nn.Module, image: tuple[int, int]) -> torch.Tensor | None:
    """Features in double precision of one image of noise; None where the network takes no image of this size."""
    pixels = torch.randn(1, 3, *image, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    try:
        with torch.inference_mode():
            return run_network(network, pixels)[1].clone()
    except (RuntimeError, AssertionError, ValueError):
        return None


def _fill(module: nn.Module) -> None:
    """Weights that let every part of the network show in its features; they depend on their place only, not on the architecture."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in sorted(module.state_dict().items()):
            if tensor.is_floating_point():
                tensor.copy_(_values(name, tensor, generator))


def _values(name: str, tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
    if name.endswith("running_var"):
        return 1 + 0.2 * noise.tanh()
    if name.endswith(("bias", "running_mean")):
        return 0.1 * noise
    if tensor.ndim <= 1 or (min(tensor.shape) == 1 and tensor.ndim == 2):
        return 1 + 0.1 * noise
    return noise / max(tensor[0].numel(), 1) ** 0.5


def told_apart(records: Iterable[Record]) -> list[list[list[str]]]:
    """The groups that compute more than one thing: for each the names of every kind."""
    found = []
    for group in groups_of(records):
        kinds: dict[int, list[str]] = {}
        for record in group:
            kinds.setdefault(record.kind, []).append(record.name)
        if len(kinds) > 1:
            found.append(list(kinds.values()))
    return found
