from __future__ import annotations

import json

import pytest

from repr_probe.errors import FileFormatError, InputError, UsageError
from repr_probe.monitor.series import Series, read_series
from repr_probe.monitor.series_formats import to_csv, to_json, to_rows, write_series

ROWS = ({"step": 10, "loss": 2.5}, {"step": 20, "loss": 1.5, "effective_rank": 40.25, "note": "x"}, {"step": 20, "epoch": 1, "loss": 1.25})


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "kappa-1"
    folder.mkdir()

    def written(text):
        (folder / "metrics.jsonl").write_text(text)
        return folder

    return written


def lines(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_folder_and_a_file_give_the_same_series(run):
    folder = run(lines())
    series = read_series(folder)
    assert series == read_series(folder / "metrics.jsonl")
    assert series.name == "kappa-1"
    assert series.rows == ROWS


def test_a_cut_last_line_is_left_aside_and_said(run):
    series = read_series(run(lines() + '{"step": 30, "lo'))
    assert series.rows == ROWS
    assert series.notes == ("the last line of metrics.jsonl is cut and was left aside",)


def test_a_last_line_without_its_end_counts_when_it_is_whole(run):
    assert read_series(run(lines().rstrip("\n"))).rows == ROWS


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(run):
    with pytest.raises(FileFormatError, match=r"must hold one JSON object a line; got 'nonsense' in line 2") as caught:
        read_series(run('{"step": 1}\nnonsense\n{"step": 2}\n'))
    assert caught.value.code == "E_JSON"
    with pytest.raises(FileFormatError, match=r"got '\[1\]' in line 1"):
        read_series(run("[1]\n"))


def test_nothing_to_read_is_an_error(run, tmp_path):
    with pytest.raises(FileFormatError, match="must hold at least one record; got none"):
        read_series(run("\n"))
    with pytest.raises(FileFormatError, match=r"must be a readable metrics.jsonl; got 'No such file or directory'"):
        read_series(tmp_path / "nowhere")


def test_the_last_record_of_a_step_holds():
    curve = Series("run", ROWS).curve("loss")
    assert curve.x.tolist() == [10, 20]
    assert curve.y.tolist() == [2.5, 1.25]


def test_missing_values_leave_gaps():
    series = Series("run", ({"step": 1, "loss": None}, {"step": 2, "loss": float("nan")}, {"step": 3, "loss": 1.0}))
    assert series.curve("loss").x.tolist() == [3]
    assert series.last("loss") == 1.0
    assert series.last("kappa") is None


def test_an_unknown_number_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="measure must be a number that run holds; got no 'efective_rank'; nearest: effective_rank"):
        Series("run", ROWS).curve("efective_rank")
    with pytest.raises(InputError, match="got no 'epoch'; nearest: step"):
        Series("run", ROWS[:2]).curve("effective_rank", "epoch")
    with pytest.raises(InputError, match="over must be step or epoch; got 'time'"):
        Series("run", ROWS).curve("loss", "time")


def test_the_table_shows_well_known_numbers_with_their_decimals():
    rows = to_rows([Series("a", ROWS), Series("b", ({"step": 10, "knn_top1": 0.5},))])
    assert rows == [
        ["run", "step", "epoch", "loss", "kNN %", "rank"],
        ["a", "10", "", "2.5000", "", ""],
        ["a", "20", "", "1.5000", "", "40.2"],
        ["a", "20", "1", "1.2500", "", ""],
        ["b", "10", "", "", "50.0", ""],
    ]
    assert to_rows([Series("a", ROWS)], ["effective_rank"]) == [["step", "epoch", "rank"], ["20", "", "40.2"]]


def test_files_hold_every_record(tmp_path):
    series = [Series("a", ROWS, ("a note",)), Series("b", ({"step": 10, "knn_top1": float("nan")},))]
    document = json.loads(write_series(series, tmp_path / "series.json").read_text())
    assert document["kind"] == "dynamics"
    assert document["series"][0] == {"name": "a", "rows": list(ROWS), "notes": ["a note"]}
    assert document["series"][1]["rows"] == [{"step": 10, "knn_top1": None}]
    assert to_json(series) == (tmp_path / "series.json").read_text()
    assert write_series(series, tmp_path / "series.csv").read_text() == to_csv(series)
    assert to_csv(series).splitlines()[:3] == ["run,step,epoch,loss,effective_rank,note,knn_top1", "a,10,,2.5,,,", "a,20,,1.5,40.25,x,"]
    with pytest.raises(UsageError, match=r"the series file must end in \.json or \.csv; got"):
        write_series(series, tmp_path / "series.xlsx")
