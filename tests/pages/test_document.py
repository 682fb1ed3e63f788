from __future__ import annotations

import dataclasses
import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from repr_probe.errors import StoreError, UsageError
from repr_probe.monitor.series import Curve
from repr_probe.pages.contents import MOST_CHECKPOINTS, Measured, PageContents
from repr_probe.pages.document import as_script, check_target, to_page, write_page
from repr_probe.pages.gallery import Gallery, Picture
from repr_probe.published.table3 import published_rows
from repr_probe.reports.geometry import geometry_report
from repr_probe.reports.semantic import semantic_report

parts = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("page_parts.py"))))
HOSTILE = ['<script>alert("x")</script>', "</script><img src=x onerror=alert(1)>", "a & b", "\u202egnp.exe", '"quoted" \'twice\'', "{{7*7}}"]
ANIMALS = ["cat.n.01", "dog.n.01", "frog.n.01", "truck.n.01", "ship.n.01"]
PNG = b"\x89PNG\r\n\x1a\n" + b"not read further"


def features(classes, seed=0, n=60, d=9):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(classes)
    return rng.standard_normal((len(classes), d))[labels] + 0.7 * rng.standard_normal((n, d)) + 0.3, labels


def measured(classes, seed=0, name="a", semantic=False, preset="full"):
    values, labels = features(classes, seed)
    report = geometry_report(values, labels, class_names=classes, name=name, preset=preset)
    spectra = {"raw": np.array([4.0, 2.0, 1.0]), "centred": np.array([3.0, 1.0])}
    found = semantic_report(values, labels, class_names=classes, name=name, references=["wordnet"], permutations=9) if semantic else None
    return Measured(report, spectra, found, "" if semantic else "not asked for")


