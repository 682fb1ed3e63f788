from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from repr_probe.errors import UsageError
from repr_probe.visual.localise.finding import mean_finding, share_finding
from repr_probe.visual.localise.report import Examined, LocaliseReport, to_csv, to_json, to_latex, to_markdown, to_text, write_localise


def network(name, hits):
    energy = np.linspace(0.2, 0.8, 8)
    energy[0] = np.nan
    findings = (
        mean_finding(energy, check="grid", maps="last layer", target="query", measure="energy", chance=0.25),
        share_finding(np.array(hits, float), check="grid", maps="last layer", target="query", chance=0.25),
    )  # fmt: skip
    return Examined(name, "timm:x", ("stage1", "stage2"), {"sha256": "1"}, findings)


SETTINGS = {"method": "layercam", "pictures": 8, "folder": "photos", "sigma": 0.0, "samples": 1, "seed": 0}
REPORT = LocaliseReport((network("a_1.pth", [1] * 7 + [0]), network("b.pth", [np.nan] * 8)), SETTINGS, notes=("a note",))


def test_one_row_a_finding_and_one_column_a_network():
    text = to_text(REPORT)
    assert "a_1.pth (timm:x), layers stage1, stage2" in text and "layercam of 8 pictures from photos, no noise, seed 0" in text
    energy, pointing = (next(line for line in text.splitlines() if word in line and "0.25" in line) for word in ("energy", "pointing"))
    assert energy.startswith("grid") and "7 images" in energy and energy.count("0.543 [") == 2
    assert pointing.startswith(" ") and "0.875 [" in pointing and pointing.endswith("—")
    assert "bootstrap for grid energy; Wilson for grid pointing" in text
    assert "note: a_1.pth, grid last layer energy: 1 dead maps left out" in text
    assert "note: b.pth, grid last layer pointing: every map is dead" in text and "note: a note" in text
    assert str(REPORT) == text


def test_every_format_holds_the_numbers():
    rows = list(csv.DictReader(io.StringIO(to_csv(REPORT))))
    assert len(rows) == 4 and float(rows[1]["value"]) == 0.875 and rows[3]["value"] == "" and rows[3]["reason"] == "every map is dead"
    assert float(rows[1]["ci_low"]) < 0.875 < float(rows[1]["ci_high"])
    data = json.loads(to_json(REPORT))
    assert data["schema"] == 1 and data["networks"][0]["findings"][1]["value"] == 0.875 and data["settings"]["folder"] == "photos"
    assert "| a\\_1.pth |" in to_markdown(REPORT) and r"a\_1.pth & b.pth \\" in to_latex(REPORT)


def test_files_are_written_by_suffix(tmp_path):
    write_localise(REPORT, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["kind"] == "localise"
    with pytest.raises(UsageError, match=r"the result file must end in .txt, .md, .tex, .csv, .json; got 'r.pdf'"):
        write_localise(REPORT, "r.pdf")
