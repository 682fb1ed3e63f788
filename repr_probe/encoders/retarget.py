"""The network is given (by --arch or by the file itself): where in the file its tensors stand, under whatever names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from repr_probe.encoders.architectures import Architecture
from repr_probe.encoders.candidates import Candidate, Outline, check_candidate, network_outline, shapes_in
from repr_probe.encoders.containers import Container
from repr_probe.encoders.networks import build_network
from repr_probe.encoders.pairing import paired
from repr_probe.encoders.prefixes import below, prefixes_before
from repr_probe.encoders.reading import Piece, Reading, Shapes, as_they_stand
from repr_probe.errors import CheckpointError


def find_network(
    containers: Sequence[Container], architecture: Architecture, readable: Sequence[Candidate], *, prefix: str | None, keeps_order: bool,
    allow_missing: Sequence[str] = (),
) -> list[Candidate]:  # fmt: skip
    """Every place where `architecture` stands: under its own names, under names that a recogniser can translate, or in its order."""
    found = [
        check_candidate(container, place, reading, allow_missing)
        for container in containers
        for place, reading in _under_own_names(container, architecture, prefix)
    ]
    known = {(candidate.container.path, candidate.prefix) for candidate in found if candidate.whole}
    for candidate in readable:
        if (candidate.container.path, candidate.prefix) not in known and (translated := _translated(candidate, architecture, allow_missing)):
            found.append(translated)
    if keeps_order and not any(candidate.whole for candidate in found):
        for container in containers:
            network = network_outline(architecture)
            for place, pieces in pieces_by_order(shapes_in(container), architecture, network, prefix):
                reading = Reading("matched by order", architecture, pieces)
                found.append(check_candidate(container, place, reading, allow_missing))
    return found


def _under_own_names(container: Container, architecture: Architecture, prefix: str | None) -> list[tuple[str, Reading]]:
    shapes = shapes_in(container)
    outline = network_outline(architecture)
    ordered = [name for name in outline.every if name in outline.needed]
    places = prefixes_before(shapes, [*ordered[:3], *ordered[-3:]]) if prefix is None else [f"{prefix}." if prefix else ""]
    return [(place, reading_of(below(shapes, place), architecture, outline)) for place in places]


def reading_of(held: Shapes, architecture: Architecture, outline: Outline) -> Reading:
    """The tensors below a prefix as they stand, with the stem or the position table the file shows where they differ from the usual."""
    pieces = as_they_stand({name: shape for name, shape in held.items() if name in outline.every})
    reading = Reading(f"names of {architecture.library}", architecture, pieces)
    channels = _stem_channels(held, outline)
    if channels is not None:
        reading = replace(reading, channels=channels)
    size = _position_size(held, architecture, outline)
    return reading if size is None else replace(reading, image_size=size)


def _stem_channels(held: Shapes, outline: Outline) -> int | None:
    """Input channels of the first convolution: the network's own, or the file's where only they differ from the network's three."""
    name, ours = next(((name, shape) for name, shape in outline.every.items() if len(shape) == 4), ("", ()))
    theirs = held.get(name, ())
    if len(ours) != 4:
        return None
    if theirs == ours and ours[1] != 3:
        return ours[1]
    if len(theirs) == 4 and ours[1] == 3 and theirs[1] in (1, 2, 4) and (theirs[0], *theirs[2:]) == (ours[0], *ours[2:]):
        return theirs[1]
    return None


def _position_size(held: Shapes, architecture: Architecture, outline: Outline) -> tuple[int, int] | None:
    """The image size of a file whose position table is of another square size than timm's network has by default."""
    ours, theirs, stem = outline.every.get("pos_embed", ()), held.get("pos_embed", ()), outline.every.get("patch_embed.proj.weight", ())
    if architecture.library != "timm" or len(ours) != 3 or len(theirs) != 3 or len(stem) != 4 or ours == theirs:
        return None
    n_prefix = ours[1] - math.isqrt(ours[1]) ** 2
    side = math.isqrt(max(theirs[1] - n_prefix, 0))
    if side == 0 or side * side != theirs[1] - n_prefix:
        return None
    return side * stem[2], side * stem[3]


def _translated(candidate: Candidate, architecture: Architecture, allow_missing: Sequence[str]) -> Candidate | None:
    """The same tensors put into the wanted network, where names and shapes of both agree."""
    reading = candidate.reading
    pieces: dict[str, Piece] = dict(reading.pieces)
    try:
        retargeted = replace(reading, architecture=architecture, pieces=pieces, also=(), notes=())
        found = check_candidate(candidate.container, candidate.prefix, retargeted, allow_missing)
    except (CheckpointError, TypeError):
        return None
    return found if found.n_found else None


def pieces_by_order(shapes: Shapes, architecture: Architecture, outline: Outline, prefix: str | None) -> list[tuple[str, dict[str, Piece]]]:
    """(prefix, pieces) for every part of a container whose tensors, one after the other, are those of the network; shapes must be in order.

    Tried on the whole container and on each of its first components, with and without the classifier the network has lost, whose
    width may differ. Roles (weight, bias, running mean and variance) must agree, and so must which tensors belong together in a module.
    """
    ours = list(outline.every.items())
    with_head = build_network(architecture).shapes_with_head()
    parts = ["", *dict.fromkeys(f"{name.partition('.')[0]}." for name in shapes if "." in name)]
    found = []
    for place in parts if prefix is None else [f"{prefix}." if prefix else ""]:
        held = list(below(shapes, place).items())
        pairs = next((pairs for target in (ours, with_head) if (pairs := paired(held, target, outline.every))), None)
        if pairs is not None:
            pieces = {name: Piece((key,), tuple(shapes[place + key])) for name, key in pairs.items() if name in outline.every}
            found.append((place, pieces))
    return found
