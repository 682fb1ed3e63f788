"""One process of a job whose second process is unlike the first: `python unlike_job.py RANK WORLD_SIZE PORT FOLDER SCENARIO...` (`together_job`)."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from repr_probe import extraction
from repr_probe.datasets.open import open_dataset
from repr_probe.ranks import Ranks
from repr_probe.reports import together
from repr_probe.reports.geometry import geometry_report

job = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("together_job.py"))))


def labels(ranks: Ranks, folder: Path) -> None:
    values, codes = job.cloud(60, 5)
    geometry_report(values, codes + (ranks.rank == 1) * np.arange(60) % 2, ranks=ranks)


def values(ranks: Ranks, folder: Path) -> None:
    rows, codes = job.cloud(60, 5)
    geometry_report(rows + 1e-6 * ranks.rank, codes, ranks=ranks)


def libraries(ranks: Ranks, folder: Path) -> None:
    """The second process says that it runs another torch."""
    found = together.library_versions()
    together.library_versions = lambda: {**found, "torch": "1.0"} if ranks.rank else found
    geometry_report(*job.cloud(60, 5), ranks=ranks)


def extract(ranks: Ranks, folder: Path, *, seed: int = 0, images: str = "images", layers: tuple[str, ...] = ("pooled",), batch_size: int = 5) -> None:
    dataset = open_dataset(folder / images, job.tiny.SPEC)
    how: dict[str, Any] = {"batch_size": batch_size, "workers": 0, "store": folder / "home", "ranks": ranks}
    extraction.extract_features(job.tiny.tiny_encoder(seed), dataset, layers=layers, **how)


def weights(ranks: Ranks, folder: Path) -> None:
    extract(ranks, folder, seed=ranks.rank)


def images(ranks: Ranks, folder: Path) -> None:
    extract(ranks, folder, images=("images", "fewer")[ranks.rank])


def layers(ranks: Ranks, folder: Path) -> None:
    extract(ranks, folder, layers=(("pooled",), ("pooled", "early"))[ranks.rank])


def batches(ranks: Ranks, folder: Path) -> None:
    extract(ranks, folder, batch_size=5 + ranks.rank)


def equipment(ranks: Ranks, folder: Path) -> None:
    found: Callable[..., dict[str, Any]] = extraction.run_facts
    if ranks.rank:
        extraction.run_facts = lambda *given, **named: (facts := found(*given, **named)) | {"versions": {**facts["versions"], "torch": "1.0"}}
    extract(ranks, folder)


if __name__ == "__main__":
    job.SCENARIOS.update({work.__name__: work for work in (labels, values, libraries, weights, images, layers, batches, equipment)})
    job.main(*sys.argv[1:])
