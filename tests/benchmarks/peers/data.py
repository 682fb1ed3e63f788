"""The features that both sides read: written once a run as float32 .npy files, the same for all repeats and tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SEED = 0


def write(folder: Path, real: str | None) -> dict[str, str]:
    """Data set -> what it is, in words; its arrays lie in `folder/<data set>/{x,y,other}.npy`. real: anything `as_features` reads, with labels."""
    found = {"synthetic": _synthetic(folder / "synthetic"), "surface": _surface(folder / "surface")}
    return {"real": _real(folder / "real", real)} | found if real else found


def _save(folder: Path, x: np.ndarray, y: np.ndarray) -> str:
    rng = np.random.default_rng(SEED + 1)
    mixture = x[:, :512] @ rng.standard_normal((min(512, x.shape[1]), 256), np.float32)
    noise = rng.standard_normal(mixture.shape, np.float32) * np.float32(mixture.std())
    folder.mkdir()
    for name, array in {"x": x, "y": y, "other": np.maximum(mixture + noise, 0.0)}.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array))
    return f"{len(x):,} x {x.shape[1]}"


def _real(folder: Path, source: str) -> str:
    """Rows in random order, so that the first n are a fair sample."""
    from repr_probe import as_features

    features: Any = as_features(source)
    if features.labels is None:
        raise SystemExit(f"--features must have labels; {source} has none")
    order = np.random.default_rng(SEED).permutation(features.n_samples)
    size = _save(folder, np.asarray(features.values, np.float32)[order], features.labels[order])
    made = " of ".join(str(features.provenance[key]) for key in ("encoder", "dataset") if key in features.provenance)
    return f"{size}, {made or 'features given'}"


def _synthetic(folder: Path) -> str:
    """Variances falling as i^-0.5, one hundred classes, a common offset."""
    rng = np.random.default_rng(SEED)
    y = rng.permutation(np.arange(20_000) % 100)
    scale = np.arange(1.0, 1025.0, dtype=np.float32) ** -0.25
    means = 0.5 * rng.standard_normal((100, 1024), np.float32)
    x = (rng.standard_normal((20_000, 1024), np.float32) + means[y] + np.float32(0.6)) * scale
    return f"{_save(folder, x, y)}, Gaussian with eigenvalues falling as i^-0.5, 100 classes, an offset"


def _surface(folder: Path) -> str:
    """Three dimensions, curved, in six."""
    rng = np.random.default_rng(SEED)
    angle = 3.0 * rng.random((20_000, 3))
    x = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * (1.0 + 0.2 * angle[:, [1, 2, 0, 1, 2, 0]])
    return f"{_save(folder, x.astype(np.float32), (angle[:, 0] > 1.5).astype(np.int64))}, points of a curved surface of three dimensions"
