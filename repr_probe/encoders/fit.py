"""Fitting a file to a network: which network, which tensors of the file, and every reason to refuse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from repr_probe.encoders.architectures import Architecture, resolve_architecture
from repr_probe.encoders.checkpoint_file import CheckpointFile
from repr_probe.encoders.containers import AVERAGED, Container, find_containers
from repr_probe.encoders.hints import Hint
from repr_probe.encoders.match import BY_ORDER, Match, match_by_name, match_by_order
from repr_probe.encoders.networks import Network, build_network
from repr_probe.encoders.recognise import recognise
from repr_probe.encoders.self_checks import untrained_notes, usable_values
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed, printable


@dataclass(frozen=True)
class Fitted:
    """A network that holds the weights of a file. grey_stem, image_size: where its tensors ask for other than the usual network."""

    architecture: Architecture
    network: Network
    match: Match
    chosen_by: str
    grey_stem: bool
    image_size: tuple[int, int] | None
    notes: tuple[str, ...]

    def identity(self) -> dict[str, Any]:
        """What of the fit makes the numbers: which weights of the file were taken, and how."""
        return {"container": self.match.container.path, "prefix": self.match.prefix, "matched": self.match.how}

    def facts(self) -> dict[str, Any]:
        return {
            "architecture_from": self.chosen_by,
            "container": str(self.match.container),
            "wrappers_stripped": list(self.match.container.stripped),
            "prefix": self.match.prefix,
            "matched": self.match.how,
            "tensors_matched": self.match.n_paired,
            "tensors_needed": len(self.match.names),  # counters the file has are loaded, too
            "left_aside": [printable(key) for key in self.match.aside],
        }


def fit_file(file: CheckpointFile, hint: Hint, wanted: Architecture | None) -> Fitted:
    """Choose the network (`wanted`, else what the file says, else what its tensors show), match, and copy the weights.

    Raises CheckpointError when no network or more than one set of weights is possible, and when not everything fits.
    """
    containers = find_containers(file.content)
    notes = [f"{word} in the file names no known network" for word in hint.unknown] if wanted is None else []
    if wanted is not None:
        architecture, chosen_by = wanted, "--arch"
    elif hint.architecture is not None:
        architecture, chosen_by = hint.architecture, hint.source
    else:
        recognised = recognise(containers)
        architecture, chosen_by = resolve_architecture(recognised.architecture), "names and shapes of the tensors"
        notes.append(f"the network was told from its tensors: {architecture}; --arch says otherwise")
        notes += [recognised.note] if recognised.note else []
    network, matches, grey_stem, image_size = _matches(containers, architecture, file.keeps_order)
    match, note = _only_one([match for match in matches if match.whole], architecture) or (None, "")
    if match is None:
        raise CheckpointError(_explain_misfit(matches, containers, architecture, chosen_by, file.keeps_order))
    values, cast_notes = usable_values(match.tensors())
    _copy(values, network)
    notes += [*([note] if note else []), *_match_notes(match), *cast_notes, *untrained_notes(values)]
    return Fitted(architecture, network, match, chosen_by, grey_stem, image_size, tuple(notes))


def _copy(values: dict[str, torch.Tensor], network: Network) -> None:
    """Write the values into the network. Not by load_state_dict: it also renames by versions that a matched file does not have."""
    ours = network.module.state_dict()
    with torch.no_grad():
        for name, tensor in values.items():
            ours[name].copy_(tensor)


def _matches(
    containers: list[Container], architecture: Architecture, keeps_order: bool
) -> tuple[Network, list[Match], bool, tuple[int, int] | None]:
    """Every match by name; where none is whole, once more with the stem or the position table the file shows; then by order."""
    network = build_network(architecture)
    matches = [match for container in containers for match in match_by_name(container, network)]
    grey_stem, image_size = False, None
    if matches and not any(match.whole for match in matches):
        best = max(matches, key=lambda match: match.n_found)
        grey_stem, image_size = _has_grey_stem(best, network), _position_size(best, network, architecture)
        if grey_stem or image_size is not None:
            network = build_network(architecture, channels=1 if grey_stem else 3, image_size=image_size)
            matches = [match for container in containers for match in match_by_name(container, network)]
    if keeps_order and not any(match.whole for match in matches):
        matches += [match for container in containers for match in match_by_order(container, network)]
    return network, matches, grey_stem, image_size


def _has_grey_stem(match: Match, network: Network) -> bool:
    """Whether the first convolution of the file is the network's with one input channel in place of three."""
    name, ours = next(((name, tensor) for name, tensor in network.module.state_dict().items() if tensor.ndim == 4), ("", torch.empty(0)))
    theirs = match.container.tensors.get(match.prefix + name)
    return theirs is not None and ours.shape[1:2] == (3,) and theirs.shape == (ours.shape[0], 1, *ours.shape[2:])


