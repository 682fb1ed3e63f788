"""Candidates: every place of a file where an encoder may stand, what network each would be, and what of it is missing.

A candidate is whole when every floating-point tensor that the network needs up to its pooled output has its tensor in the file, and no
tensor of the file lies inside a part of the network without a place there (a ResNet-34 contains a whole ResNet-18).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache

import torch

from repr_probe.encoders.architectures import Architecture
from repr_probe.encoders.containers import Container
from repr_probe.encoders.index.lookup import index_prefixes, read_index
from repr_probe.encoders.index.record import COMPUTED
from repr_probe.encoders.networks import Network, build_network
from repr_probe.encoders.prefixes import below, prefixes_before
from repr_probe.encoders.reading import Clues, Piece, Reading
from repr_probe.encoders.resnets.recognise import LANDMARKS as RESNET_LANDMARKS
from repr_probe.encoders.resnets.recognise import read_resnet
from repr_probe.encoders.vits.recognise import LANDMARKS as VIT_LANDMARKS
from repr_probe.encoders.vits.recognise import read_vit
from repr_probe.errors import CheckpointError

# Tensors of the pre-training task that stand beside the encoder's without a module of their own.
TASK_TENSORS = ("mask_token", "queue", "queue_ptr")
IMAGE_CHANNELS = (1, 3, 4)
# A candidate with less of its network than this is somebody else's tensor with a familiar name.
SERIOUS = 0.6
# A place with this share of a whole candidate's names is its sibling, however damaged; looked for by so many of the names.
TWIN, N_SIGNS, MOST_TWINS = 0.4, 24, 32
RECOGNISERS: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, tuple[int, ...]], Clues], Reading | None]], ...] = (
    (RESNET_LANDMARKS, read_resnet),
    (VIT_LANDMARKS, read_vit),
)


@dataclass(frozen=True)
class Candidate:
    """An encoder of the file, as `reading` understands it.

    n_needed: tensors the network cannot do without.  missing, misshaped: those without a partner (misshaped: there with another shape, as
    "name: (file) is not (network)").  strangers: tensors of the file inside a part of the network that has no place for them.
    used: names of the file's tensors that go into the network.  beside: other tensors under the prefix (classifier, projector, ...).
    waived: missing tensors that the user allowed to be missing.  twin: found by its likeness to another candidate, damaged.
    prefix: with its dot, or "".
    """

    container: Container
    prefix: str
    reading: Reading
    n_needed: int
    missing: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    used: frozenset[str] = field(default_factory=frozenset)
    beside: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    twin: bool = False

    @property
    def architecture(self) -> Architecture:
        return self.reading.architecture

    @property
    def whole(self) -> bool:
        return not (self.missing or self.misshaped or self.strangers)

    @property
    def n_found(self) -> int:
        return self.n_needed - len(self.missing) - len(self.misshaped) - len(self.waived)

    @property
    def serious(self) -> bool:
        return self.whole or self.twin or self.n_found >= SERIOUS * self.n_needed

    @property
    def by_order(self) -> bool:
        return self.reading.scheme.startswith("matched by order")

    def pieces(self) -> dict[str, Piece]:
        """The pieces that belong to tensors of the network, in its order."""
        wanted = network_outline(self.architecture, self.reading.channels, self.reading.image_size).every
        return {name: self.reading.pieces[name] for name in wanted if name in self.reading.pieces and name not in self.waived}

    def values(self) -> dict[str, torch.Tensor]:
        return {name: piece.values(self.container.tensors, self.prefix) for name, piece in self.pieces().items()}


@dataclass(frozen=True)
class Refusal:
    """A part of the file that is a known family for certain and cannot be rebuilt exactly; why."""

    container: Container
    prefix: str
    reason: CheckpointError


@dataclass(frozen=True)
class Outline:
    """Names and shapes of a network without its values. needed: what a file must bring (everything but counters and computed tables)."""

    every: Mapping[str, tuple[int, ...]]
    needed: frozenset[str]
    head_names: tuple[str, ...]


@lru_cache(maxsize=256)
def network_outline(architecture: Architecture, channels: int = 3, image_size: tuple[int, int] | None = None) -> Outline:
    try:
        with torch.device("meta"):
            network = build_network(architecture, channels=channels, image_size=image_size)
    except (NotImplementedError, RuntimeError):  # some networks compute with numbers while they are built
        network = build_network(architecture, channels=channels, image_size=image_size)
    return outline_of(network)


def outline_of(network: Network) -> Outline:
    tensors = network.module.state_dict()
    needed = frozenset(name for name, tensor in tensors.items() if tensor.is_floating_point() and not name.endswith(COMPUTED))
    return Outline({name: tuple(tensor.shape) for name, tensor in tensors.items()}, needed, network.head_names)


def find_candidates(
    containers: Sequence[Container], clues: Clues, *, prefix: str | None = None, allow_missing: Sequence[str] = ()
) -> tuple[list[Candidate], list[Refusal]]:
    """Read every place of every container. prefix: only this one (without its dot)."""
    candidates: list[Candidate] = []
    refusals: list[Refusal] = []
    for container in containers:
        shapes = shapes_in(container)
        for place, readings in _readings(shapes, clues, prefix):
            if isinstance(readings, CheckpointError):
                refusals.append(Refusal(container, place, readings))
                continue
            for reading in readings:
                try:
                    candidates.append(check_candidate(container, place, reading, allow_missing))
                except CheckpointError as reason:
                    refusals.append(Refusal(container, place, reason))
    if prefix is None:
        candidates += _twins(containers, candidates, allow_missing)
    return candidates, refusals


def _twins(containers: Sequence[Container], candidates: Sequence[Candidate], allow_missing: Sequence[str]) -> list[Candidate]:
    """Places with a good part of the names of a whole candidate that no recogniser took: an average or a teacher that has lost something.

    Without them a damaged teacher would leave its whole student as the only encoder of the file.
    """
    known = {(id(candidate.container), candidate.prefix) for candidate in candidates if candidate.serious}
    found: list[Candidate] = []
    for candidate in [candidate for candidate in candidates if candidate.whole]:
        names = [name.removeprefix(candidate.prefix) for name in candidate.used]
        stems = {name.removeprefix(candidate.prefix) for name in _stems(shapes_in(candidate.container)) & candidate.used}
        for container in containers:
            for place in prefixes_before(container.tensors, sorted(names)[:: max(1, len(names) // N_SIGNS)])[:MOST_TWINS]:
                there = below(container.tensors, place)
                # Without a layer that takes images it is the tower for texts of a CLIP, or a predictor.
                if (id(container), place) in known or not stems <= there.keys() or sum(name in there for name in names) < TWIN * len(names):
                    continue
                known.add((id(container), place))
                pieces = {
                    name: replace(piece, shape=piece.shape if all(_same_shape(candidate, key, there) for key in piece.keys) else (0,))
                    for name, piece in candidate.reading.pieces.items()
                    if all(key in there for key in piece.keys)
                }
                twin = check_candidate(container, place, replace(candidate.reading, pieces=pieces), allow_missing)
                found.append(replace(twin, twin=True))
    return found


def _same_shape(candidate: Candidate, key: str, there: Mapping[str, torch.Tensor]) -> bool:
    return there[key].shape == candidate.container.tensors[candidate.prefix + key].shape


def shapes_in(container: Container) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in container.tensors.items()}


def _readings(
    shapes: Mapping[str, tuple[int, ...]], clues: Clues, prefix: str | None
) -> Iterable[tuple[str, list[Reading] | CheckpointError]]:  # fmt: skip
    """(prefix, readings or why there is none); the families first, the index where they do not know the tensors."""
    only = None if prefix is None else (f"{prefix}." if prefix else "")
    settled: list[str] = []
    explained: set[str] = set()
    for landmarks, recogniser in RECOGNISERS:
        for place in prefixes_before(shapes, landmarks) if only is None else [only]:
            held = below(shapes, place)
            try:
                reading = recogniser(held, clues)
            except CheckpointError as reason:
                # The index knows no heads and no stems: where one is stated, the contradiction stands.
                indexed = [] if {"heads", "stem"} & set(clues) else _indexed(held, clues)
                yield place, indexed if indexed and not isinstance(indexed, CheckpointError) else reason
                settled.append(place)
                continue
            if reading is not None:
                yield place, [reading]
                settled.append(place)
                explained |= {place + key for piece in reading.pieces.values() for key in piece.keys}
    if only is None and explained.issuperset(_stems(shapes)):
        return  # every layer that could take an image has its network: the index need not be read
    for place in index_prefixes(shapes) if only is None else [only]:
        if place not in settled and (indexed := _indexed(below(shapes, place), clues)):
            yield place, indexed


def _stems(shapes: Mapping[str, tuple[int, ...]]) -> set[str]:
    return {name for name, shape in shapes.items() if len(shape) == 4 and shape[1] in IMAGE_CHANNELS}


def _indexed(held: Mapping[str, tuple[int, ...]], clues: Clues) -> list[Reading] | CheckpointError:
    """Readings of the index, or why they would be wrong (the file shows a larger, unknown network)."""
    try:
        return read_index(held, clues)
    except CheckpointError as reason:
        return reason


def check_candidate(container: Container, prefix: str, reading: Reading, allow_missing: Sequence[str] = ()) -> Candidate:
    """Hold `reading` against the network it names."""
    outline = network_outline(reading.architecture, reading.channels, reading.image_size)
    held = below(container.tensors, prefix)
    absent = [name for name in outline.every if name in outline.needed and name not in reading.pieces]
    waived = tuple(name for name in absent if any(fnmatchcase(name, pattern) for pattern in allow_missing))
    misshaped = tuple(
        f"{name}: {reading.pieces[name].shape} is not {outline.every[name]}"
        for name in outline.every
        if name in outline.needed and name in reading.pieces and reading.pieces[name].shape != outline.every[name]
    )
    placed = {key for name, piece in reading.pieces.items() if name in outline.every for key in piece.keys}
    left = [name for name in held if name not in placed]
    parts = {key.partition(".")[0] for key in placed}
    strangers = tuple(name for name in left if _is_stranger(name, held[name], parts, reading, outline))
    return Candidate(
        container, prefix, reading, len(outline.needed), tuple(name for name in absent if name not in waived), misshaped, strangers,
        frozenset(prefix + key for key in placed), tuple(prefix + name for name in left if name not in strangers), waived,
    )  # fmt: skip


def _is_stranger(name: str, tensor: torch.Tensor, parts: set[str], reading: Reading, outline: Outline) -> bool:
    """True for a tensor inside a part of the network, or beside its parts, for which the network has no use: it computes something else."""
    if name.endswith(COMPUTED) or not tensor.is_floating_point() or name in TASK_TENSORS:
        return False
    if any(name.startswith(f"{head}.") for head in outline.head_names) or any(re.fullmatch(spare, name) for spare in reading.spare):
        return False
    if "." not in name:  # beside the parts: only networks with tensors of their own there (class token, positions) could use another
        return any("." not in part for part in outline.needed)
    return name.partition(".")[0] in parts