@pytest.fixture(scope="module")
def two():
    """Two checkpoints with everything a page can hold."""
    curve = Curve(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.5, 0.25]))
    return PageContents(
        (measured(ANIMALS, 0, "a", semantic=True), measured(ANIMALS, 1, "b", semantic=True)),
        published_rows("imagenet"), {"knn_top1": {"run": curve}}, (Gallery("maps", (Picture("a frog", PNG),)),), ("run: a line was cut",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(two):
    return parts.PageParts(to_page(two, labels={"knn_top1": "kNN, top-1"}))


def test_every_number_equals_the_json_of_its_report(two, page):
    document = {
        "geometry": [json.loads(one.geometry.to_json()) for one in two.measured],
        "semantic": [json.loads(one.semantic.to_json()) for one in two.measured],
    }
    assert len(page.numbers) > 300
    for number in page.numbers:
        exact = parts.at(document, number.at)
        assert float(number.value) == exact, number
        digits = number.text.rstrip("°").replace(",", "")
        unit = 10.0 ** -len(digits.partition("e")[0].partition(".")[2]) * 10.0 ** int(digits.partition("e")[2] or 0)
        assert abs(float(digits) - exact) <= max(0.5 * unit, 5e-4 * abs(exact) if abs(exact) >= 1e7 else 0.0) * (1 + 1e-9), number


def test_every_measure_with_a_value_is_on_the_page(two, page):
    shown = {number.at for number in page.numbers}
    for kind in ("geometry", "semantic"):
        for place, one in enumerate(getattr(measured_one, kind) for measured_one in two.measured):
            missing = [key for key, found in one.measures.items() if found.value is not None and f"{kind}.{place}.measures.{key}.value" not in shown]
            assert missing == []


def test_the_page_carries_the_reports_own_json(two, page):
    document = page.json()
    assert document["kind"] == "report-page" and document["schema"] == 1 and document["names"] == ["a", "b"]
    assert document["geometry"] == [json.loads(one.geometry.to_json()) for one in two.measured]
    assert document["semantic"] == [json.loads(one.semantic.to_json()) for one in two.measured]
    assert document["curves"] == {"knn_top1": {"run": {"x": [1.0, 2.0, 3.0], "y": [0.1, 0.5, 0.25]}}}
    assert document["spectra"][0] == {"raw": [4.0, 2.0, 1.0], "centred": [3.0, 1.0]}


def test_nothing_outside_the_file_is_named(page):
    for tag, known in page.tags:
        for name in ("src", "href"):
            assert (known.get(name) or "#").startswith(("#", "data:image/")), (tag, known)
    assert page.all("link") == [] and "@import" not in page.scripts["style"] and "url(" not in page.scripts["style"]


def test_only_the_pages_own_script_may_run(two, page):
    from base64 import b64encode
    from hashlib import sha256

    (policy,) = [known["content"] for known in page.all("meta") if known.get("http-equiv") == "Content-Security-Policy"]
    digest = b64encode(sha256(page.scripts["script"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert [known for _, known in page.tags if any(name.startswith("on") for name in known)] == []


def test_pictures_have_words(page):
    assert [known for known in page.all("img") if not known.get("alt")] == []
    drawings = [known for known in page.all("svg") if known.get("aria-hidden") != "true"]
    assert len(drawings) > 20
    assert [known for known in drawings if known.get("role") != "img" or not known.get("aria-label")] == []


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [known["id"] for _, known in page.tags if "id" in known]
    assert len(ids) == len(set(ids))
    assert {(known["href"] or "")[1:] for known in page.all("a")} <= set(ids)


def test_sections_and_what_they_say(page):
    assert [known["id"] for known in page.all("section")] == [
        "geometry", "angles", "spectrum", "classes", "semantics", "learning", "galleries", "caveats", "provenance"]  # fmt: skip
    for words in ("low: the cloud uses all directions alike", "paper, 9 encoders on ImageNet: 0.12 to 0.53", "EfficientNet-Lite0 on CIFAR-10: 0.472",
                  "a line was cut", "There is no test of a difference", "Table III of the paper", "kNN, top-1"):  # fmt: skip
        assert words in page.text, words


def test_what_the_checkpoints_do_not_share_is_a_caveat(two):
    assert "differs" not in parts.PageParts(to_page(two)).text
    first, second = (one.geometry for one in two.measured)
    small, large = ({"size": [size, size], "interpolation": "bilinear"} for size in (32, 224))
    unlike = (dataclasses.replace(first, provenance={"input": small}), dataclasses.replace(second, provenance={"input": large}, n_features=20))
    text = parts.PageParts(to_page(PageContents(tuple(Measured(one) for one in unlike)))).text
    assert re.search(r"preprocessing differs \(a: 32 x 32, bilinear.*; b: 224 x 224, bilinear", text)
    assert "depend on it (a: 9; b: 20)" in text


def test_hostile_names_are_text():
    one = measured(HOSTILE, name="</title><script>alert(1)</script>", preset="paper")
    drawn = to_page(PageContents((one,)))
    page = parts.PageParts(drawn)
    assert len(page.all("script")) == 3 and page.all("img") == []
    assert drawn.count("</script>") == 3 and "</title><script" not in drawn and "\u202e" not in drawn.replace(page.scripts["report"], "")
    assert page.json()["geometry"][0]["class_names"] == HOSTILE
    assert page.json("map-data")["classes"][0] == HOSTILE[0]
    assert HOSTILE[0] in page.text and HOSTILE[1] in page.text and HOSTILE[2] in page.text


def test_features_without_labels():
    values, _ = features(["x"])
    page = parts.PageParts(to_page(PageContents((Measured(geometry_report(values), semantic_reason="labels must say the class"),))))
    assert "None: there are no two classes." in page.text and "Not measured: labels must say the class" in page.text
    assert "needs labels" in page.text and "a result file holds no spectrum" in page.text
    assert page.json("map-data") == {}


def test_a_broken_identity_is_loud(two):
    first = two.measured[0]
    broken = dataclasses.replace(first, geometry=dataclasses.replace(first.geometry, identity_failures=("I1 broken",)))
    page = parts.PageParts(to_page(PageContents((broken,))))
    assert "do not trust these numbers" in page.text and any(known.get("role") == "alert" for known in page.all("div"))


@pytest.mark.parametrize("count", [0, MOST_CHECKPOINTS + 1])
def test_number_of_checkpoints(two, count):
    with pytest.raises(UsageError, match=f"checkpoints must be 1 to 8 on one page; got {count}"):
        PageContents(two.measured[:1] * count)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_samples": 59}, "got 60 and 59 images"),
        ({"provenance": {"dataset": "cifar10"}}, "got dataset digits and cifar10"),
        ({"provenance": {"dataset": "digits", "limit": 10}}, "got limit none and 10"),
        ({"provenance": {"dataset": "digits", "fingerprint": "f" * 64}}, "got fingerprint e"),
        ({"classes": ()}, "got different classes"),
    ],
)
def test_other_images_are_refused(two, change, told):
    known = {"dataset": "digits", "split": "test", "limit": None, "fingerprint": "e" * 64}
    first = dataclasses.replace(two.measured[0].geometry, provenance=known)
    other = dataclasses.replace(first, **change)
    with pytest.raises(UsageError, match=f"must be measured on the same images; {told}.*make a page for each"):
        PageContents((Measured(first), Measured(other)))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("page.txt", "must end in .html or .htm; got"),
        ("folder.html", "must be a file; got the folder"),
        ("file/page.html", "must lie in a folder; got"),
    ],
)
def test_targets_that_cannot_be(tmp_path, name, told):
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=told):
        check_target(tmp_path / name)


def test_a_failed_page_leaves_nothing(two, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="must have more room; got a full disk"):
        write_page(two, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_writing_makes_the_folder(two, tmp_path):
    path = write_page(two, tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_thousand_classes_stay_small():
    names = [f"class number {place}" for place in range(1000)]
    rng = np.random.default_rng(0)
    values = rng.standard_normal((2000, 16)).astype(np.float32)
    report = geometry_report(values, np.arange(2000) % 1000, class_names=names, name="one", preset="paper", intervals=False)
    rows = tuple(dataclasses.replace(report, name=f"checkpoint {place}") for place in range(8))
    drawn = to_page(PageContents(tuple(Measured(row) for row in rows)))
    assert len(drawn.encode()) < 12_000_000
    assert "The maps of the last 4 checkpoints are left out" in drawn


def test_script_data_cannot_end_the_script():
    text = as_script({"x": "</script>&\u2028", "y": [1.5, None]})
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == {"x": "</script>&\u2028", "y": [1.5, None]}
