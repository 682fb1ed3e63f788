from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repr_probe.errors import FileFormatError
from repr_probe.files.hashing import sha256_of


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def settled(path, content, age=100):
    path.write_bytes(content)
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def test_equals_hashlib(tmp_path):
    file = settled(tmp_path / "a", b"abc")
    assert sha256_of(file) == hashlib.sha256(b"abc").hexdigest()


def test_second_call_is_answered_from_the_cache(tmp_path, home):
    file = settled(tmp_path / "a", b"abc")
    sha256_of(file)
    cache = json.loads((home / "hashes.json").read_text())
    cache[str(file)][2] = "f" * 64
    (home / "hashes.json").write_text(json.dumps(cache))
    assert sha256_of(file) == "f" * 64


def test_changed_content_of_equal_size_is_seen(tmp_path):
    file = settled(tmp_path / "a", b"abc", age=100)
    sha256_of(file)
    settled(file, b"abd", age=50)
    assert sha256_of(file) == hashlib.sha256(b"abd").hexdigest()


def test_a_file_written_just_now_is_not_remembered(tmp_path, home):
    (tmp_path / "a").write_bytes(b"abc")
    sha256_of(tmp_path / "a")
    assert not (home / "hashes.json").exists()


@pytest.mark.parametrize("damage", [b"", b"{not json", b"[1, 2]", b"\xff\xfe\x00", b'{"x": 3}'])
def test_damaged_cache_is_ignored_and_rewritten(tmp_path, home, damage):
    file = settled(tmp_path / "a", b"abc")
    home.mkdir()
    (home / "hashes.json").write_bytes(damage)
    assert sha256_of(file) == hashlib.sha256(b"abc").hexdigest()
    assert str(file) in json.loads((home / "hashes.json").read_text())


def test_unwritable_home_still_hashes(tmp_path, monkeypatch):
    (tmp_path / "in_the_way").write_text("a file where the home should be")
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "in_the_way"))
    file = settled(tmp_path / "a", b"abc")
    assert sha256_of(file) == hashlib.sha256(b"abc").hexdigest()


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileFormatError, match=r"must be a readable file; got No such file"):
        sha256_of(tmp_path / "absent")
    with pytest.raises(FileFormatError, match=r"must be a readable file; got Is a directory"):
        sha256_of(tmp_path)


def test_concurrent_writers_leave_a_readable_cache(tmp_path, home):
    files = [settled(tmp_path / f"file{number}", bytes([number])) for number in range(30)]
    code = "import sys; from repr_probe.files.hashing import sha256_of; [sha256_of(path) for path in sys.argv[1:]]"
    workers = [subprocess.Popen([sys.executable, "-c", code, *map(str, files[start::3])]) for start in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    cache = json.loads((home / "hashes.json").read_text())
    assert cache and all(entry[2] == hashlib.sha256(Path(name).read_bytes()).hexdigest() for name, entry in cache.items())
    assert [entry.name for entry in home.iterdir()] == ["hashes.json"]
