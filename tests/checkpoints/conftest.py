"""The layouts are a folder of modules that know nothing of the package under test; this puts them within reach of the tests beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path_factory.mktemp("home")))
