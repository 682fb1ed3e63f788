"""The hand-written package list of pyproject.toml and what really gets into a wheel."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def package_folder(package: str) -> Path:
    return ROOT / "cli" if package == "repr_probe.cli" else ROOT.joinpath(*package.split("."))


def files_of_the_project() -> set[str]:
    """Every file that belongs in the wheel, as the wheel names it."""
    inner = {path.relative_to(ROOT) for path in (ROOT / "repr_probe").rglob("*") if path.is_file()}
    inner |= {Path("repr_probe") / path.relative_to(ROOT) for path in (ROOT / "cli").rglob("*") if path.is_file()}
    return {path.as_posix() for path in inner if "__pycache__" not in path.parts}


def test_the_package_list_equals_the_folders():
    folders = {path.parent for path in (ROOT / "repr_probe").rglob("*.py")} | {ROOT / "cli"}
    assert sorted(SETUPTOOLS["packages"]) == SETUPTOOLS["packages"]
    assert {package_folder(package) for package in SETUPTOOLS["packages"]} == folders
    assert [folder.name for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_data_file_is_covered_and_every_pattern_covers_one():
    covered = set()
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            matches = set(package_folder(package).glob(pattern))
            assert matches, f"{package}: {pattern}"
            covered |= {path.relative_to(ROOT).as_posix() for path in matches}
    assert {name for name in files_of_the_project() if not name.endswith(".py")} == covered


def test_the_embedded_encoders_are_small():
    for weights in (ROOT / "repr_probe" / "encoders" / "embedded").glob("*.safetensors"):
        assert 0 < weights.stat().st_size <= 10**6
        assert weights.with_suffix(".md").stat().st_size > 0


def test_no_module_called_cli_reaches_site_packages():
    assert SETUPTOOLS["package-dir"] == {"repr_probe": "repr_probe", "repr_probe.cli": "cli"}
    assert PROJECT["project"]["scripts"] == {"repro-probe": "repr_probe.cli.main:main"}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("setuptools") is None, reason="building a wheel without network needs setuptools here")
def test_the_wheel_holds_every_file_and_nothing_else(tmp_path):
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__", ".*", "build", "*.egg-info", "tests", "docs", "examples")
    shutil.copytree(ROOT, source, ignore=ignored)  # a build writes beside its sources
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", f"--wheel-dir={tmp_path}", str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == files_of_the_project()
