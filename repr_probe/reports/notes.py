"""What a reader of the numbers has to know: counts of special rows, classes and features, and a sentence for each that matters."""

from __future__ import annotations

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.class_measures import class_method
from repr_probe.metrics.states import MIN_CLASSES, GeometryStates


def counts_of(states: GeometryStates) -> dict[str, int | None]:
    """n_duplicate_pairs is None where the pair pass did not run."""
    sizes = np.bincount(states.order[1]) if states.n_labelled else np.zeros(0, np.int64)
    return {
        "n_dropped": states.features.n_dropped,
        "n_zero": int(states.zero_rows.sum()),
        "n_unlabelled": int((states.labels < 0).sum()),
        "n_singleton": int((sizes == 1).sum()),
        "n_constant": int(states.constant.sum()),
        "n_duplicate_pairs": states.angles.n_duplicates if "angles" in states.__dict__ else None,
    }


def notes_of(states: GeometryStates) -> tuple[str, ...]:
    """In the order: input, size, rows, classes, features, pairs."""
    counts = counts_of(states)
    about = (_size(states), _rows(states, counts), _classes(states, counts), _pairs(states, counts))
    return (*states.features.notes, *(note for notes in about for note in notes))


def _size(states: GeometryStates) -> list[str]:
    n, width, effective = states.features.n_samples, states.features.n_features, states.effective_n
    if effective >= 10.0 * width:
        return []
    size = f"N = {n}" if effective > 0.99 * n else f"N = {n} (effective {effective:.0f}, the norms vary)"
    return [f"{size} is below 10 D = {10 * width}: ranks read low by an amount that depends on N; compare only at equal N. "
            "Their intervals speak of ranks at this N, not of the limit."]  # fmt: skip


def _rows(states: GeometryStates, counts: dict[str, int | None]) -> list[str]:
    notes = []
    if counts["n_zero"]:
        notes.append(f"{counts['n_zero']} zero rows have no direction: kept in raw measures, left out of those of angles and cosines")
    if counts["n_constant"]:
        notes.append(f"{counts['n_constant']} of {states.features.n_features} features are constant: left out of the feature correlation")
    return notes


def _classes(states: GeometryStates, counts: dict[str, int | None]) -> list[str]:
    if not states.n_labelled:
        return []
    notes = []
    if counts["n_unlabelled"]:
        notes.append(f"{counts['n_unlabelled']} rows have no label: they count in measures without labels only")
    if counts["n_singleton"]:
        notes.append(f"{counts['n_singleton']} classes have one row: no same-class pair, but pairs with other classes and a centroid")
    sizes = np.bincount(states.order[1])
    if MIN_CLASSES <= states.n_classes < 40 and sizes.max() > 4 * sizes.min() and states.options.population == "classes":
        notes.append("classes are few and of very unequal size: their nominal 95 % intervals cover about 90 %")
    if states.n_classes > 100:
        notes.append(f"intervals over classes: {class_method(states.n_classes)}")
    try:
        if states.n_classes > 1 and states.centroids.noise_share() > 0.1:
            notes.append("centroid_noise_share is above 0.1: the centroid ranks count noise of small classes")
    except UndefinedMeasure:
        pass
    return notes


def _pairs(states: GeometryStates, counts: dict[str, int | None]) -> list[str]:
    notes = []
    if counts["n_duplicate_pairs"]:
        notes.append(f"{counts['n_duplicate_pairs']} pairs of rows point the same way to 1e-12 (duplicate images?)")
    if states.options.pairs is not None:
        drawn = f"{states.options.pairs} random pairs (seed {states.options.seed})"
        notes.append(f"angles and uniformity come from {drawn}; intervals are of that draw only")
    return notes
