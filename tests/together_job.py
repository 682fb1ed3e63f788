"""One process of a job: `python together_job.py RANK WORLD_SIZE PORT FOLDER SCENARIO...`; what it finds goes to FOLDER/SCENARIO-RANK.json or .err."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from repr_probe.datasets.open import open_dataset
from repr_probe.errors import ReprProbeError
from repr_probe.extraction import extract_features
from repr_probe.features.door import as_features
from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.metrics.neighbour_measures import neighbour_measures, search_together
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.probes.knn import Setting, knn_settings
from repr_probe.probes.linear import linear
from repr_probe.probes.probe_result import ProbeResult
from repr_probe.ranks import Ranks, joined
from repr_probe.reports.geometry import geometry_report

# Not through sys.path: with this folder in it, the folder `datasets` here would pass for the library of that name.
tiny = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_extraction.py"))))

def cloud(n: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unlabelled rows, a zero row, two equal rows, five classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, n)
    values = rng.normal(size=(n, width)) + rng.normal(size=(5, width))[labels] + 0.3
    labels[: n // 10] = -1
    values[n // 2] = 0.0
    values[n // 3] = values[n // 3 + 1]
    return values, labels


def geometry(ranks: Ranks, folder: Path, n: int = 210, width: int = 12, **options) -> object:
    report = geometry_report(*cloud(n, width), **{"preset": "full", "block_size": 16, "device": "cpu", **options}, ranks=ranks)
    found = report.to_dict()
    return {name: found[name] for name in ("measures", "counts", "histograms", "classes", "notes", "identity_failures")}


def few(ranks: Ranks, folder: Path) -> object:
    """More processes than blocks of rows: some have nothing to do."""
    return geometry(ranks, folder, n=14, block_size=8, preset="default")


def wide(ranks: Ranks, folder: Path) -> object:
    return geometry(ranks, folder, n=40, width=60)


def sampled(ranks: Ranks, folder: Path) -> object:
    return geometry(ranks, folder, pairs=2000)


def differing(ranks: Ranks, folder: Path) -> object:
    return geometry(ranks, folder, n=210 + 10 * (ranks.rank == 1))


def neighbours(ranks: Ranks, folder: Path, n: int = 150) -> object:
    """Hubness, purity and TwoNN: values of the first process, which measures alone after the searches."""
    states = GeometryStates(as_features(*cloud(n, 6)), Options(intervals=False, ranks=ranks))
    search_together(states, DEFINITIONS)
    states.run_together(angles=False)
    return ranks.first_does(lambda: {key: found.value for key, found in neighbour_measures(states, DEFINITIONS).items()})


def few_neighbours(ranks: Ranks, folder: Path) -> object:
    return neighbours(ranks, folder, n=4)


def split(n_train: int, n_test: int, width: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Eight classes of rows with ties; one test row is zero."""
    rng = np.random.default_rng(1)
    codes = np.arange(n_train) % 8, rng.integers(0, 8, n_test)
    centers = rng.normal(size=(8, width))
    rows = [np.round(2 * (centers[part] + rng.normal(size=(len(part), width)))) + 0.5 for part in codes]
    rows[1][0] = 0.0
    return rows[0], codes[0], rows[1], codes[1]


def said(results: Iterable[ProbeResult]) -> list[object]:
    return [{**one.to_dict(), "hits": one.hits.tolist(), "predictions": one.predictions.tolist()} for one in results]


def knn(ranks: Ranks, folder: Path, n_test: int = 61) -> object:
    settings = [Setting(1, 0.1), Setting(9, None), Setting(30, 0.07)]
    rows, codes, tests, truth = split(200, n_test)
    narrow = [np.linspace(1, 2, 9) + 1e-7 * part for part in (rows, tests)]
    return [said(knn_settings(*given, settings, ranks=ranks))
            for given in ((rows, codes, tests, truth), (rows, codes, None, None), (narrow[0], codes, narrow[1], truth))]  # fmt: skip


def few_queries(ranks: Ranks, folder: Path) -> object:
    """Three queries, one of them zero: the third process of three has none."""
    return knn(ranks, folder, n_test=3)


