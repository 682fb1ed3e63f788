"""One process of a job: `python together_job.py RANK WORLD_SIZE PORT FOLDER SCENARIO...`; what it finds goes to FOLDER/SCENARIO-RANK.json or .err."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from repr_probe.datasets.open import open_dataset
from repr_probe.errors import ReprProbeError
from repr_probe.extraction import extract_features
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


SCENARIOS: dict[str, Callable[[Ranks, Path], object]] = {
    work.__name__: work for work in (geometry, few, wide, sampled, differing, extraction, idle, broken, mended)
}


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
