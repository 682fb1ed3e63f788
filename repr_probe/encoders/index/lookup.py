"""Networks of timm and torchvision told from the tensors of a file with the index of all architectures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from repr_probe.encoders.architectures import Architecture
from repr_probe.encoders.index.families import Decision, decide, kinds_of, preprocessing_assumptions, simplest
from repr_probe.encoders.index.index_file import Index, shipped_index
from repr_probe.encoders.index.matching import Fit, landmark_prefixes, whole_fits
from repr_probe.encoders.index.ordering import ordered_fits
from repr_probe.encoders.index.strangers import head_patterns, strangers
from repr_probe.encoders.prefixes import below
from repr_probe.encoders.reading import Assumption, Clues, Piece, Reading, Shapes
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed

LONGEST_NAME, DEEPEST_NAME = 400, 24
MOST_PREFIXES = 48


def index_prefixes(shapes: Shapes, index: Index | None = None) -> list[str]:
    """Every prefix (with its dot, or empty) below which the distinguishing tensors of an architecture stand, the largest network first.

    At most MOST_PREFIXES; names longer or deeper than those of networks are passed over.
    """
    found = landmark_prefixes(index or shipped_index(), shapes, longest=LONGEST_NAME, deepest=DEEPEST_NAME)
    return sorted(found, key=lambda prefix: (-found[prefix], len(prefix), prefix))[:MOST_PREFIXES]


def read_index(shapes: Shapes, clues: Clues, index: Index | None = None) -> list[Reading]:
    """The architectures whose tensors are all in `shapes` (names below the prefix), as few readings as compute different features.

    Several readings: the weights fit several networks that compute different features, and nothing says which one they belong to.
    Raises CheckpointError (E_STRANGERS) when other tensors show the network to be part of a larger one that the index does not know.
    """
    index = index or shipped_index()
    fits = whole_fits(index, shapes)
    if not fits:
        return []
    kinds = kinds_of(fits)
    left = [strangers(index, kind[0], shapes) for kind in kinds]
    if all(left):
        _refuse_part(kinds[0][0], min(left, key=len))
    decision = decide([kind for kind, names in zip(kinds, left) if not names], shapes, clues)
    return [_reading(kind, decision, _pieces(kind[0], shapes), f"names of {_library(kind[0])}") for kind in decision.taken]


def read_by_order(shapes: Shapes, clues: Clues, index: Index | None = None) -> list[Reading]:
    """The architectures whose tensors have these shapes in this sequence, under whatever names; `shapes` must be in the order of the file.

    The last resort: tried on everything and on what stands below each first component. See `read_index` for what several readings mean.
    """
    index = index or shipped_index()
    parts = ["", *dict.fromkeys(f"{name.partition('.')[0]}." for name in shapes if "." in name)][:MOST_PREFIXES]
    for part in parts:
        held = below(shapes, part)
        found = ordered_fits(index, held)
        if found:
            return _ordered_readings(found, part, held, clues)
    return []


def _ordered_readings(found: list[tuple[Fit, Mapping[str, str]]], part: str, held: Shapes, clues: Clues) -> list[Reading]:
    partners = {fit.record.name: names for fit, names in found}
    decision = decide(kinds_of([fit for fit, _ in found]), held, clues)
    readings = []
    for kind in decision.taken:
        names = {name: part + key for name, key in partners[kind[0].record.name].items()}
        pieces = {name: Piece((key,), tuple(held[key.removeprefix(part)])) for name, key in names.items()}
        for name in [name for name in names if name.endswith("running_mean")]:
            counter = names[name].removesuffix("running_mean") + "num_batches_tracked"
            if held.get(counter.removeprefix(part)) == ():
                pieces[name.removesuffix("running_mean") + "num_batches_tracked"] = Piece((counter,), ())
        reading = _reading(kind, decision, pieces, "matched by order" + (f", {decision.why}" if decision.why else ""))
        readings.append(replace(reading, spare=(r".*",)))
    return readings


def _refuse_part(fit: Fit, names: list[str]) -> None:
    raise CheckpointError(
        f"arch must be given: the file holds all {len(fit.record.tensors)} tensors of {fit.record.name} and {len(names)} more that belong to "
        f"a larger network ({listed(names)}), which is not known; name it with --arch",
        code="E_STRANGERS",
    )


def _reading(kind: list[Fit], decision: Decision, pieces: dict[str, Piece], scheme: str) -> Reading:
    """kind: fits that compute the same, the one to name first."""
    first = kind[0]
    assumptions = preprocessing_assumptions(kind)
    also = tuple(other[0].record.name for other in decision.passed_over)
    if also:
        which = f"{decision.why}; {' and '.join(also)} {'has' if len(also) == 1 else 'have'} the same tensors and other features"
        assumptions.insert(0, Assumption("network", first.record.name, which, "--arch"))
    return Reading(
        scheme, _architecture(first), pieces, tuple(assumptions), channels=first.channels, image_size=first.image_size,
        spare=head_patterns(first), also=also,
    )  # fmt: skip


def _architecture(fit: Fit) -> Architecture:
    library, _, name = fit.record.name.partition(":")
    return Architecture(library, name)


def _library(fit: Fit) -> str:
    return fit.record.name.partition(":")[0]


def _pieces(fit: Fit, shapes: Shapes) -> dict[str, Piece]:
    """Every tensor as it stands, with the counters of normalisation layers where the file has them."""
    names = [name for name, _ in fit.record.tensors]
    counters = [name.removesuffix("running_mean") + "num_batches_tracked" for name in names if name.endswith("running_mean")]
    names += [name for name in counters if shapes.get(name) == ()]
    return {name: Piece((name,), tuple(shapes[name])) for name in names}


def nearest(shapes: Shapes, limit: int = 3, index: Index | None = None) -> list[tuple[str, int, int]]:
    """(architecture, tensors of it that are there, tensors it needs), best first: the largest share of file and network together.

    Tried below the first components that most names share, too.
    """
    index = index or shipped_index()
    found: dict[str, tuple[str, int, int]] = {}
    for held in _below_common_parts(shapes):
        for layout, matched in index.counts_of_common_tokens(held).items():
            needed = int(index.starts[layout + 1] - index.starts[layout])
            name = simplest([Fit(index.records[number]) for number in index.members[layout]]).record.name
            if name not in found or found[name][1] < matched:
                found[name] = (name, matched, needed)
    n_held = max(len(shapes), 1)
    best = sorted(found.values(), key=lambda item: (-2 * item[1] / (item[2] + n_held), item[0]))
    return best[:limit]


def _below_common_parts(shapes: Shapes) -> list[Mapping[str, tuple[int, ...]]]:
    found: list[Mapping[str, tuple[int, ...]]] = [shapes]
    for _ in range(4):
        counts: dict[str, int] = {}
        for name in found[-1]:
            part, dot, _rest = name.partition(".")
            if dot:
                counts[part] = counts.get(part, 0) + 1
        common = max(counts, key=lambda part: counts[part], default=None)
        if common is None or counts[common] < 0.4 * len(found[-1]) or re.fullmatch(r"\d+", common):
            break
        found.append({name[len(common) + 1 :]: shape for name, shape in found[-1].items() if name.startswith(f"{common}.")})
    return found
