"""Looking for WordNet where other programs keep it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from nltk.data import path as nltk_path

from repr_probe.errors import FileFormatError
from repr_probe.progress import reporting
from repr_probe.semantics import wordnet_files, wordnet_places
from repr_probe.semantics.wordnet_graph import load_nouns

NOUNS = "00001740 03 n 01 entity 0 000 | that which is\n02084071 05 n 01 dog 0 001 @ 00001740 n 0000 | barks\n"
INDEX = "dog n 1 1 @ 1 1 02084071\nentity n 1 0 1 1 00001740\n"


def write(folder: Path, version: str = "3.0") -> Path:
    folder.mkdir(parents=True)
    (folder / "data.noun").write_text(f"  1 WordNet {version} Copyright 2006 by Princeton University.\n{NOUNS}")
    (folder / "index.noun").write_text(INDEX)
    return folder


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without any WordNet but the bundled one; WordNet has two nouns; the working folder is empty."""
    monkeypatch.setattr(wordnet_files, "N_NOUNS", 2)
    monkeypatch.setattr("nltk.data.path", [str(tmp_path / "nltk_data")])
    monkeypatch.setattr(wordnet_places, "_SYSTEM", (str(tmp_path / "share"),))
    for name in ("WNSEARCHDIR", "WNHOME", "REPR_PROBE_WORDNET"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


class Listener:
    def __init__(self):
        self.notes = []

    def task(self, description, total):
        return nullcontext(lambda steps: None)

    def note(self, text):
        self.notes.append(text)


def test_nltk_data_is_found(nowhere, tmp_path):
    folder = write(tmp_path / "nltk_data" / "corpora" / "wordnet")
    for kind in ("nltk", "auto"):
        assert load_nouns(kind).source == str(folder)
    with pytest.raises(FileFormatError, match=r"wordnet_dir 'system' must find WordNet 3\.0; got none in .*share; run `python -m nltk\.down"):
        load_nouns("system")


@pytest.mark.parametrize(("variable", "inner"), [("WNHOME", "dict"), ("WNSEARCHDIR", "")])
def test_the_variables_of_wordnets_own_programs(nowhere, tmp_path, monkeypatch, variable, inner):
    folder = write(tmp_path / "own" / inner)
    monkeypatch.setenv(variable, str(tmp_path / "own"))
    assert load_nouns("system").source == str(folder)


def test_the_environment_may_ask_for_a_search(nowhere, tmp_path, monkeypatch):
    write(tmp_path / "share")
    monkeypatch.setenv("REPR_PROBE_WORDNET", "system")
    assert load_nouns().source == str(tmp_path / "share")
    assert load_nouns(write(tmp_path / "given")).source == str(tmp_path / "given")  # what is given goes first


def test_auto_takes_the_bundled_one_and_says_so(nowhere, tmp_path, monkeypatch):
    write(tmp_path / "share", "3.1")
    listener = Listener()
    with reporting(listener):
        assert load_nouns("auto").source == "bundled WordNet 3.0"
    (note,) = listener.notes
    assert note.startswith("no WordNet 3.0 in 2 places") and note.endswith("share (E_WORDNET_VERSION): the bundled one is taken")


def test_another_version_is_passed_over_and_named(nowhere, tmp_path):
    write(tmp_path / "share", "3.1")
    with pytest.raises(FileFormatError, match=r"got none in .*share, passed over: .*share \(E_WORDNET_VERSION\); run") as failure:
        load_nouns("system")
    assert failure.value.code == "E_WORDNET"


def test_a_folder_of_that_name_goes_first(nowhere, tmp_path):
    write(tmp_path / "work" / "auto")
    assert load_nouns("auto").source == "auto"


def test_nltk_is_asked_for_its_own_places():
    assert wordnet_places.nltk_places() == [Path(place) for place in nltk_path]


def test_looking_in_folders_does_not_load_nltk():
    code = "import sys, repr_probe.semantics.wordnet_graph as graph; graph.load_nouns(); sys.exit('nltk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
