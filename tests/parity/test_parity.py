"""Every number that another tool gave of the fixed features, from our measures and that tool's convention; and the page made of them."""

from __future__ import annotations

import sys

import make_golden
import pytest
from conventions import ours
from inputs import SEED, fingerprint
from peers import NOT_RUN, PEERS, Peer
from readings import PARTS, Reading
from write_page import PAGE, golden, page

FILES = golden()
READINGS = [reading for part in PARTS for reading in part.readings]


@pytest.mark.parametrize("reading", READINGS, ids=lambda one: f"{one.package}-{one.key}")
def test_the_number_of_the_tool(reading: Reading):
    assert ours(reading.ours) == pytest.approx(FILES[reading.package]["values"][reading.key]["value"], rel=1e-6, abs=0.0)


def test_every_golden_number_has_its_convention():
    stored = sorted((name, key) for name, one in FILES.items() for key in one["values"])
    assert sorted((reading.package, reading.key) for reading in READINGS) == stored


def test_at_least_twelve_tools():
    assert len(FILES) >= 12


@pytest.mark.parametrize("peer", PEERS, ids=lambda one: one.distribution)
def test_golden_files_are_of_these_inputs_and_calls(peer: Peer):
    one = FILES[peer.distribution]
    assert one["inputs"] == {"seed": SEED, "sha256": fingerprint()}
    assert {key: value["call"] for key, value in one["values"].items()} == dict(peer.calls)
    assert one["command"] == f"python tests/parity/make_golden.py {peer.distribution}"
    assert one["version"] and one["how"] == peer.how
    assert peer.distribution not in NOT_RUN


def test_the_page_is_what_the_script_writes():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/parity/write_page.py"


def test_a_tool_that_is_here_says_the_same_again():
    """scikit-learn is a dependency, so its golden numbers can be made anew wherever tests run."""
    pytest.importorskip("sklearn")
    peer = next(one for one in PEERS if one.distribution == "scikit-learn")
    again = {key: one["value"] for key, one in make_golden.golden(peer)["values"].items()}
    assert again == pytest.approx({key: one["value"] for key, one in FILES["scikit-learn"]["values"].items()}, rel=1e-9)


def test_a_tool_that_is_not_here_is_left_out(monkeypatch, capsys, tmp_path):
    absent = Peer("no-such-distribution", "import no_such_module\n", {"number": "no_such_module.number()"})
    monkeypatch.setattr(make_golden, "PEERS", (absent,))
    monkeypatch.setattr(make_golden, "FOLDER", tmp_path)
    assert make_golden.main([]) == 0
    assert "no-such-distribution: left out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_tool_is_refused(capsys):
    assert make_golden.main(["ssrlibs"]) == 2
    assert "no such package in peers.py: ssrlibs" in capsys.readouterr().err


def test_no_tool_is_imported_by_the_tables():
    assert {"ssrlib", "reptrix", "vecscope", "skdim"}.isdisjoint(sys.modules)
