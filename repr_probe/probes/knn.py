"""kNN on frozen features: presets of the literature, exact neighbours, a strict top-5, and ties that are decided by rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from repr_probe.errors import InputError
from repr_probe.metrics.neighbours import MEMORY, Neighbours, nearest
from repr_probe.metrics.row_neighbours import settled
from repr_probe.probes.devices import resolve_device
from repr_probe.probes.labelled_rows import TOP5_CLASSES, Split, open_split
from repr_probe.probes.probe_result import ProbeResult, frozen, scored
from repr_probe.probes.votes import Votes, count_votes
from repr_probe.ranks import ALONE, Ranks


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
    preset: str = "own", device: str = "auto", memory: int = MEMORY, ranks: Ranks = ALONE,
) -> tuple[KnnResult, ...]:  # fmt: skip
    """`knn` at each of `settings` from one search; `preset` names those settings that equal it.

    ranks: the processes of a job, each calling this on the same features: queries are dealt, and all get the results.
    """
    split = open_split(bank, bank_labels, queries, query_labels, ("bank", "queries"), unit=True)
    ranks.require_alike(bank=split.train.mark, queries=split.test.mark)
    alone = split.test is split.train
    n_bank = len(split.train) - alone
    if n_bank < 1:
        raise InputError("bank must have two rows to leave one out; got 1")
    notes, usable = list(split.notes), list(dict.fromkeys(Setting(min(one.k, n_bank), one.temperature) for one in settings))
    largest = max(one.k for one in settings)
    if largest > n_bank:
        notes.append(f"k is {n_bank}, all the bank has, in place of {largest}")
    search = _Search(split, max(one.k for one in usable), resolve_device(ranks.device_name(device)), memory)
    n = len(split.test)
    counted = [votes.together(ranks, n) for votes in search.votes(usable, *ranks.run_of(n))]
    return tuple(_result(split, one, votes, preset, tuple(notes)) for one, votes in zip(usable, counted, strict=True))


class _Search:
    """Neighbours by float32 products, and by exact distances for the queries whose answer a rounding could have decided."""

    def __init__(self, split: Split, k: int, device: str, memory: int) -> None:
        self.split = split
        self.where: dict[str, Any] = {"device": device, "memory": memory}
        self.alone = split.test is split.train
        self.k = min(k + 1, len(split.train) - self.alone)  # one more shows whether the k-th place is contested

    def votes(self, settings: Sequence[Setting], start: int, stop: int) -> list[Votes]:
        """Of queries start..stop, at each setting."""
        which = np.arange(start, stop)
        counted = self.count(nearest, which, settings)
        doubtful = np.flatnonzero(np.logical_or.reduce([votes.doubtful for votes in counted]))
        if len(doubtful):
            for votes, sure in zip(counted, self.count(settled, which[doubtful], settings), strict=True):
                votes.winner[doubtful], votes.rank[doubtful], votes.n_voted[doubtful] = sure.winner, sure.rank, sure.n_voted
        return counted

    def count(self, search: Callable[..., Neighbours], which: np.ndarray, settings: Sequence[Setting]) -> list[Votes]:
        train, test, n_classes = self.split.train, self.split.test, len(self.split.class_names)
        rows = test.rows if len(which) == len(test) else test.rows.select(which)
        found = search(train.rows, rows, self.k, own=which if self.alone else None, **self.where)
        return [count_votes(found, train.codes, test.codes[which], n_classes, one.k, one.temperature) for one in settings]


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
