"""What a page says of several checkpoints together: accuracies, paired differences and CKA, as `compare` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from repr_probe import progress
from repr_probe.errors import InputError
from repr_probe.reports.comparison import PARTS, Comparison
from repr_probe.workflows.compare import ComparisonWork
from repr_probe.workflows.compare_sources import Entry, row_of

if TYPE_CHECKING:
    from repr_probe.pages.contents import Measured


def compared(measured: Sequence[Measured], entries: Sequence[Entry], asked: Mapping[str, Any], *, train_split: str | None) -> Comparison | None:
    """The parts that all of them have, with paired differences; None for one checkpoint without accuracy.

    entries: of `measured`, in their order.  asked: options of `extract`.  train_split: what the probes learn from; None: no accuracy.
    Raises UsageError for checkpoints of different images, and what `probe` raises.
    """
    from repr_probe.pages.contents import check_same_images
    from repr_probe.reports.table import row_names

    reports = [one.geometry for one in measured]
    check_same_images(reports)
    if len(measured) == 1 and train_split is None:
        return None
    for name, one, entry in zip(row_names(reports), measured, entries, strict=True):
        rows = {"geometry": row_of(one.geometry), **({} if one.semantic is None else {"semantic": row_of(one.semantic)})}
        entry.name, entry.rows = name, {part: replace(row, name=name) for part, row in rows.items()}
    options = {name: value for name, value in asked.items() if name != "dtype"}
    work = ComparisonWork(entries, (), options, dtype=str(asked["dtype"]), train_split=str(train_split), population="classes")
    for entry in entries if train_split is not None else ():
        entry.rows["probe"] = work.measured("probe", entry)
    work.parts = tuple(part for part in PARTS if all(part in entry.rows for entry in entries))
    try:
        return work.comparison(allow=["preprocessing"], paired=True)
    except InputError as failure:  # numbers that may stand on one page may still differ in how they were made
        note = f"no paired differences: {failure}"
        progress.note(note)
        held = {part: tuple(entry.rows[part] for entry in entries) for part in work.parts}
        return Comparison(tuple(entry.name for entry in entries), held, notes=(note,))
