"""Time, memory and error beside other tools: `python tests/benchmarks/peers.py --features STORE --peers FOLDER [--only NAME] [--json FILE]`.

Each row of `peers/rows.py` is a call of a tool and the call here that gives the same numbers. Each call runs in a process of its own on the
same float32 file with the same number of threads, imports and a small trial call before the clock starts; both sides take turns. Shown are
medians of time and of the peak of anonymous memory, and the relative error of each number against `peers/exact.py`; the JSON has processor
time as well, which says more on a machine with other work.
A tool is looked for in FOLDER/<distribution> and FOLDER/deps (`pip install --target`), then among what is installed; one that is not there is
said not to be. Without --features only made features are used.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().with_suffix("")
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE), str(ROOT)]

from data import write  # noqa: E402
from one_side import NOT_INSTALLED  # noqa: E402
from rows import OLDER, ROWS, Row  # noqa: E402

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_REFERENCE = 1e-12  # below this the error may be that of the exact side
_HEAD = (
    "| tool | call | features | time, tool / here | ratio | memory, tool / here | error of the tool | error here |\n"
    "|---|---|---|---|---|---|---|---|"
)


class Stopped(Exception):
    """Why a call gave no numbers."""


# --- running ----------------------------------------------------------------------------------------------------------


class Bench:
    """Runs sides of rows on the features in `folder`."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder, self.given = folder, arguments
        self.known: dict[tuple[str, str, int], list[float]] = {}

    def _path(self, side: str, peer: str) -> str:
        if side != "theirs" or self.given.peers is None:
            return str(ROOT)
        names = (*(("old",) if peer in OLDER else ()), peer, "deps")
        return os.pathsep.join(str(self.given.peers / name) for name in names)

    def run(self, side: str, row: Row) -> dict[str, Any]:
        """What `one_side` says. Raises Stopped."""
        asked = {"side": side, "peer": row.peer, "expression": getattr(row, side), "folder": str(self.folder / row.data), "n": self.rows(row)}
        threads = str(os.cpu_count()) if side == "exact" else str(self.given.threads)
        world = {**os.environ, **dict.fromkeys(_THREADS, threads), "PYTHONPATH": self._path(side, row.peer)}
        limit = None if side == "exact" else self.given.seconds
        try:
            done = subprocess.run([sys.executable, str(HERE / "one_side.py")], input=json.dumps(asked), env=world, capture_output=True,
                                  text=True, timeout=limit)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Stopped(f"more than {limit:g} s") from error
        said = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        if done.returncode:
            raise Stopped(f"not installed ({said})" if done.returncode == NOT_INSTALLED else f"failed ({done.returncode}): {said}")
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    def rows(self, row: Row) -> int:
        """How many rows of its features the row takes."""
        held = int(np.load(self.folder / row.data / "y.npy", mmap_mode="r").shape[0])
        return min(row.n, held, self.given.limit or held)

    def exact(self, row: Row) -> list[float]:
        key = row.exact, row.data, self.rows(row)
        if key not in self.known:
            self.known[key] = self.run("exact", row)["values"]
        return self.known[key]

    def row(self, row: Row) -> dict[str, Any]:
        """The row as it goes into the JSON; `stopped` where a side gave no numbers."""
        n, width = self.rows(row), int(np.load(self.folder / row.data / "x.npy", mmap_mode="r").shape[1])
        found: dict[str, Any] = {**row._asdict(), "n": n, "features": f"{row.data}, {n:,} x {width}"}
        sides: dict[str, list[dict[str, Any]]] = {"theirs": [], "ours": []}
        try:
            for turn in range(self.given.repeats):
                for side in ("theirs", "ours") if turn % 2 == 0 else ("ours", "theirs"):
                    sides[side].append(self.run(side, row))
            exact = self.exact(row)
        except Stopped as why:
            return {**found, "stopped": str(why)}
        results = {side: _median(parts, exact) for side, parts in sides.items()}
        return {**found, "exact_values": exact, "version": sides["theirs"][0]["version"], "result": results}


def _median(parts: list[dict[str, Any]], exact: list[float]) -> dict[str, Any]:
    """Medians of seconds and bytes; of the error of each number the largest of all repeats."""
    values = np.array([part["values"] for part in parts])
    size = np.abs(exact)
    error = np.abs(values - exact).max(axis=0) / np.where(size > 0, size, 1.0)
    return {
        "seconds": float(np.median([part["seconds"] for part in parts])),
        "processor": float(np.median([part["processor"] for part in parts])),
        "bytes": float(np.median([part["bytes"] for part in parts])),
        "each": [{key: part[key] for key in ("seconds", "processor", "bytes")} for part in parts],
        "values": values[0].tolist(),
        "error": error.tolist(),
    }


