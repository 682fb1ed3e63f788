from __future__ import annotations

import dataclasses

import pytest

from repr_probe.metrics.definitions import DEFINITIONS, keys_of
from repr_probe.metrics.measurement import Measurement
from repr_probe.published.table3 import published_rows
from repr_probe.reports.facts import interval_notes
from repr_probe.reports.safe_text import cells, shorten
from repr_probe.reports.table import cell_of, measure_lines, number_text, paper_rows, row_names
from repr_probe.reports.text import to_text


def with_measures(report, **changes):
    return dataclasses.replace(report, measures={**report.measures, **changes})


def line_of(text: str, symbol: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{symbol}  ")]
    return line


def test_first_lines_of_the_list_are_the_columns_of_table_three_in_order(make_report):
    text = to_text([make_report()])
    places = [text.index(f"\n{DEFINITIONS[key].symbol}  ") for key in keys_of("paper")]
    assert places == sorted(places)
    assert text.index("Table III of HyDeS") < places[0] < places[-1] < text.index("beside Table III")


def test_a_line_holds_value_interval_population_and_definition(make_report):
    text = to_text([make_report()])
    assert line_of(text, "ANISO").split() == [
        "ANISO", "↓", "0.213", "[0.192,", "0.235]", "images", *DEFINITIONS["anisotropy"].variant.split()
    ]  # fmt: skip
    assert line_of(text, "d′").split()[:6] == ["d′", "↑", "2.013", "[1.812,", "2.215]", "classes"]
    assert line_of(text, "ALL ANGLE").split()[2:6] == ["↑", "77.62°", "[69.86,", "85.38]"]


def test_head_says_where_the_numbers_come_from(make_report):
    text = to_text([make_report()])
    for expected in (
        "runs/resnet50.pth", "torchvision:resnet50", "320 of 320 tensors matched by name", "pooled, pool avg", "imagenet, split val",
        "224 x 192, bicubic, crop 0.875, mean 0.485 0.456 0.406, std 0.229 0.224 0.225", "50,000 images x 2,048 features, 1,000 classes",
        "3 rows dropped", "rank_limited_by_n", "3fa9c1d2e4b5",
    ):  # fmt: skip
        assert expected in text
    assert "rows of zeros" not in text  # counted and none found
    assert "pairs of identical rows" not in text  # not counted


def test_random_weights_a_draw_and_views_are_said(make_report):
    origin = {"encoder": "timm:resnet18", "facts": {"weights": "random, seed 0"}, "dataset": "cifar10", "split": "test", "limit": 1000,
              "seed": 3, "views": 2}  # fmt: skip
    text = to_text([make_report(provenance=origin)])
    assert "checkpoint   timm:resnet18\n" in text
    assert "weights      random, seed 0\n" in text
    assert "data         cifar10, split test, 1,000 drawn (seed 3), 2 augmented views\n" in text


def test_undefined_values_are_dashes_with_the_reason_below(make_report):
    text = to_text([make_report(labelled=False)])
    assert line_of(text, "d′").split()[:3] == ["d′", "↑", "—"]
    below = " ".join(text[text.index("undefined\n") :].split())
    assert "CENTROID RANK, d′, POS. ANGLE" in below
    assert "labels are needed; got an unlabelled set" in below
    assert "no labels" in text
    assert "over images = other images (influence function)" in text


def test_limits_are_shown_as_infinity_with_their_reason(make_report):
    report = with_measures(make_report(), d_prime=Measurement(None, degenerate="+inf", reason="both variances are 0"))
    text = to_text([report])
    assert line_of(text, "d′").split()[2] == "+∞"
    assert "d′: both variances are 0" in text


def test_a_missing_interval_is_explained(make_report):
    report = with_measures(make_report(), uniformity=Measurement(-3.0, ci_reason="sampled pairs"))
    text = to_text([report])
    assert line_of(text, "UNIF.").split()[2] == "-3.000"
    assert "[" not in line_of(text, "UNIF.")
    assert "no interval for UNIF.: sampled pairs" in text


def test_a_missing_interval_of_one_report_names_it(make_report):
    whole = make_report()
    lacking = with_measures(whole, uniformity=Measurement(-3.0, ci_reason="sampled pairs"))
    notes = interval_notes([dataclasses.replace(whole, name="whole"), dataclasses.replace(lacking, name="lacking")], ["uniformity"])
    assert notes[-1] == "lacking: no interval for UNIF.: sampled pairs"


def test_populations_and_methods_of_the_intervals_are_named(make_report):
    text = to_text([make_report()])
    assert "over images = other images of the same classes (influence function)" in text
    assert "over classes = other classes (delete-one-class jackknife)" in text


def test_broken_identities_are_loud(make_report):
    text = to_text([make_report(identity_failures=("I4: 0.21 against 0.25",))])
    assert "BROKEN IDENTITY, DO NOT TRUST THESE NUMBERS\n  !! I4: 0.21 against 0.25" in text
    assert "BROKEN" not in to_text([make_report()])


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("preset", ["paper", "default", "full"])
def test_a_single_report_fits_its_width(make_report, width, preset):
    text = to_text([make_report(preset)], width=width)
    assert max(cells(line) for line in text.splitlines()) <= width


def test_every_measure_of_the_full_preset_has_its_line(make_report):
    report = make_report("full")
    text = to_text([report])
    for key in report.measures:
        assert f"\n{DEFINITIONS[key].symbol} " in text, key


def test_published_rows_stand_below_ours_marked_and_with_source(make_report):
    text = to_text([make_report()], published_rows("imagenet"))
    table = text[text.index("Table III, measured and published") :]
    assert table.index("resnet50.pth") < table.index("published ─") < table.index("Supervised")
    assert "73.62° ± 3.72°" in table
    assert "77.62° ± 4.20°" in table
    assert "published: HyDeS Table III, arXiv 2604.24498 (no intervals)" in table
    assert "BYOL (a)" in table
    assert "(a) This ANISO does not fit" in " ".join(table.split())
    assert max(cells(line) for line in table.splitlines()) <= 120


def test_no_published_rows_no_second_table(make_report):
    assert "published" not in to_text([make_report()])


def test_several_reports_stand_side_by_side_in_blocks_that_fit(make_report):
    layers = [make_report(scale=1 + place / 10, provenance={"layer": f"stage{place}"}) for place in range(6)]
    text = to_text(layers, width=100)
    assert "6 reports" in text
    for place in range(6):
        assert f"resnet50.pth · stage{place}" in text
    assert text.count("\nANISO ") == 3  # two reports to a block of 100 columns
    assert max(cells(line) for line in text.splitlines()) <= 100
    assert "0.213 [0.192, 0.235]" in text
    assert "0.320 [0.288, 0.352]" in text


def test_names_are_made_different_by_what_differs(make_report):
    same = make_report()
    other_layer = make_report(provenance={"layer": "stage4"})
    assert row_names([same, other_layer]) == ("resnet50.pth · pooled", "resnet50.pth · stage4")
    assert row_names([same, same]) == ("resnet50.pth (1)", "resnet50.pth (2)")
    assert row_names([same, make_report(name="b.pth")]) == ("resnet50.pth", "b.pth")


def test_notes_of_one_report_among_several_name_it(make_report):
    text = to_text([make_report(name="a", notes=("both", "only a")), make_report(name="b", notes=("both",))])
    assert "- both\n" in text
    assert "- a: only a" in text


def test_hostile_names_cannot_move_the_cursor(make_report):
    hostile = "evil\x1b[2J\r\n\u202egnp.pth\u0000" + "x" * 300
    report = make_report(name=hostile, notes=(hostile,), provenance={"checkpoint": hostile, "layer": hostile})
    text = to_text([report, make_report()], published_rows("food101"), width=100)
    assert not [symbol for symbol in text if not symbol.isprintable() and symbol != "\n"]
    assert max(cells(line) for line in text.splitlines()) <= 100


def test_wide_characters_keep_the_columns_straight(make_report):
    rows = to_text([make_report(name="模型"), make_report(name="ab", scale=2)], published_rows("food101")).splitlines()
    ours = [row for row in rows if "° ± " in row][:2]
    assert len({cells(row) for row in ours}) == 1


def test_paper_rows_join_mean_and_sd_with_both_intervals(make_report):
    (row,) = paper_rows([make_report()])
    assert row.cells[6].value == "77.62° ± 4.20°"
    assert row.cells[6].interval == "[69.86, 85.38] ± [3.78, 4.62]"
    assert row.cells[7].population == "classes"


def test_a_measure_that_one_report_lacks_is_a_dash(make_report):
    lines = measure_lines([make_report("paper"), make_report("default")])
    (uniformity,) = [line for line in lines if line.definition.key == "uniformity"]
    assert [cell.value for cell in uniformity.cells] == ["—", "0.250"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.123"), (0.0, "0.000"), (-0.0, "0.000"), (2e-5, "2.0e-05"), (-2e-5, "-2.0e-05"), (1.5e9, "1.5e+09"), (-0.5, "-0.500")],
)
def test_numbers_never_round_away(value, text):
    assert number_text(value, DEFINITIONS["anisotropy"]) == text


def test_cells_of_undefined_and_absent():
    definition = DEFINITIONS["d_prime"]
    assert cell_of(None, definition).reason == "not in this report"
    assert cell_of(Measurement(None, degenerate="-inf", reason="r"), definition).value == "-∞"


def test_shorten_keeps_both_ends():
    assert shorten("short", 10) == "short"
    assert cells(shorten("模" * 30, 11)) <= 11
