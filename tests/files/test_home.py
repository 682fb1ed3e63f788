from __future__ import annotations

from pathlib import Path

from repr_probe.files.home import data_root, features_folder, home, text_folder, using_home


def test_explicit_store_wins_over_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "environment"))
    assert home(tmp_path / "given") == tmp_path / "given"
    assert home() == tmp_path / "environment"


def test_without_any_choice_the_platform_cache_folder(monkeypatch):
    import platformdirs

    monkeypatch.delenv("REPR_PROBE_HOME", raising=False)
    assert home() == Path(platformdirs.user_cache_dir("repr_probe"))


def test_using_home_reaches_code_that_was_not_handed_the_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "environment"))
    monkeypatch.delenv("REPR_PROBE_DATA", raising=False)
    with using_home(tmp_path / "given"):
        assert home() == tmp_path / "given"
        assert data_root() == tmp_path / "given" / "data"
        with using_home(None):
            assert home() == tmp_path / "given"
    assert home() == tmp_path / "environment"


def test_layout(tmp_path):
    assert features_folder(tmp_path) == tmp_path / "features"
    assert text_folder(tmp_path) == tmp_path / "text"


def test_data_root_order(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REPR_PROBE_DATA", raising=False)
    assert data_root() == tmp_path / "home" / "data"
    monkeypatch.setenv("REPR_PROBE_DATA", str(tmp_path / "sets"))
    assert data_root() == tmp_path / "sets"
    assert data_root(tmp_path / "given") == tmp_path / "given"