# --- telling ----------------------------------------------------------------------------------------------------------


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1.0 else f"{1000.0 * value:.3g} ms"


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 10.0 else f"{value:.2g}"


def _errors(row: dict[str, Any], side: str) -> str:
    each = [f"{error:.0e}" if error else "0" for error in row["result"][side]["error"]]
    return each[0] if len(each) == 1 else ", ".join(f"{name} {error}" for name, error in zip(row["numbers"], each, strict=True))


def line(row: dict[str, Any]) -> str:
    """The row of the table."""
    call = f"`{row['call']}`" + (f" ({row['share']})" if row["share"] else "")
    if "stopped" in row:
        return f"| {row['peer']} | {call} | {row['features']} | {row['stopped']} | | | | |"
    theirs, ours = row["result"]["theirs"], row["result"]["ours"]
    times = f"{_seconds(theirs['seconds'])} / {_seconds(ours['seconds'])}"
    memory = f"{theirs['bytes'] / 1e6:.0f} / {ours['bytes'] / 1e6:.0f} MB"
    ratio = _ratio(theirs["seconds"] / ours["seconds"])
    errors = f"{_errors(row, 'theirs')} | {_errors(row, 'ours')}"
    return f"| {row['peer']} {row['version']} | {call} | {row['features']} | {times} | {ratio} | {memory} | {errors} |"


def behind(rows: list[dict[str, Any]]) -> list[str]:
    """Where this package is slower, takes more memory or is less exact."""
    found = []
    for row in rows:
        if "stopped" in row:
            continue
        theirs, ours = row["result"]["theirs"], row["result"]["ours"]
        worse = [word for word, key in (("slower", "seconds"), ("more memory", "bytes")) if ours[key] > theirs[key]]
        if any(mine > max(other, _REFERENCE) for mine, other in zip(ours["error"], theirs["error"], strict=True)):
            worse.append("less exact")
        if worse:
            found.append(f"{row['peer']} {row['call']}, {row['features']}: {', '.join(worse)}")
    return found


def machine() -> dict[str, Any]:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((part.split(":")[1].strip() for part in text.splitlines() if part.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = {name: version(name) for name in ("numpy", "scipy", "torch", "scikit-learn")}
    return {"processor": model, "cores": os.cpu_count(), "memory_bytes": memory, "system": platform.platform(),
            "versions": {"python": platform.python_version(), **packages}}  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], help="rows whose tool or call holds this; repeatable")
    parser.add_argument("--peers", type=Path, help="folder of tools installed by pip install --target")
    parser.add_argument("--features", help="real features with labels: a store or file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=int, help="rows at most, for a trial")
    parser.add_argument("--seconds", type=float, default=180.0, help="longest that one process may take")
    parser.add_argument("--json", type=Path, help="write everything here")
    return parser.parse_args()


def _command(given: argparse.Namespace) -> str:
    """What was asked, without the places of this machine."""
    paths = [f"--{name} {name.upper()}" for name in ("features", "peers") if getattr(given, name)]
    chosen = [f"--only {word}" for word in given.only] + [f"--limit {given.limit}"] * bool(given.limit)
    return " ".join(["python tests/benchmarks/peers.py", *paths, *chosen, f"--repeats {given.repeats} --threads {given.threads}"])


def main() -> int:
    given = arguments()
    wanted = [row for row in ROWS if not given.only or any(word.lower() in f"{row.peer} {row.call}".lower() for word in given.only)]
    if not wanted:
        sys.stderr.write(f"--only must name a tool or call; got {', '.join(given.only)}; tools: {', '.join({row.peer for row in ROWS})}\n")
        return 2
    done: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        about = write(Path(folder), given.features)
        bench = Bench(Path(folder), given)
        for row in wanted:
            if row.data not in about:
                continue
            start = time.perf_counter()
            done.append(bench.row(row))
            sys.stderr.write(f"{line(done[-1])}  [{time.perf_counter() - start:.0f} s]\n")
    print("\n".join([_HEAD, *map(line, done), "", *(f"- {name}: {words}" for name, words in about.items())]))
    print("\n".join(["", "Behind the tool:", *(f"- {text}" for text in behind(done) or ["nowhere"])]))
    if given.json:
        record = {"command": _command(given), "date": time.strftime("%Y-%m-%d"),
                  "machine": machine(), "threads": given.threads, "repeats": given.repeats, "features": about, "rows": done}  # fmt: skip
        given.json.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