def fitted(ranks: Ranks, folder: Path) -> object:
    """Grid, one penalty, fewer rows than features, fewer rows than a process would need, minibatches."""
    rows = split(103, 40, width=2)
    tiny_set = split(16, 10, width=1)
    return said([linear(*rows, ranks=ranks), linear(*rows, l2=1e-3, memory=1, ranks=ranks), linear(*split(24, 40, width=30), l2=0.1, ranks=ranks),
                 linear(tiny_set[0][:2], [0, 1], tiny_set[2], tiny_set[3], l2=0.1, ranks=ranks),
                 linear(*rows, preset="sgd", epochs=2, ranks=ranks)])  # fmt: skip


def other_bank(ranks: Ranks, folder: Path) -> object:
    rows, codes, tests, truth = split(200, 20)
    return said(knn_settings(rows + (ranks.rank == 1), codes, tests, truth, [Setting(5, 0.1)], ranks=ranks))


def other_training(ranks: Ranks, folder: Path) -> object:
    rows, codes, tests, truth = split(200, 20)
    return said([linear(rows, np.roll(codes, ranks.rank), tests, truth, l2=0.1, ranks=ranks)])


def deserted(ranks: Ranks, folder: Path) -> object:
    """The last process dies in the middle of a fit."""
    from repr_probe.probes.logistic import _Problem

    sums, seen = _Problem.sums, []

    def dying(self, weights):
        seen.append(1)
        if len(seen) == 3 and ranks.rank == ranks.world_size - 1:
            os._exit(9)
        return sums(self, weights)

    _Problem.sums = dying  # type: ignore[method-assign]
    return fitted(ranks, folder)


def extraction(ranks: Ranks, folder: Path, batch_size: int = 5, views: int = 0) -> object:
    """24 images in batches of 5: five batches, uneven over ranks."""
    home = folder / f"home-{ranks.world_size}"
    dataset = open_dataset(folder / "images", tiny.SPEC)
    stores = extract_features(tiny.tiny_encoder(), dataset, layers=tiny.LAYERS, batch_size=batch_size, views=views, workers=0, store=home, ranks=ranks)
    return [str(store.path.relative_to(home)) for store in stores]


def idle(ranks: Ranks, folder: Path) -> object:
    """Views, and two batches: the third process of three has none."""
    return extraction(ranks, folder, batch_size=16, views=2)


def broken(ranks: Ranks, folder: Path) -> object:
    """The last process dies in the middle of its part, without a word."""
    from repr_probe.features import store_writer

    store_writer.SYNC_SECONDS = 0.0
    if ranks.rank == ranks.world_size - 1:
        write, seen = store_writer.StoreWriter.write, []

        def dying(self, *arguments):
            seen.append(write(self, *arguments))
            if len(seen) == 3:
                os._exit(9)

        store_writer.StoreWriter.write = dying
    return extraction(ranks, folder, batch_size=4)


def mended(ranks: Ranks, folder: Path) -> object:
    """The same again: how many batches each process still had to compute."""
    from repr_probe.extraction_pass import ExtractionPass

    forward, seen = ExtractionPass._forward, []
    ExtractionPass._forward = lambda self, *arguments: seen.append(1) or forward(self, *arguments)  # type: ignore[method-assign]
    extraction(ranks, folder, batch_size=4)
    return len(seen)


_WORK = (geometry, few, wide, sampled, differing, extraction, idle, broken, mended, neighbours, few_neighbours, knn, few_queries, fitted,
         other_bank, other_training, deserted)  # fmt: skip
SCENARIOS: dict[str, Callable[[Ranks, Path], object]] = {work.__name__: work for work in _WORK}


def main(rank: str, world_size: str, port: str, folder: str, *scenarios: str) -> None:
    os.environ |= {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with joined("cpu", torch.device) as ranks:
        for name in scenarios:
            place = Path(folder) / f"{name}-{rank}"
            try:
                place.with_suffix(".json").write_text(json.dumps(SCENARIOS[name](ranks, Path(folder))))
            except ReprProbeError as failure:
                place.with_suffix(".err").write_text(f"{type(failure).__name__}: {failure}")


if __name__ == "__main__":
    main(*sys.argv[1:])
