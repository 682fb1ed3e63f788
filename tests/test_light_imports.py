"""Heavy libraries load late: fresh processes show what is in `sys.modules` after the light doors were used."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

HEAVY = {
    "captum", "h5py", "matplotlib", "nltk", "pandas", "plotly", "pyarrow", "scipy.stats", "sentence_transformers", "sklearn", "timm",
    "torch", "torchvision", "transformers",
}  # fmt: skip


def loaded_by(code: str, *arguments: str) -> set[str]:
    """The heavy modules that a new interpreter holds after `code`."""
    listing = f"\nimport sys\nprint('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code + listing, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split()[1:])


def test_the_import_is_light():
    assert loaded_by("import repr_probe") == set()


def test_listing_the_public_names_is_light():
    assert loaded_by("import repr_probe\nassert 'geometry_report' in dir(repr_probe)") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["geometry", "--help"], ["extract", "--help"]], ids=" ".join)
def test_help_is_light(arguments):
    pytest.importorskip("repr_probe.cli.main", reason="the command needs `pip install -e .`")
    code = f"""
import sys
from repr_probe.cli.main import main
sys.argv = ["repro-probe", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert loaded_by(code) == set()


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_reading_a_feature_file_needs_no_torch(suffix, tmp_path):
    path = tmp_path / f"features.{suffix}"
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(path, values) if suffix == "npy" else np.savez(path, features=values)
    code = "import sys\nfrom repr_probe.files.arrays import read_arrays\nassert read_arrays(sys.argv[1]).values.shape == (4, 3)"
    assert loaded_by(code, str(path)) == set()


def test_the_watch_would_see_a_heavy_library():
    assert loaded_by("import torch") >= {"torch"}
