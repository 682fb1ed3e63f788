"""Architectures whose tensors have the shapes of a file's, one after the other: for files that keep the order under other names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from repr_probe.encoders.index.index_file import Index
from repr_probe.encoders.index.matching import Fit
from repr_probe.encoders.index.record import COMPUTED, Record
from repr_probe.encoders.pairing import paired
from repr_probe.encoders.reading import Shapes

FEWEST = 8  # shorter sequences say too little


def ordered_fits(index: Index, shapes: Shapes) -> list[tuple[Fit, Mapping[str, str]]]:
    """(architecture, its names -> names of the file) for every sequence that agrees in shapes, roles and modules.

    The classifier may be there or not, and may be of another width.
    """
    held = [(name, tuple(shape)) for name, shape in shapes.items() if not name.endswith(COMPUTED)]
    if len(held) < FEWEST:
        return []
    found: list[tuple[Fit, Mapping[str, str]]] = []
    for number in _records_by_length(index).get(len(held), ()):
        record = index.record(number)
        target = _with_head(record) if len(record.tensors) != len(held) else list(record.tensors)
        encoder = dict(record.tensors)
        pairs = paired(held, target, encoder)
        if pairs is not None:
            found.append((Fit(record), {name: key for name, key in pairs.items() if name in encoder}))
    return found


def _with_head(record: Record) -> list[tuple[str, tuple[int, ...]]]:
    target: list[tuple[str, tuple[int, ...]]] = list(record.tensors)
    for offset, (place, name) in enumerate(record.head):
        target.insert(place + offset, (name, ()))
    return target


@lru_cache(maxsize=4)
def _records_by_length(index: Index) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number, record in enumerate(index.records):
        layout = index.layout_of[number]
        bare = int(index.starts[layout + 1] - index.starts[layout])
        for length in {bare, bare + len(record.head)}:
            found.setdefault(length, []).append(number)
    return found
