"""Build the class centroids that come with the package: `python -m repr_probe.semantics.build_centroids STORE`.

They are what `repro-probe semantic` shows when there is no checkpoint and no stored features: the ten classes of CIFAR-10 in
the embedded encoder hydes-cifar10, the mean of the unit rows of 1,000 test images each.
STORE: the folder that `repro-probe extract hydes-cifar10 --dataset cifar10` prints.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from repr_probe.errors import InputError
from repr_probe.features.store import FeatureStore

EMBEDDED = Path(__file__).parent / "cifar10_centroids.npz"
NAME = "CIFAR-10 in hydes-cifar10"


def centroids_of(store: FeatureStore) -> tuple[np.ndarray, list[str]]:
    """(K, D) float32 means of unit rows and the names of the classes; InputError for features without labels."""
    features = store.features()
    if features.labels is None:
        raise InputError("the store must be labelled; got features without labels")
    rows = np.asarray(features.values, np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    means = [rows[features.labels == code].mean(axis=0) for code in range(len(features.class_names))]
    return np.stack(means).astype(np.float32), list(features.class_names)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m repr_probe.semantics.build_centroids", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", type=Path)
    means, names = centroids_of(FeatureStore.open(parser.parse_args().store))
    provenance = {"encoder": "hydes-cifar10", "dataset": "cifar10", "split": "test", "rows": "class centroids"}
    np.savez(EMBEDDED, features=means, labels=np.array(names), provenance=np.array(json.dumps(provenance)))


if __name__ == "__main__":
    main()