def _position_size(match: Match, network: Network, architecture: Architecture) -> tuple[int, int] | None:
    """The image size of a file whose position table is of another square size than timm's network has by default."""
    ours = network.module.state_dict().get("pos_embed")
    theirs = match.container.tensors.get(f"{match.prefix}pos_embed")
    stem = network.module.state_dict().get("patch_embed.proj.weight")
    if architecture.library != "timm" or ours is None or theirs is None or stem is None or theirs.ndim != 3 or ours.shape == theirs.shape:
        return None
    patches = network.module.patch_embed.num_patches  # type: ignore[union-attr]
    n_prefix = ours.shape[1] - int(patches)  # type: ignore[arg-type]
    side = math.isqrt(max(theirs.shape[1] - n_prefix, 0))
    if side == 0 or side * side != theirs.shape[1] - n_prefix:
        return None
    return side * stem.shape[2], side * stem.shape[3]


def _only_one(whole: list[Match], architecture: Architecture) -> tuple[Match, str] | None:
    """The match to take and a note on what was passed over; copies of the same values count as one."""
    different: list[Match] = []
    for match in whole:
        if not any(_same_values(match, other) for other in different):
            different.append(match)
    if len(different) < 2:
        return (different[0], "") if different else None
    for raw, averaged in AVERAGED.items():
        paths = {match.container.path: match for match in different}
        if set(paths) == {raw, averaged}:
            return paths[averaged], f"the file holds raw weights ({raw!r}) and their moving average ({averaged!r}); the average was taken"
    places = listed((f"{match.container}, prefix {match.prefix!r}" for match in different), limit=4)
    raise CheckpointError(f"checkpoint must hold one {architecture}; got {len(different)} that differ ({places}); save the one alone")


def _same_values(one: Match, other: Match) -> bool:
    ours, theirs = one.tensors(), other.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def _match_notes(match: Match) -> list[str]:
    notes = []
    if match.how == BY_ORDER:
        notes.append(
            f"{match.n_paired} tensors matched by order, since their names differ "
            f"(first: {printable(next(iter(match.names.values())))} is {next(iter(match.names))})"
        )
    if match.aside:
        notes.append(f"{len(match.aside)} tensors of the file were left aside ({listed(match.aside)})")
    return notes


def _explain_misfit(
    matches: list[Match], containers: list[Container], architecture: Architecture, chosen_by: str, keeps_order: bool
) -> str:  # fmt: skip
    """One line: how much of the network was found, what is missing or in the way, and which network would fit."""
    start = f"checkpoint must fit {architecture} (from {chosen_by})"
    advice = _advice(containers, architecture)
    if not matches:
        largest = max(containers, key=lambda container: len(container.tensors))
        order = "nor by order" if keeps_order else "and safetensors files keep no order"
        names = listed(largest.tensors, limit=2)
        return f"{start}; none of its tensors is there by name, {order} ({len(largest.tensors)} tensors, first {names}){advice}"
    best = max(matches, key=lambda match: (match.n_found, -len(match.strangers)))
    where = f" under {best.prefix!r}" if best.prefix else ""
    reasons = [f"matched {best.n_found} of {best.n_needed} tensors{where}"]
    reasons += [f"missing: {listed(best.missing)}"] if best.missing else []
    reasons += [f"of another shape: {listed(best.misshaped)}"] if best.misshaped else []
    reasons += [f"{len(best.strangers)} of the file have no place in it: {listed(best.strangers)}"] if best.strangers else []
    return f"{start}; {'; '.join(reasons)}{advice}"


def _advice(containers: list[Container], architecture: Architecture) -> str:
    try:
        seen = recognise(containers).architecture
    except CheckpointError:
        return ""
    return f"; the tensors look like {seen}" if seen != str(architecture) else ""
