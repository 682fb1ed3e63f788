"""Extraction killed, interrupted, crowded out: what is left is whole or absent, and the next run ends in the same bytes."""

from __future__ import annotations

import os
import random
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from repr_probe import progress
from repr_probe.datasets.open import open_dataset
from repr_probe.errors import StoreError
from repr_probe.extraction import extract_features
from repr_probe.features import store_writer
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_listing import list_stores

SCRIPT = Path(__file__).with_name("tiny_extraction.py")
tiny = SimpleNamespace(**runpy.run_path(str(SCRIPT)))


class Server:
    """A process that has loaded the libraries once and forks a child for each extraction."""

    def __init__(self):
        environment = {**os.environ, "PYTHONPATH": str(Path(store_writer.__file__).parents[2])}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def start(self, home, images, *, line=0, workers=0, fresh=False):
        self.process.stdin.write(f"{home} {images} {line} {workers} {int(fresh)}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        """(exit code of the child, lines it counted or None)."""
        lines = None
        while not (said := self.process.stdout.readline()).startswith("ended"):
            lines = int(said)
        return int(said.split()[1]), lines

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tiny.make_images(tmp_path_factory.mktemp("images") / "set")


@pytest.fixture(scope="module")
def uninterrupted(server, images, tmp_path_factory):
    """(content of a home never disturbed, number of lines of writing code that takes)."""
    home = tmp_path_factory.mktemp("whole")
    server.start(home, images, line=10**9)
    code, lines = server.end()
    assert code == 0
    return tiny.content(home / "features"), lines


def check_valid_or_absent(home):
    """Every folder under a key opens as a whole store."""
    for path in (home / "features").glob("?" * 64):
        FeatureStore.open(path).features()
    return list_stores(home)  # and nothing that was left confuses the listing


def kill_and_resume(server, images, home, line, expected):
    server.start(home, images, line=line)
    assert server.end()[0] == -signal.SIGKILL
    check_valid_or_absent(home)
    server.start(home, images)
    assert server.end()[0] == 0
    assert tiny.content(home / "features") == expected


@pytest.mark.parametrize("part", [0.2, 0.6, 0.97])
def test_killed_extraction_resumes_to_the_same_bytes(server, images, uninterrupted, tmp_path, part):
    expected, lines = uninterrupted
    kill_and_resume(server, images, tmp_path, int(part * lines), expected)


@pytest.mark.slow
@pytest.mark.parametrize("point", range(20))
def test_killed_at_random_points(server, images, uninterrupted, tmp_path, point):
    expected, lines = uninterrupted
    kill_and_resume(server, images, tmp_path, random.Random(point).randrange(1, lines), expected)


@pytest.mark.slow
def test_killed_at_the_end(server, images, uninterrupted, tmp_path):
    # The last lines write what belongs beside the arrays and rename: the places where a half store could appear.
    expected, lines = uninterrupted
    for line in range(lines - 160, lines, 8):
        kill_and_resume(server, images, tmp_path / str(line), line, expected)


@pytest.mark.slow
def test_killed_again_and_again(server, images, uninterrupted, tmp_path):
    expected, lines = uninterrupted
    chance = random.Random(1)
    for _ in range(30):
        server.start(tmp_path, images, line=chance.randrange(1, lines // 2))
        code, _ = server.end()
        check_valid_or_absent(tmp_path)
        if code == 0:
            break
    else:
        server.start(tmp_path, images)
        assert server.end()[0] == 0
    assert tiny.content(tmp_path / "features") == expected


@pytest.mark.slow
def test_killed_at_random_times_with_workers(server, images, uninterrupted, tmp_path):
    # The number of workers is on record in meta.json; everything else is the same.
    expected, _ = uninterrupted
    chance = random.Random(2)
    for attempt in range(5):
        home = tmp_path / str(attempt)
        child = server.start(home, images, workers=2)
        time.sleep(chance.uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
        server.end()
        check_valid_or_absent(home)
        server.start(home, images, workers=2)
        assert server.end()[0] == 0
        found = tiny.content(home / "features")
        assert found.keys() == expected.keys()
        assert all(found[name] == expected[name] for name in expected if not name.endswith("meta.json"))


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_killed_while_computing_afresh_keeps_the_old_store(server, images, uninterrupted, tmp_path, part):
    expected, lines = uninterrupted
    server.start(tmp_path, images)
    assert server.end()[0] == 0
    server.start(tmp_path, images, line=int(part * lines), fresh=True)
    assert server.end()[0] == -signal.SIGKILL
    check_valid_or_absent(tmp_path)
    assert {name: data for name, data in tiny.content(tmp_path / "features").items() if name in expected} == expected
    server.start(tmp_path, images, fresh=True)
    assert server.end()[0] == 0
    assert tiny.content(tmp_path / "features") == expected


class Interrupting:
    """An encoder interrupted (Ctrl-C, or an error) at its n-th batch."""

    def __init__(self, encoder, after, error=KeyboardInterrupt):
        self._encoder, self._left, self._error = encoder, after, error
        self.batches = []

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def features(self, images, layers, pool=None):
        self.batches.append(len(images))
        if len(self.batches) > self._left:
            raise self._error
        return self._encoder.features(images, layers, pool)


def run(images, home, encoder=None, **options):
    return extract_features(encoder or tiny.tiny_encoder(), open_dataset(images, tiny.SPEC), store=home, **{"batch_size": 5, **options})


def notes_of(work):
    notes = []
    with progress.reporting(SimpleNamespace(task=progress.task, note=notes.append)):
        token = progress._reporter.get()
        token.task = lambda description, total: _silent()
        work()
    return notes


def _silent():
    from contextlib import nullcontext

    return nullcontext(lambda steps: None)


def test_ctrl_c_leaves_what_was_done(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path, Interrupting(tiny.tiny_encoder(), 2))
    (entry,) = list_stores(tmp_path)
    assert (entry.state, entry.detail) == ("partial", "10 of 24 rows done")
    rest = Interrupting(tiny.tiny_encoder(), 99)
    notes = notes_of(lambda: run(images, tmp_path, rest))
    assert rest.batches == [5, 5, 4]
    assert notes == ["continuing an interrupted extraction at image 10"]
    assert tiny.content(tmp_path) == tiny.content(run(images, tmp_path / "whole")[0].path.parents[1])


def test_another_batch_size_continues_with_the_recorded_one(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path, Interrupting(tiny.tiny_encoder(), 2))
    notes = notes_of(lambda: run(images, tmp_path, batch_size=8))
    assert notes == ["continuing an interrupted extraction at image 10 with its batch size 5, not 8 (--fresh starts over)"]
    assert tiny.content(tmp_path / "features") == tiny.content(run(images, tmp_path / "whole")[0].path.parent)


def test_more_layers_than_were_begun_start_over_together(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path, Interrupting(tiny.tiny_encoder(), 2))
    notes = notes_of(lambda: run(images, tmp_path, layers=tiny.LAYERS))
    assert notes == ["an interrupted extraction covers only some of the layers; starting over"]
    assert len(list_stores(tmp_path)) == 2


def test_other_equipment_starts_over(images, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path, Interrupting(tiny.tiny_encoder(), 2))
    (journal,) = (tmp_path / "features").glob("*.journal")
    journal.write_bytes(journal.read_bytes().replace(b'"device":"cpu"', b'"device":"abacus"'))
    notes = notes_of(lambda: run(images, tmp_path))
    assert notes == ["an interrupted extraction ran on another device or with other library versions; starting over"]


@pytest.mark.parametrize("journal", [b"", b"nonsense\n5\n", b"{}\n", b'{"plan": {}, "run": {}}\nx\n'])
def test_useless_journal_starts_over(images, tmp_path, journal):
    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path, Interrupting(tiny.tiny_encoder(), 2))
    (place,) = (tmp_path / "features").glob("*.journal")
    place.write_bytes(journal)
    list_stores(tmp_path)
    counted = Interrupting(tiny.tiny_encoder(), 99)
    run(images, tmp_path, counted)
    assert sum(counted.batches) == 24


def test_torn_journal_line_does_not_count(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path, Interrupting(tiny.tiny_encoder(), 2))
    (place,) = (tmp_path / "features").glob("*.journal")
    with place.open("ab") as file:
        file.write(b"2")  # cut from "20"
    rest = Interrupting(tiny.tiny_encoder(), 99)
    run(images, tmp_path, rest)
    assert rest.batches == [5, 5, 4]


def test_two_processes_do_not_write_one_store(images, tmp_path):
    class Meddling(Interrupting):
        def features(self, images_, layers, pool=None):
            if not self.batches:
                code = (
                    "import sys; sys.path.insert(0, sys.argv[1]); import tiny_extraction as t; from pathlib import Path\n"
                    "t.extract_features(t.tiny_encoder(), t.open_dataset(Path(sys.argv[2]), t.SPEC), store=sys.argv[3])"
                )
                environment = {**os.environ, "PYTHONPATH": str(Path(store_writer.__file__).parents[2])}
                command = [sys.executable, "-c", code, str(SCRIPT.parent), str(images), str(tmp_path)]
                self.other = subprocess.run(command, capture_output=True, text=True, env=environment)
                with pytest.raises(StoreError, match=f"one process at a time; process {os.getpid()} is writing it"):
                    run(images, tmp_path)
            return super().features(images_, layers, pool)

    first = Meddling(tiny.tiny_encoder(), 99)
    (store,) = run(images, tmp_path, first)
    assert f"must be written by one process at a time; process {os.getpid()} is writing it; wait for it or end it" in first.other.stderr
    assert store.n_samples == 24 and [path.name for path in store.path.parent.iterdir()] == [store.key]


def test_lock_file_of_a_dead_process_is_taken_over(images, tmp_path):
    (store,) = run(images, tmp_path / "one")
    (tmp_path / "two" / "features").mkdir(parents=True)
    (tmp_path / "two" / "features" / f"{store.key}.lock").write_text("1")  # process 1 lives, but it has not locked the file
    run(images, tmp_path / "two")
    assert tiny.content(tmp_path / "two") == tiny.content(tmp_path / "one")
