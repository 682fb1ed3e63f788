"""compare: the numbers of its parts, what it refuses by name, and every kind of source."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from repr_probe.errors import DatasetError, FileFormatError, InputError, UsageError
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features
from repr_probe.features.store_writer import StoreWriter
from repr_probe.files.home import features_folder
from repr_probe.metrics.cka import cka
from repr_probe.reports.comparison import Comparison
from repr_probe.reports.geometry import geometry_report
from repr_probe.workflows.compare import compare

N, K = 120, 12


def _features(width: int, *, seed: int = 0, n: int = N, **origin) -> Features:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % K
    values = np.random.default_rng(9).normal(size=(K, 6))[labels] @ rng.normal(size=(6, width)) + 0.5 * rng.normal(size=(n, width)) + 0.7
    found = as_features(values, [f"class {label:02}" for label in labels], ids=[f"test/{row}" for row in range(n)])
    told = {"encoder": f"net {width}", "dataset": "things", "split": "test", "limit": None, "seed": None, "fingerprint": "f" * 64, **origin}
    return dataclasses.replace(found, provenance=told)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(_features(8), _features(10, seed=1), _features(9, seed=2))


def test_the_numbers_are_those_of_geometry_report_and_cka(comparison):
    features = [_features(8), _features(10, seed=1), _features(9, seed=2)]
    assert comparison.names == ("net 8", "net 10", "net 9")
    for one, row in zip(features, comparison.rows["geometry"], strict=True):
        assert row.measures == geometry_report(one).measures
    assert [(pair.first, pair.second) for pair in comparison.cka] == [("net 8", "net 10"), ("net 8", "net 9"), ("net 10", "net 9")]
    assert comparison.cka[1].debiased == pytest.approx(cka(features[0], features[2]), abs=1e-12)
    first = comparison.pairs[0].differences["effective_rank"]
    values = [row.measures["effective_rank"].value for row in comparison.rows["geometry"]]
    assert first.difference == values[0] - values[1]
    assert first.ci[0] < first.difference < first.ci[1]


def test_best_is_marked_where_there_is_a_direction(comparison):
    lines = list(csv.DictReader(io.StringIO(comparison.to_csv())))
    for key, choose in (("anisotropy", min), ("effective_rank", max), ("d_prime", max)):
        rows = [line for line in lines if line["measure"] == key and line["source"] == "measured"]
        (winner,) = [line for line in rows if line["best"] == "1"]
        assert float(winner["value"]) == choose(float(line["value"]) for line in rows)
    assert {line["best"] for line in lines if line["measure"] == "angle_all_std" and line["source"] == "measured"} == {"0"}


def test_json_and_back(comparison, tmp_path):
    data = json.loads(comparison.to_json())
    assert (data["kind"], data["schema"]) == ("comparison", 1)
    assert Comparison.from_dict(data).to_json() == comparison.to_json()
    assert json.loads(comparison.save(tmp_path / "c.json").read_text()) == data


def test_every_format_shows_every_row_and_the_best(comparison):
    text = str(comparison)
    assert max(map(len, text.splitlines())) <= 120
    best = max(row.measures["effective_rank"].value for row in comparison.rows["geometry"])
    assert f"{best:.1f}‹" in text and f"**{best:.1f}**" in comparison.to_markdown() and rf"\textbf{{{best:.1f}}}" in comparison.to_latex()
    for rendered in (text, comparison.to_markdown(), comparison.to_latex(), comparison.to_csv()):
        assert all(name in rendered for name in comparison.names)
    assert comparison.to_latex().count(r"\toprule") == comparison.to_latex().count(r"\bottomrule") == 3
    assert comparison.to_latex().count("{") == comparison.to_latex().count("}")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"dataset": "stuff"}, r"geometry results to compare must have one data set; got things \(net 8\) and stuff \(net 10\)"),
        ({"split": "val"}, r"one split; got test \(net 8\) and val \(net 10\)"),
        ({"limit": 50}, r"one draw; got all \(net 8\) and 50 by seed None \(net 10\)"),
        ({"fingerprint": "e" * 64}, r"one fingerprint of the images; got ffffffffffff \(net 8\) and eeeeeeeeeeee \(net 10\); the files"),
    ],
)
def test_rows_that_may_not_stand_together_are_refused_by_name(other, message):
    with pytest.raises(InputError, match=message):
        compare(_features(8), _features(10, **other))


def test_unequal_n_is_refused():
    with pytest.raises(InputError, match=r"one number of images; got 120 \(net 8\) and 108 \(net 10\); ranks grow with it"):
        compare(_features(8), _features(10, n=108))


def test_preprocessing_is_refused_or_allowed_without_differences():
    given = [_features(8, input={"size": [32, 32]}), _features(10, input={"size": [64, 64]})]
    with pytest.raises(InputError, match=r"one preprocessing; got 32 x 32 \(net 8\) and 64 x 64 \(net 10\); --allow preprocessing"):
        compare(*given)
    found = compare(*given, allow=["preprocessing"])
    assert found.pairs[0].reason == "other preprocessing" and not found.pairs[0].differences
    assert any("preprocessing differs" in note for note in found.notes)
    assert found.cka[0].debiased is not None  # of the same images, whatever the networks were fed
    with pytest.raises(UsageError, match="allow must be preprocessing; got 'split'"):
        compare(*given, allow=["split"])


def test_what_cannot_stand_together_is_refused_before_any_image_is_read(tmp_path, monkeypatch):
    """The folder of images is not there: whoever opens it is told that instead."""
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path))
    absent = tmp_path / "no images"
    wanted = r"geometry results to compare must have one preprocessing; got 8 x 8, .* \(hydes-digits\) and 32 x 32, .* \(hydes-cifar10\)"
    with pytest.raises(InputError, match=wanted):
        compare("hydes-digits", "hydes-cifar10", dataset=absent)
    with pytest.raises(InputError, match=r"one preprocessing; got 64 x 64 \(net 10\) and 8 x 8, bilinear, .* \(hydes-digits\)"):
        compare(_features(10, input={"size": [64, 64]}), "hydes-digits", dataset=absent)
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(FileFormatError, match=r"broken\.pth"):
        compare("hydes-digits", tmp_path / "broken.pth", dataset=absent)
    with pytest.raises(DatasetError, match="no images"):
        compare("hydes-digits", "hydes-cifar10", dataset=absent, allow=["preprocessing"])


def test_other_images_are_refused():
    other = _features(10)
    turned = dataclasses.replace(other, ids=other.ids[::-1])
    with pytest.raises(InputError, match="second must be of the images of first, in one order; got 'test/0' and 'test/119' as row 0"):
        compare(_features(8), turned)


def test_result_files_stand_beside_features_and_say_what_is_missing(tmp_path):
    one, other = _features(8), _features(10)
    path = geometry_report(one, name="saved").save(tmp_path / "one.json")
    found = compare(path, other)
    assert found.names == ("saved", "net 10")
    assert found.rows["geometry"][0].measures == geometry_report(one).measures
    assert "no features at hand" in found.pairs[0].reason
    assert found.cka[0].debiased is None
    with pytest.raises(UsageError, match="saved must hold semantic results; got a result file of geometry; choose parts with --with"):
        compare(path, other, parts=["geometry", "semantic"])
    with pytest.raises(UsageError, match="sources must be results of geometry, semantic or probe; got a Comparison"):
        compare(found, other)
    again = found.save(tmp_path / "again.json")
    with pytest.raises(FileFormatError, match="result file must be of kind 'geometry', 'geometry-list', 'semantic' or 'probe'; got 'comparison'"):
        compare(again, other)
    (tmp_path / "cut.json").write_text(path.read_text()[:100])
    with pytest.raises(FileFormatError, match=r"result file must hold JSON; got .*cut\.json"):
        compare(tmp_path / "cut.json", other)


def test_rows_that_a_result_dropped_are_dropped_from_its_store_too(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path))
    paths = []
    for key, width in (("a" * 64, 8), ("b" * 64, 6)):
        made = _features(width, store=key)
        values = made.values.astype(np.float32)
        values[7] = np.nan
        features_folder().mkdir(parents=True, exist_ok=True)
        with StoreWriter(features_folder(), key, n_samples=N, run={}) as writer:
            writer.write(0, values)
            meta = {"notes": [], "class_names": list(made.class_names), "provenance": dict(made.provenance)}
            store = writer.finish(meta, ids=made.ids, labels=made.labels)
        paths.append(geometry_report(store, nan_policy="omit", name=f"net {width}").save(tmp_path / f"{width}.json"))
    found = compare(*paths)
    assert found.rows["geometry"][0].n_samples == found.cka[0].n == N - 1
    assert found.pairs[0].differences["effective_rank"].ci is not None


def test_feature_files_and_names_that_clash(tmp_path):
    for folder, seed in (("a", 0), ("b", 1)):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "features.npz", features=_features(8, seed=seed).values, labels=np.arange(N) % K)
    found = compare(tmp_path / "a" / "features.npz", tmp_path / "b" / "features.npz", paired=False)
    assert found.names == ("a/features.npz", "b/features.npz")
    assert (found.pairs, found.cka) == ((), ())
    twice = compare(tmp_path / "a" / "features.npz", tmp_path / "a" / "features.npz")
    assert twice.names == ("a/features.npz (1)", "a/features.npz (2)")
    assert twice.cka[0].debiased == pytest.approx(1.0)


def test_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="sources must be two or more; got 1"):
        compare(_features(8))
    with pytest.raises(UsageError, match="--with must name geometry, semantic, probe; got 'geometri'"):
        compare(_features(8), _features(8), parts=["geometri"])
    with pytest.raises(UsageError, match="probe must have checkpoints with --dataset, or probe result files; got the features net 8"):
        compare(_features(8), _features(10), parts=["probe"])
    with pytest.raises(UsageError, match="--dataset must name the images for 'timm:resnet18', which is no file; got none"):
        compare("timm:resnet18", _features(8))
    for option in ({"limit": 10}, {"split": "test"}, {"layer": "stage1"}, {"arch": "resnet50"}):
        with pytest.raises(UsageError, match=f"--{next(iter(option))} must go with checkpoints and --dataset; got it beside features and results"):
            compare(_features(8), _features(10), **option)
    with pytest.raises(UsageError, match="--dataset must go with checkpoints; got it beside features and results alone"):
        compare(_features(8), _features(10), dataset="digits")
    with pytest.raises(UsageError, match="population must be 'classes' or 'images'; got 'dogs'"):
        compare(_features(8), _features(10), population="dogs")


def test_more_pairs_than_can_be_read_show_the_first_row_alone():
    found = compare(*(_features(6, seed=seed, encoder=f"net{seed}") for seed in range(6)))
    assert len(found.pairs) == 15
    text = str(found)
    assert "of all 15 pairs those with net0; the others are in JSON and CSV" in text
    assert "net0 - net5" in text and "net4 - net5" not in text and "net4" in found.to_csv()


def test_a_collapsed_encoder_takes_no_similarity_from_the_others():
    flat = _features(7, encoder="flat")
    flat = dataclasses.replace(flat, values=np.ones((N, 7)))
    found = compare(_features(8), _features(10), flat)
    assert [pair.debiased is None for pair in found.cka] == [False, True, True]
    assert found.cka[0].debiased == pytest.approx(cka(_features(8), _features(10)), abs=1e-12)
    assert found.cka[1].reason.startswith("the self term HSIC₁ of flat is not positive")


def test_semantic_of_features_that_are_no_store(tmp_path):
    """Features from Python, and a file whose arrays are named: both are read once, with the keys that were given."""
    names = ["dog", "cat", "horse", "frog", "deer", "bird", "truck", "ship", "airplane", "automobile"]
    labels = np.arange(N) % len(names)
    made = [as_features(_features(width, seed=width).values, [names[label] for label in labels]) for width in (8, 9)]
    given = [dataclasses.replace(one, provenance={"dataset": "cifar10", "encoder": f"net {one.n_features}"}) for one in made]
    found = compare(*given, parts=["semantic"])
    assert found.names == ("net 8", "net 9")
    assert found.pairs[0].differences["spearman_wup"].ci is not None
    path = tmp_path / "two.npz"
    np.savez(path, early=given[0].values[:, :3], late=given[0].values, said=np.array([names[label] for label in labels]))
    again = compare(path, given[1], parts=["semantic"], features_key="late", labels_key="said")
    assert again.measures_of("two.npz")["pearson_wup"].value == pytest.approx(found.measures_of("net 8")["pearson_wup"].value, abs=1e-12)
