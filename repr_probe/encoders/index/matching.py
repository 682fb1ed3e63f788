"""Layouts of the index that stand whole among the tensors of a file: by name, with equal shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repr_probe.encoders.index.elastic import image_size_of
from repr_probe.encoders.index.index_file import Index
from repr_probe.encoders.index.record import Record
from repr_probe.encoders.reading import Shapes


@dataclass(frozen=True)
class Fit:
    """An architecture whose tensors are all there. channels: of the stem.  image_size: where tables are for another than the native one."""

    record: Record
    channels: int = 3
    image_size: tuple[int, int] | None = None


def whole_fits(index: Index, shapes: Shapes) -> list[Fit]:
    """Every architecture all of whose tensors are in `shapes`, without those inside a larger one that is there, too.

    Where tables are there for the native image size of some and for no other's, only those are taken.
    """
    fits = [
        fit
        for layout in candidate_layouts(index, shapes)
        for number in index.members[layout]
        if (fit := fit_record(index.record(number), shapes)) is not None
    ]
    names = {id(fit): frozenset(name for name, _ in fit.record.tensors) for fit in fits}
    largest = [fit for fit in fits if not any(names[id(fit)] < names[id(other)] for other in fits)]
    native = {names[id(fit)] for fit in largest if fit.image_size is None}
    return [fit for fit in largest if fit.image_size is None or names[id(fit)] not in native]


def candidate_layouts(index: Index, shapes: Shapes) -> list[int]:
    """Layouts whose rarest tensor is in `shapes`."""
    rarest = index.layouts_by_landmark
    found = (rarest.get((name, tuple(shape))) for name, shape in shapes.items())
    return sorted({layout for layouts in found if layouts for layout in layouts})


def fit_record(record: Record, shapes: Shapes) -> Fit | None:
    """`record` as it stands in `shapes`; None when a tensor is missing or has a shape the network cannot have."""
    tables = dict(record.tables)
    channels = 3
    sizes: set[tuple[int, int] | None] = set()
    for name, wanted in record.tensors:
        shape = shapes.get(name)
        if shape is None:
            return None
        if tuple(shape) == wanted:
            if name in tables:
                sizes.add(record.size)
        elif name in tables:
            sizes.add(image_size_of(tuple(shape), wanted, tables[name], record.size))
        elif name == record.stem and len(shape) == 4 and shape[1] > 0 and (shape[0], *shape[2:]) == (wanted[0], *wanted[2:]):
            channels = shape[1]
        else:
            return None
    if len(sizes) > 1 or None in sizes:
        return None
    size = next(iter(sizes), None)
    return Fit(record, channels, None if size == record.size else size)


def landmark_prefixes(index: Index, shapes: Mapping[str, tuple[int, ...]], *, longest: int, deepest: int) -> dict[str, int]:
    """Prefix -> size of the largest layout all of whose landmarks stand below it."""
    rarest = index.layouts_by_landmark
    found: dict[str, int] = {}
    for name, shape in shapes.items():
        if len(name) > longest or name.count(".") > deepest:
            continue
        start = 0
        while start >= 0:
            for layout in rarest.get((name[start:], tuple(shape)), ()):
                prefix = name[:start]
                others = (index.token(token) for token in index.landmarks[layout][1:])
                if all(shapes.get(prefix + key) == wanted for key, wanted in others):
                    size = int(index.starts[layout + 1] - index.starts[layout])
                    found[prefix] = max(found.get(prefix, 0), size)
            start = name.find(".", start) + 1 or -1
    return found
