"""kNN on frozen features: presets of the literature, exact neighbours, a strict top-5, and ties that are decided by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from repr_probe.errors import InputError
from repr_probe.metrics.neighbours import MEMORY, Neighbours, nearest
from repr_probe.probes.devices import resolve_device
from repr_probe.probes.labelled_rows import TOP5_CLASSES, Split, open_split
from repr_probe.probes.probe_result import ProbeResult, frozen, scored
from repr_probe.probes.votes import Votes, count_votes


class Setting(NamedTuple):
    """k neighbours; temperature of their weights exp(cosine / temperature), None for equal weights."""

    k: int
    temperature: float | None


# What each source evaluates with; docs/protocols.md says where.
PRESETS: Mapping[str, Setting] = MappingProxyType({
    "lightly": Setting(200, 0.1),
    "instdisc": Setting(200, 0.07),
    "dino": Setting(20, 0.07),
    "dinov2": Setting(20, 0.07),
    "uniform": Setting(20, None),
})  # fmt: skip
SWEEP_K = (1, 5, 10, 20, 50, 100, 200)
SWEEP_TEMPERATURES = (0.07, 0.1)
LEVEL = 1e-6  # cosines this near each other are apart by little more than the float32 in which they are kept


@dataclass(frozen=True, eq=False)
class KnnResult(ProbeResult):
    """Accuracy of a kNN classifier; the bank is its training rows, the queries its test rows.

    top5 is strict: only classes with a vote can be hits.  top5_voted_share: share of queries whose neighbours are of five classes or more;
    where it is below 1, a top-5 that fills its places with classes without a vote reads higher (up to four points at small k).
    """

    top5_voted_share: float


def knn(
    bank: Any,
    bank_labels: Any = None,
    queries: Any = None,
    query_labels: Any = None,
    *,
    preset: str = "lightly",
    k: int | None = None,
    temperature: float | None = None,
    device: str = "auto",
    memory: int = MEMORY,
) -> KnnResult:
    """Top-1 and strict top-5 of the k nearest neighbours by cosine, each voting exp(cosine / temperature) for its class.

    bank (n_bank, n_features), queries (n_queries, n_features): anything `as_features` takes, memory-mapped files and stores included; labels
    of any kind, matched by value. queries None: the bank's own rows, each without itself (leave-one-out).
    preset: "lightly" (k 200, T 0.1: Lightly's benchmarks and the paper), "instdisc" (200, 0.07: Wu et al. 2018), "dino" and
    "dinov2" (20, 0.07) or "uniform" (20, equal votes). k, temperature: in place of the preset's. A bank of fewer rows than k votes whole, noted.
    device: "auto" is a GPU if there is one. memory: bytes for blocks and tiles; a bank of any length is streamed.

    Neighbours are exact; at equal cosines the lower bank row goes first. Classes are ranked by score, then nearest neighbour, then order.
    Raises InputError for features, labels or settings outside this contract.

    >>> result = knn([[1, 0], [1, .1], [0, 1]], ["a", "a", "b"], [[1, .2], [.1, 1]], ["a", "b"], preset="uniform", k=1)
    >>> result.top1, result.protocol
    (1.0, 'knn k=1 uniform cosine')
    """
    setting = chosen_setting(preset, k, temperature)
    return knn_settings(bank, bank_labels, queries, query_labels, [setting], preset=preset, device=device, memory=memory)[0]


def knn_sweep(
    bank: Any,
    bank_labels: Any = None,
    queries: Any = None,
    query_labels: Any = None,
    *,
    k: Sequence[int] = SWEEP_K,
    temperature: Sequence[float | None] = SWEEP_TEMPERATURES,
    device: str = "auto",
    memory: int = MEMORY,
) -> tuple[KnnResult, ...]:
    """`knn` at every k and temperature (None: equal votes) from one search with the largest k; the numbers are those of `knn`.

    The best of a sweep on the test set is no result: choose on other queries. A k above the bank's rows is the bank's rows, once.
    """
    wanted = [Setting(checked_k(one), checked_temperature(heat)) for one in k for heat in temperature]
    if not wanted:
        raise InputError("k and temperature must have a value each; got none")
    return knn_settings(bank, bank_labels, queries, query_labels, wanted, device=device, memory=memory)


def chosen_setting(preset: str, k: int | None, temperature: float | None) -> Setting:
    """The preset with what was given in its place; InputError for an unknown preset or a value out of range."""
    if preset not in PRESETS:
        raise InputError(f"preset must be one of {', '.join(PRESETS)}; got {preset!r}")
    setting = PRESETS[preset]
    if temperature is not None and setting.temperature is None:
        raise InputError(f"temperature must go with weighted votes; got {temperature} beside preset {preset!r}, whose votes are equal")
    return Setting(setting.k if k is None else checked_k(k), setting.temperature if temperature is None else checked_temperature(temperature))


def checked_k(k: Any) -> int:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"k must be an integer, 1 or more; got {k!r}")
    return int(k)


def checked_temperature(temperature: Any) -> float | None:
    number = isinstance(temperature, int | float | np.number) and not isinstance(temperature, bool)
    if temperature is not None and not (number and 0.0 < float(temperature) < np.inf):
        raise InputError(f"temperature must be a finite number above 0; got {temperature!r}")
    return None if temperature is None else float(temperature)


def knn_settings(
    bank: Any, bank_labels: Any, queries: Any, query_labels: Any, settings: Sequence[Setting], *,
    preset: str = "own", device: str = "auto", memory: int = MEMORY,
) -> tuple[KnnResult, ...]:  # fmt: skip
    """`knn` at each of `settings` from one search; `preset` names those settings that equal it."""
    split = open_split(bank, bank_labels, queries, query_labels, ("bank", "queries"), unit=True)
    alone = split.test is split.train
    n_bank = len(split.train) - alone
    if n_bank < 1:
        raise InputError("bank must have two rows to leave one out; got 1")
    notes, usable = list(split.notes), list(dict.fromkeys(Setting(min(one.k, n_bank), one.temperature) for one in settings))
    largest = max(one.k for one in settings)
    if largest > n_bank:
        notes.append(f"k is {n_bank}, all the bank has, in place of {largest}")
    found = _Search(split, max(one.k for one in usable), resolve_device(device), memory)
    counted = found.votes(usable)
    if found.n_level:
        notes.append(
            f"the cosines to all neighbours agree to {LEVEL:g} for {found.n_level} of {len(split.test)} queries: the features lie in nearly one "
            "direction, and which neighbours come first is rounding; take their mean off before asking for neighbours"
        )
    return tuple(_result(split, one, votes, preset, tuple(notes)) for one, votes in zip(usable, counted, strict=True))


class _Search:
    """Neighbours in float32, and once more in float64 for the queries whose answer a rounding could have decided."""

    def __init__(self, split: Split, k: int, device: str, memory: int) -> None:
        self.split, self.device, self.memory = split, device, memory
        self.own = np.arange(len(split.train)) if split.test is split.train else None
        self.n_level = 0  # queries whose neighbours, searched in float64, are still as good as equally near
        self.k = min(k + 1, len(split.train) - (self.own is not None))  # one more shows whether the k-th place is contested

    def votes(self, settings: Sequence[Setting]) -> list[Votes]:
        neighbours = self.neighbours(np.arange(len(self.split.test)), precise=False)
        counted = [self.count(neighbours, self.split.test.codes, one) for one in settings]
        doubtful = np.flatnonzero(np.logical_or.reduce([votes.doubtful for votes in counted]))
        if len(doubtful):
            again = self.neighbours(doubtful, precise=True)
            self.n_level = int((again.cosines[:, 0] - again.cosines[:, -1] < LEVEL).sum())
            for one, votes in zip(settings, counted, strict=True):
                settled = self.count(again, self.split.test.codes[doubtful], one)
                votes.winner[doubtful], votes.rank[doubtful], votes.n_voted[doubtful] = settled.winner, settled.rank, settled.n_voted
        return counted

    def neighbours(self, which: np.ndarray, *, precise: bool) -> Neighbours:
        whole = len(which) == len(self.split.test)
        rows = self.split.test.rows if whole else self.split.test.rows.select(which)
        own = None if self.own is None else self.own[which]
        return nearest(self.split.train.rows, rows, self.k, own=own, precise=precise, device=self.device, memory=self.memory)

    def count(self, neighbours: Neighbours, codes: np.ndarray, one: Setting) -> Votes:
        return count_votes(neighbours, self.split.train.codes, codes, len(self.split.class_names), one.k, one.temperature)


def _result(split: Split, one: Setting, votes: Votes, preset: str, notes: tuple[str, ...]) -> KnnResult:
    alone = split.test is split.train
    vote = "uniform" if one.temperature is None else f"T={one.temperature:g}"
    named = preset if PRESETS.get(preset) == one else "own"
    settings = {"preset": named, "k": one.k, "temperature": one.temperature, "similarity": "cosine", "leave_one_out": alone}
    return KnnResult(
        **scored(split, votes.rank, votes.winner),
        top5_voted_share=float((votes.n_voted >= TOP5_CLASSES).mean()),
        protocol=f"knn k={one.k} {vote} cosine{' leave-one-out' if alone else ''}",
        settings=frozen(settings),
        notes=notes,
    )
