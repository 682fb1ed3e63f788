"""The projector that a checkpoint carries beside its encoder: the layers after the pooled features where the loss was computed.

Its linear layers and normalisations are tensors; what stands between them has none and shows as a gap in their numbers
(`projector.0, .1, .3`): that is taken for a ReLU, as in every projector of the field but DINO's, and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from repr_probe import progress
from repr_probe.encoders.candidates import Candidate
from repr_probe.encoders.reading import Assumption
from repr_probe.errors import UsageError
from repr_probe.files.printable import listed, printable

PROJECTOR = "projector"
NAMES = re.compile(r"(?:^|.*[._])(projector|projection_head|projection|proj_head|projection_mlp|head\.mlp|fc|neck)$")
ITEM = re.compile(r"(?P<place>.+?)\.(?:layers\.|net\.|mlp\.)?(?P<number>\d+)\.(?P<kind>weight|bias|running_mean|running_var)$")
ROLE_WORDS = ("teacher", "student", "momentum", "target", "query", "key", "ema", "online")
EPS = 1e-5


@dataclass(frozen=True)
class Projector:
    """module: (n, width of the features) -> (n, width of the projection).  place: where it stands in the file."""

    module: nn.Sequential
    place: str
    assumption: Assumption


def find_projectors(tensors: Mapping[str, torch.Tensor], used: frozenset[str], width: int) -> list[Projector]:
    """Every chain of linear layers under a projector's name that takes `width` features; tensors of the encoder are left out."""
    chains: dict[str, dict[int, dict[str, torch.Tensor]]] = {}
    for name, tensor in tensors.items():
        found = ITEM.match(name)
        if found and name not in used and NAMES.match(found["place"]):
            chains.setdefault(found["place"], {}).setdefault(int(found["number"]), {})[found["kind"]] = tensor
    projectors = (_built(place, items, width) for place, items in chains.items())
    return [projector for projector in projectors if projector is not None]


def projector_of(candidate: Candidate, width: int) -> Callable[[], Projector] | None:
    """What builds the projector beside an encoder when it is first asked for (it may be larger than the encoder); None without one."""
    tensors, used = candidate.container.tensors, candidate.used
    if not any((found := ITEM.match(name)) and NAMES.match(found["place"]) and name not in used for name in tensors):
        return None
    return cache(lambda: choose_projector(find_projectors(tensors, used, width), candidate.prefix))


def choose_projector(found: Sequence[Projector], prefix: str) -> Projector:
    """The one that belongs to the encoder under `prefix` (a teacher's to a teacher); UsageError where there is none or no telling."""
    if not found:
        raise UsageError("layer 'projector' must be in the checkpoint; got no chain of linear layers there that takes its features")
    roles = _roles(prefix)
    matching = [projector for projector in found if _roles(projector.place) == roles] or list(found)
    inside = [projector for projector in matching if prefix and projector.place.startswith(prefix)] or matching
    if len(inside) > 1:
        places = listed((projector.place for projector in inside), limit=4)
        raise UsageError(f"layer 'projector' must be one; got {len(inside)} that take the features ({places}); leave others out with --map")
    progress.note(str(inside[0].assumption))
    return inside[0]


def _roles(text: str) -> set[str]:
    return {word for part in text.lower().split(".") for word in part.split("_")} & set(ROLE_WORDS)


def _built(place: str, items: Mapping[int, Mapping[str, torch.Tensor]], width: int) -> Projector | None:
    layers: list[nn.Module] = []
    numbers = sorted(items)
    first = width
    for position, number in enumerate(numbers):
        layer = _layer(items[number], width)
        if layer is None:
            return None
        layers.append(layer)
        width = layer.out_features if isinstance(layer, nn.Linear) else width
        gap = position + 1 < len(numbers) and numbers[position + 1] > number + 1
        if gap:
            layers.append(nn.ReLU())
    if not layers or not isinstance(layers[0], nn.Linear) or layers[0].in_features != first:
        return None
    shape = " > ".join(str(layer.out_features) for layer in layers if isinstance(layer, nn.Linear))
    assumption = Assumption("projector", f"{printable(place)}, {first} > {shape}, ReLU in the gaps", "numbers of its layers")
    return Projector(nn.Sequential(*layers).eval().requires_grad_(False), place, assumption)


def _layer(tensors: Mapping[str, torch.Tensor], width: int) -> nn.Module | None:
    """A linear layer or a normalisation out of one number's tensors; None for anything else."""
    weight, bias = tensors.get("weight"), tensors.get("bias")
    if weight is not None and weight.ndim == 2 and weight.shape[1] == width:
        linear = nn.Linear(width, weight.shape[0], bias=bias is not None)
        linear.load_state_dict({name: tensor.float() for name, tensor in tensors.items() if name in ("weight", "bias")})
        return linear
    mean, variance = tensors.get("running_mean"), tensors.get("running_var")
    if mean is not None and variance is not None and mean.shape == variance.shape == (width,):
        normalisation = nn.BatchNorm1d(width, eps=EPS, affine=weight is not None)
        state = {name: tensor.float() for name, tensor in tensors.items()}
        normalisation.load_state_dict({**state, "num_batches_tracked": torch.tensor(0)})
        return normalisation
    return None
