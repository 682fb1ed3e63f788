"""How well nearest neighbours and a linear probe tell the classes of the probe set from its features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from repr_probe.errors import InputError

Labelled = tuple[np.ndarray, np.ndarray]  # (n, n_features) features, (n,) codes with -1 for an unlabelled row


class Accuracy(NamedTuple):
    """top1: share of the labelled rows named rightly, 0..1.  protocol: everything that decides the number, in one line."""

    top1: float
    protocol: str


def probe_accuracies(
    probe: Labelled, bank: Labelled | None, *, knn: bool = True, linear: bool = True, seed: int = 0, device: str = "auto"
) -> tuple[dict[str, Accuracy], dict[str, str]]:
    """({"knn_top1", "linear_top1": accuracy}, {the same names: why there is none}); what is not asked for is in neither.

    A probe that cannot be made of these rows (too few of a class to choose a penalty by) must not end a training run: it has a reason.
    """
    found: dict[str, Accuracy] = {}
    reasons: dict[str, str] = {}
    for name, asked, work in (
        ("knn_top1", knn, lambda: nearest_accuracy(probe, bank, device=device)),
        ("linear_top1", linear, lambda: linear_accuracy(probe, bank, seed=seed, device=device)),
    ):
        try:
            if asked:
                found[name] = work()
        except InputError as failure:
            reasons[name] = str(failure)
    return found, reasons


def nearest_accuracy(probe: Labelled, bank: Labelled | None, *, device: str = "auto") -> Accuracy:
    """kNN of the rows of `probe` among the rows of `bank`; without one each row among all others (leave-one-out)."""
    from repr_probe.probes.knn import knn

    found = knn(*probe, device=device) if bank is None else knn(*bank, *probe, device=device)
    return Accuracy(float(found.top1), found.protocol)


def linear_accuracy(probe: Labelled, bank: Labelled | None, *, seed: int = 0, device: str = "auto") -> Accuracy:
    """A linear probe trained on `bank` and scored on `probe`; without a bank trained on every second row of each class of `probe` and
    scored on the others."""
    from repr_probe.probes.linear import linear

    if bank is not None:
        found = linear(*bank, *probe, seed=seed, device=device)
        return Accuracy(float(found.top1), found.protocol)
    features, labels = probe
    learns = alternate_rows(labels)
    found = linear(features[learns], labels[learns], features[~learns], labels[~learns], seed=seed, device=device)
    return Accuracy(float(found.top1), f"{found.protocol}, on every second image of a class")


def alternate_rows(labels: np.ndarray) -> np.ndarray:
    """(n,) bool: the first, third, fifth ... row of every class.

    >>> alternate_rows(np.array([0, 0, 1, 0, 1])).tolist()
    [True, False, True, True, False]
    """
    order = np.argsort(labels, kind="stable")
    ranked = labels[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    place = np.arange(len(labels)) - np.repeat(starts, np.diff(np.r_[starts, len(labels)]))
    chosen = np.empty(len(labels), bool)
    chosen[order] = place % 2 == 0
    return chosen
