"""Weighted kNN of 10,000 queries in a bank of 50,000 x 512, beside scikit-learn and faiss: `python tests/benchmarks/knn.py [--queries 10000]`.

Prints seconds, ratios (of processor time too, for machines with other work) and the peak of memory above the inputs, each contender in a
process of its own, for k = 20 and 200. scikit-learn's brute force runs in float32 on unit rows, by Euclid (its fastest path: the fused
arg-k-min) and by cosine; predictions must be equal.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CONTENDERS = ("repr_probe", "sklearn euclidean", "sklearn cosine", "faiss")
TEMPERATURE = 0.1


def sample(n_bank: int, n_queries: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((10, width), np.float32)
    codes = rng.integers(0, 10, n_bank), rng.integers(0, 10, n_queries)
    rows = [0.15 * centres[part] + rng.standard_normal((len(part), width), np.float32) for part in codes]
    for part in rows:
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows[0], codes[0], rows[1], codes[1]


def predictions(contender: str, k: int, data: tuple[np.ndarray, ...]) -> np.ndarray:
    bank, bank_codes, queries, codes = data
    if contender == "repr_probe":
        from repr_probe.probes.knn import knn

        return knn(bank, bank_codes, queries, codes, k=k, temperature=TEMPERATURE).predictions
    if contender == "faiss":
        import faiss

        index = faiss.IndexFlatIP(bank.shape[1])
        index.add(bank)
        cosines, near = index.search(queries, k)
        place = np.arange(len(queries))[:, None] * 10 + bank_codes[near]
        weights = np.exp((cosines.astype(np.float64) - cosines[:, :1]) / TEMPERATURE)
        return np.bincount(place.ravel(), weights.ravel(), 10 * len(queries)).reshape(-1, 10).argmax(1)
    from sklearn.neighbors import KNeighborsClassifier

    metric = contender.split()[1]
    weigh = (lambda d: np.exp((1 - d * d / 2) / TEMPERATURE)) if metric == "euclidean" else (lambda d: np.exp((1 - d) / TEMPERATURE))
    return KNeighborsClassifier(k, algorithm="brute", metric=metric, weights=weigh).fit(bank, bank_codes).predict(queries)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def run_one(contender: str, k: int, sizes: tuple[int, int, int], answer: Path) -> None:
    data = sample(*sizes)
    small = tuple(part[:300] for part in data)
    predictions(contender, min(k, 100), small)  # imports and threads
    before = peak()
    start, start_work = time.perf_counter(), time.process_time()
    found = predictions(contender, k, data)
    seconds, work = time.perf_counter() - start, time.process_time() - start_work
    np.save(answer, found)
    print(json.dumps({"seconds": seconds, "work": work, "bytes": peak() - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--one", nargs=3, metavar=("CONTENDER", "K", "FILE"), help="run one contender in this process")
    arguments = parser.parse_args()
    sizes = arguments.bank, arguments.queries, arguments.features
    if arguments.one:
        run_one(arguments.one[0], int(arguments.one[1]), sizes, Path(arguments.one[2]))
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for k in (20, 200):
            compare(k, sizes, Path(folder))


def compare(k: int, sizes: tuple[int, int, int], folder: Path) -> None:
    ours: dict[str, float] = {}
    for contender in CONTENDERS:
        answer = folder / f"{contender}.npy"
        options = ["--bank", "--queries", "--features"]
        given = [text for pair in zip(options, map(str, sizes), strict=True) for text in pair]
        done = subprocess.run([sys.executable, __file__, *given, "--one", contender, str(k), str(answer)], capture_output=True, text=True)
        if done.returncode:
            print(f"k {k:3}  {contender:18} {done.stderr.strip().splitlines()[-1]}")
            continue
        found = json.loads(done.stdout)
        ours = ours or found
        same = np.mean(np.load(answer) == np.load(folder / "repr_probe.npy"))
        times = f"time / ours {found['seconds'] / ours['seconds']:.2f} (processor {found['work'] / ours['work']:.2f})"
        ratios = f"{times}, memory / ours {found['bytes'] / max(1, ours['bytes']):.2f}"
        print(f"k {k:3}  {contender:18} {found['seconds']:7.2f} s  {found['bytes'] >> 20:6} MiB  {ratios}, equal predictions {same:.4%}")


if __name__ == "__main__":
    main()
