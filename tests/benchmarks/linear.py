"""Ten penalties of logistic regression on 50,000 x 512, 10 classes, beside scikit-learn: `python tests/benchmarks/linear.py [--rows 50000]`.

scikit-learn's LogisticRegression (lbfgs, float64, the same standardised rows) goes from the largest penalty to the smallest, each from the
solution before (warm_start), its tolerance tightened until its loss is at most 1e-6 above ours. Prints seconds, processor seconds, and both losses.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from repr_probe.metrics.rows import Rows
from repr_probe.probes.linear import PENALTIES
from repr_probe.probes.logistic import fit_logistic
from repr_probe.probes.standardised import Scale, Standardised


def sample(n_rows: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated features, as networks give them: a spectrum that falls by three orders."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 10, n_rows)
    mixed = rng.standard_normal((width, width)) / np.sqrt(width) * np.logspace(0, -1.5, width)[:, None]
    rows = (0.25 * rng.standard_normal((10, width))[codes] + rng.standard_normal((n_rows, width))) @ mixed
    return rows.astype(np.float32), codes


def loss_of(weights: np.ndarray, biases: np.ndarray, rows: np.ndarray, codes: np.ndarray, l2: float) -> float:
    from scipy.special import logsumexp

    scores = rows @ weights + biases
    return float((logsumexp(scores, axis=1) - scores[np.arange(len(codes)), codes]).mean() + 0.5 * l2 * np.square(weights).sum())


def by_scikit_learn(network: Any, rows: np.ndarray, codes: np.ndarray, l2: float, wanted: float) -> float:
    """The loss that LogisticRegression reaches, going on from where it is with a tighter tolerance until it is `wanted` to 1e-6."""
    network.C = 1 / (len(rows) * l2)
    for tolerance in (1e-5, 1e-6, 1e-7, 1e-8):
        network.tol = tolerance
        network.fit(rows, codes)
        reached = loss_of(network.coef_.T, network.intercept_, rows, codes, l2)
        if reached <= wanted * (1 + 1e-6):
            break
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=512)
    arguments = parser.parse_args()
    rows, codes = sample(arguments.rows, arguments.features)
    fit_logistic(Standardised(Rows(rows[:500]), Scale.of(Rows(rows[:500])), 1 << 30), codes[:500], 10, np.array([1.0]))  # imports
    wall, work = time.perf_counter(), time.process_time()
    scaled = Standardised(Rows(rows), Scale.of(Rows(rows)), 1 << 30)
    ours = fit_logistic(scaled, codes, 10, np.array(PENALTIES))
    ours_wall, ours_work = time.perf_counter() - wall, time.process_time() - work
    print(f"iterations {ours.iterations.tolist()}, all converged: {ours.converged.all()}", flush=True)
    ready, network = scaled.block(0, len(rows)), LogisticRegression(max_iter=1000, warm_start=True)
    theirs_wall, theirs_work, excess = 0.0, 0.0, []
    warnings.simplefilter("ignore", ConvergenceWarning)
    for l2, loss in reversed(list(zip(PENALTIES, ours.losses, strict=True))):
        wall, work = time.perf_counter(), time.process_time()
        excess.append(by_scikit_learn(network, ready, codes, l2, loss) / loss - 1)
        theirs_wall, theirs_work = theirs_wall + time.perf_counter() - wall, theirs_work + time.process_time() - work
        print(f"l2 {l2:.2e}: loss {loss:.6e}, scikit-learn's above it {excess[-1]:+.1e}, {theirs_work:.1f} s of processor so far", flush=True)
    print(f"{arguments.rows} x {arguments.features}, 10 classes, 10 penalties")
    print(f"ours {ours_wall:.1f} s ({ours_work:.1f} s of processor), scikit-learn {theirs_wall:.1f} s ({theirs_work:.1f} s of processor)")
    print(f"scikit-learn / ours: {theirs_wall / ours_wall:.2f}, processor time {theirs_work / ours_work:.2f}")
    print(f"scikit-learn's loss above ours, relative: {min(excess):.1e} to {max(excess):.1e}")


if __name__ == "__main__":
    main()
