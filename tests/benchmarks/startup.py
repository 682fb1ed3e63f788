"""Start-up times: `python tests/benchmarks/startup.py`. Prints what `import repr_probe` adds to a bare interpreter, and `repro-probe --help`."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    bare, package, help_text = [], [], []
    for _ in range(11):
        bare.append(seconds(sys.executable, "-c", "pass"))
        package.append(seconds(sys.executable, "-c", "import repr_probe"))
        help_text.append(seconds(sys.executable, "-m", "repr_probe.cli.main", "--help"))
    print(f"import repr_probe adds {np.median(package) - np.median(bare):.3f} s (median of 11; bare interpreter {np.median(bare):.3f} s)")
    print(f"repro-probe --help {np.median(help_text):.3f} s")


if __name__ == "__main__":
    main()
