"""Which tensor of a file belongs to which tensor of a network: by name with equal shapes, else by order with equal shapes.

A match is all or nothing: every floating-point tensor the network needs up to its pooled output has its tensor in the file, and no tensor
of the file lies inside a part of the network without having found its place there (a ResNet-34 contains a whole ResNet-18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from repr_probe.encoders.containers import Container
from repr_probe.encoders.networks import Network
from repr_probe.encoders.prefixes import below, prefixes_before

BY_NAME, BY_ORDER = "by name", "by order"
# Tables that networks compute themselves and older files store.
COMPUTED = ("num_batches_tracked", "relative_position_index", "attn_mask", "relative_coords_table")
# Tensors of the pre-training task that stand beside the encoder's without a module of their own.
TASK_TENSORS = ("mask_token", "queue", "queue_ptr")
# Roles that shapes cannot tell apart; a match by order must agree in them.
ROLES = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Match:
    """names: network tensor -> tensor of the container.  how: "by name" or "by order".  n_needed: tensors the network cannot do without.

    missing, misshaped: needed tensors without a partner (misshaped: there, with another shape, as "name: (file) is not (network)").
    n_paired: tensors that found a partner, those of the classifier included where the file has it in order.
    strangers: tensors of the file inside a part of the network that has no place for them.  aside: the rest (classifier, projector, ...).
    """

    container: Container
    prefix: str
    how: str
    names: Mapping[str, str]
    n_needed: int
    missing: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    n_paired: int = 0
    aside: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not (self.missing or self.misshaped or self.strangers)

    @property
    def n_found(self) -> int:
        return self.n_needed - len(self.missing) - len(self.misshaped)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: self.container.tensors[key] for name, key in self.names.items()}


def needed_by(module: nn.Module) -> dict[str, torch.Tensor]:
    """What a file must bring: everything but counters and tables of whole numbers."""
    return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point() and not name.endswith(COMPUTED)}


def match_by_name(container: Container, network: Network) -> list[Match]:
    """One match for every prefix under which a tensor of the network stands, the most complete first."""
    needed = needed_by(network.module)
    first_and_last = [*list(needed)[:3], *list(needed)[-3:]]
    prefixes = prefixes_before(container.tensors, first_and_last)
    matches = [_named(container, prefix, network, needed) for prefix in prefixes]
    return sorted(matches, key=lambda match: (not match.whole, -match.n_found, len(match.prefix)))


def _named(container: Container, prefix: str, network: Network, needed: Mapping[str, torch.Tensor]) -> Match:
    held = below(container.tensors, prefix)
    every = network.module.state_dict()
    names = {name: prefix + name for name, tensor in every.items() if name in held and held[name].shape == tensor.shape}
    missing = tuple(name for name in needed if name not in held)
    misshaped = tuple(
        f"{name}: {tuple(held[name].shape)} is not {tuple(tensor.shape)}"
        for name, tensor in needed.items()
        if name in held and name not in names
    )
    left = [name for name in held if name not in names and name not in needed]
    strangers = tuple(name for name in left if _is_stranger(name, held[name], network, needed))
    taken = set(names.values())
    aside = tuple(key for key in container.tensors if key not in taken)
    return Match(container, prefix, BY_NAME, names, len(needed), missing, misshaped, strangers, len(names), aside)


def _is_stranger(name: str, tensor: torch.Tensor, network: Network, needed: Mapping[str, torch.Tensor]) -> bool:
    """True for a tensor inside a part of the network, or beside its parts, for which the network has no use: it computes something else."""
    if name.endswith(COMPUTED) or not tensor.is_floating_point() or name in TASK_TENSORS:
        return False
    if any(name.startswith(f"{head}.") for head in network.head_names):
        return False
    return "." not in name or name.partition(".")[0] in {key.partition(".")[0] for key in needed}


def match_by_order(container: Container, network: Network) -> list[Match]:
    """The tensors of the container, one after the other, on those of the network; empty when shapes or roles differ anywhere.

    Tried on the whole container and on each of its first components, with and without the classifier the network has lost, whose
    width may differ. Roles (weight, bias, running mean and variance) must agree, and so must which tensors belong together in a module.
    """
    parts = ["", *dict.fromkeys(f"{name.partition('.')[0]}." for name in container.tensors if "." in name)]
    every = [(name, tuple(tensor.shape)) for name, tensor in network.module.state_dict().items()]
    lists = [every, network.shapes_with_head()]
    ours = {name for name, _ in every}
    found: list[Match] = []
    for prefix in parts:
        held = [(prefix + name, tuple(tensor.shape)) for name, tensor in below(container.tensors, prefix).items()]
        pairs = next((pairs for target in lists if (pairs := _paired(held, target, ours))), None)
        if pairs is not None:
            names = {name: key for name, key in pairs.items() if name in ours}
            aside = tuple(key for key in container.tensors if key not in set(names.values()))
            found.append(Match(container, prefix, BY_ORDER, names, len(needed_by(network.module)), n_paired=len(pairs), aside=aside))
    return found


def _paired(
    held: list[tuple[str, tuple[int, ...]]], target: list[tuple[str, tuple[int, ...]]], needed: set[str]
) -> dict[str, str] | None:  # fmt: skip
    """Network name -> file name, or None. Counters of batch normalisation are skipped where only one side has them."""
    if any(key.endswith("num_batches_tracked") for key, _ in held) != any(name.endswith("num_batches_tracked") for name, _ in target):
        held = [pair for pair in held if not pair[0].endswith("num_batches_tracked")]
        target = [pair for pair in target if not pair[0].endswith("num_batches_tracked")]
    if len(held) != len(target):
        return None
    modules: dict[str, str] = {}
    for (key, shape), (name, wanted) in zip(held, target):
        if name in needed and shape != wanted:
            return None
        role, wanted_role = key.rpartition(".")[2], name.rpartition(".")[2]
        if role in ROLES and wanted_role in ROLES:
            here, there = key.rpartition(".")[0], name.rpartition(".")[0]
            if role != wanted_role or modules.setdefault(there, here) != here:
                return None
    if len(set(modules.values())) < len(modules):
        return None
    return {name: key for (key, _), (name, _) in zip(held, target)}
