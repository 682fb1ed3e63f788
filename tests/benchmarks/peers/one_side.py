"""One call in a process of its own: `python one_side.py` reads a JSON object from stdin and prints one.

In: side ("theirs", "ours" or "exact"), peer, expression, folder (of x, y, other), n.
Out: values, and unless exact: seconds; processor (seconds of all threads, first call); bytes (peak of memory that no file backs, above what was
held before the call); version.
Exit 3: the tool is not installed.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import numpy as np

NOT_INSTALLED = 3
_WARM_ROWS = 400
_ENOUGH, _MOST = 1.0, 7  # seconds and calls that one process spends on timing
PARITY = Path(__file__).parents[2] / "parity"


def arrays(folder: str, n: int) -> dict[str, np.ndarray]:
    return {name: np.array(np.load(Path(folder) / f"{name}.npy", mmap_mode="r")[:n]) for name in ("x", "y", "other")}


# --- what an expression may name --------------------------------------------------------------------------------------


def peer_names(peer: str) -> tuple[dict[str, Any], str]:
    """(names after the setup of the parity suite or of `rows`, version of the package). Raises ImportError where it is not installed."""
    from rows import SETUPS

    sys.path.insert(1, str(PARITY))
    suite = import_module("peers").PEERS
    try:
        found = version(peer)
    except PackageNotFoundError as error:
        raise ImportError(str(error)) from error
    setup = SETUPS.get(peer) or next(one.setup for one in suite if one.distribution == peer)
    names: dict[str, Any] = {"pick": itemgetter, "threads": int(os.environ["OMP_NUM_THREADS"])}
    exec(setup, names)
    return names, found


def our_names() -> tuple[dict[str, Any], str]:
    """(the package's public measures, conventions of the parity suite, `measure` of one key of a report, version)."""
    sys.path.insert(1, str(PARITY))
    import repr_probe
    from repr_probe.features.door import as_features
    from repr_probe.metrics.states import GeometryStates, Options

    def states(x: np.ndarray, y: np.ndarray | None = None) -> GeometryStates:
        return GeometryStates(as_features(x, y), Options(intervals=False))

    def measure(key: str, x: np.ndarray) -> float:
        one = states(x)
        return float(next(got[key] for build in conventions.Report.builders if key in (got := build(one, [key]))).value)

    def cosine_moments(x: np.ndarray) -> tuple[float, float]:
        mean, variance = states(x, np.zeros(len(x), np.int64)).class_cosine_totals().every()
        return float(mean), float(variance) ** 0.5

    conventions = import_module("conventions")
    public = ("anisotropy", "angles", "center_vector_norm", "cka", "effective_rank", "hubness", "mean_cosine", "neural_collapse",
              "participation_ratio", "rankme", "silhouette_cosine", "twonn", "uniformity")  # fmt: skip
    names = {name: getattr(repr_probe, name) for name in public}
    shared = {name: getattr(conventions, name) for name in ("kept", "ratios", "slope_with_intercept")}
    return {**names, **shared, "take": attrgetter, "measure": measure, "cosine_moments": cosine_moments}, repr_probe.__version__


def exact_names() -> tuple[dict[str, Any], str]:
    import exact

    return dict(vars(exact)), ""


# --- measuring --------------------------------------------------------------------------------------------------------


def _status(key: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) << 10


def _settled() -> int:
    """Anonymous memory now, after what is free has gone back and the mark of the peak has been set back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("RssAnon")


def measured(call: Callable[[], Any]) -> dict[str, Any]:
    """Value and peak memory of one call, and the median time of as many as fit in a second, that one among them."""
    before = _settled()
    seconds, start, work = [], time.perf_counter(), time.process_time()
    value = call()
    seconds.append(time.perf_counter() - start)
    work = time.process_time() - work
    peak = _status("VmHWM") - _status("RssFile") - before
    while sum(seconds) < _ENOUGH and len(seconds) < _MOST:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"values": values(value), "seconds": float(np.median(seconds)), "processor": work, "bytes": max(0, peak)}


def values(found: Any) -> list[float]:
    return [float(one) for one in np.atleast_1d(np.asarray(found, np.float64))]


def main() -> int:
    asked = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    try:
        names, found = {"ours": our_names, "exact": exact_names}.get(asked["side"], lambda: peer_names(asked["peer"]))()
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return NOT_INSTALLED
    held = arrays(asked["folder"], asked["n"])
    code = compile(asked["expression"], asked["peer"], "eval")
    if asked["side"] == "exact":
        print(json.dumps({"values": values(eval(code, names | held))}))
        return 0
    few = {name: array[:: max(1, len(array) // _WARM_ROWS)] for name, array in held.items()}
    eval(code, names | few)  # late imports, threads
    whole = names | held
    print(json.dumps({**measured(lambda: eval(code, whole)), "version": found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
