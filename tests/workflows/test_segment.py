"""The dense probe from a name to a report: scale lines, resuming, and the same numbers whatever lies on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.errors import CheckpointError, InputError, UsageError
from repr_probe.features.store_lock import StoreLock
from repr_probe.probes.confusion import Confusion
from repr_probe.published.table2 import published_segmentation
from repr_probe.reports.dense_formats import DENSE_RENDERERS, check_dense_suffix, write_dense
from repr_probe.workflows import map_cache
from repr_probe.workflows.map_cache import EpochState, MapCache, batches_of_maps
from repr_probe.workflows.segment import segment

COLOURS = np.array([(250, 20, 20), (20, 250, 20), (20, 20, 250)], np.uint8)


@pytest.fixture
def masked(tmp_path):
    """Images whose colours are their classes: 8-pixel blocks, with some void."""
    for split, count in (("train", 8), ("test", 3)):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
        for number in range(count):
            ids = np.random.default_rng((number, count)).integers(0, 3, (3, 4)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
            Image.fromarray(COLOURS[ids]).save(tmp_path / split / "images" / f"{number}.png")
            ids[:3, :3] = 255
            Image.fromarray(ids).save(tmp_path / split / "masks" / f"{number}.png")
    return tmp_path


class Blocks(nn.Module):
    """Colours at two resolutions: what a probe can read is known."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2, self.layer3 = nn.AvgPool2d(2), nn.AvgPool2d(2), nn.AvgPool2d(2)
        self.scale = nn.Conv2d(3, 3, 1)

    def forward(self, images):
        return self.scale(self.layer3(self.layer2(self.layer1(images)))).mean((2, 3))


@pytest.fixture
def encoder():
    return as_encoder(Blocks(), image_size=(24, 32), name="blocks", mean=0.5, std=0.5)


def probe(encoder, masked, tmp_path, **options):
    return segment(encoder, dataset=masked, store=tmp_path / "home", **{"layer": ["layer1", "layer3"], "preset": "ridge", **options})


def test_a_report_has_its_scale(masked, tmp_path, encoder):
    report = probe(encoder, masked, tmp_path, each_layer=True, preset="small", learning_rate=0.05)
    kinds = [row.kind for row in report.rows]
    assert kinds == ["hypercolumn", "layer", "layer", "majority"]
    assert report.row("hypercolumn").measures["mean_iou"] > 0.8 > 0.4 > report.row("majority").measures["mean_iou"]
    assert "no random-initialised line: module:" in " ".join(report.notes)
    assert report.protocol == "dense/adamw lr 0.05, decay 0.01, batch 8, 15 epochs; input 24 x 32, whole image; hypercolumn of layer1, layer3"
    assert (report.n_train, report.n_test, report.split) == (8, 3, "test")
    assert not list((tmp_path / "home" / "maps").iterdir())  # what was kept for a resumed run is gone


def test_every_measure_follows_from_the_counts(masked, tmp_path, encoder):
    report = probe(encoder, masked, tmp_path)
    for row in report.rows:
        confusion = Confusion(3)
        confusion.counts += row.counts
        assert row.counts.sum() == 3 * (24 * 32 - 9)  # every pixel of the original masks but void
        assert row.measures["mean_iou"] == confusion.mean_iou()


def test_two_processes_with_the_same_maps_do_not_disturb_each_other(masked, encoder, tmp_path):
    alone = probe(encoder, masked, tmp_path)
    folders = []
    real = map_cache.cache_folder

    def seen(home, key):
        folders.append(real(home, key))
        return folders[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_cache, "cache_folder", seen)
        probe(encoder, masked, tmp_path)
    lock = StoreLock(folders[0].with_name(f"{folders[0].name}.lock"), folders[0].name)
    lock.acquire()
    folders[0].mkdir(parents=True)
    (folders[0] / "rows_done").write_text("5")
    try:
        again = probe(encoder, masked, tmp_path)
    finally:
        lock.release()
    assert np.array_equal(again.rows[0].counts, alone.rows[0].counts)
    assert (folders[0] / "rows_done").read_text() == "5" and [path.name for path in folders[0].parent.iterdir()] == [folders[0].name]


def test_an_embedded_network_has_its_random_line_too(masked, tmp_path):
    report = segment("hydes-digits", dataset=masked, store=tmp_path / "home", preset="ridge", image_size=16)
    assert report.row("random").n_features == report.row("hypercolumn").n_features == 16 + 32 + 64
    assert not np.array_equal(report.row("random").counts, report.row("hypercolumn").counts)


def test_random_weights_of_the_same_architecture_stand_beside(masked, tmp_path):
    report = segment("timm:resnet10t", dataset=masked, store=tmp_path, preset="ridge", image_size=(32, 64), layer="stage1")
    random = report.row("random")
    assert random.name == "random-initialised" and random.n_features == report.row("hypercolumn").n_features == 64
    assert json.loads(report.save(tmp_path / "r.json").read_text()) == report.to_dict()
    assert set(report.settings["images"]) == {"train", "test"} and len(set(report.settings["images"].values())) == 2
    assert np.array_equal(random.counts, report.row("hypercolumn").counts)  # the name itself means random weights of the same seed


def test_maps_on_disk_give_the_same_report(masked, tmp_path, encoder):
    in_memory, on_disk = (probe(encoder, masked, tmp_path, memory=memory) for memory in (1.0, 1e-9))
    assert all(np.array_equal(one.counts, other.counts) for one, other in zip(in_memory.rows, on_disk.rows))


def test_an_interrupted_run_goes_on_with_the_same_result(masked, tmp_path, encoder, monkeypatch):
    whole = probe(encoder, masked, tmp_path, preset="small", batch_size=3)
    write, written = MapCache._write, []

    def killed_at_six(self, rows, maps, n_images):
        written.append(rows[0])
        if written == [0, 3, 6]:
            raise KeyboardInterrupt
        write(self, rows, maps, n_images)

    monkeypatch.setattr(MapCache, "_write", killed_at_six)
    with pytest.raises(KeyboardInterrupt):
        probe(encoder, masked, tmp_path, preset="small", batch_size=3)
    resumed = probe(encoder, masked, tmp_path, preset="small", batch_size=3)
    assert written == [0, 3, 6, 6]
    assert all(np.array_equal(one.counts, other.counts) for one, other in zip(whole.rows, resumed.rows))


def test_a_damaged_state_is_no_state(tmp_path):
    state = EpochState(tmp_path / "training.pt")
    assert state.read() is None
    state.write({"epoch": 2, "tensors": []})
    assert state.read()["epoch"] == 2
    state.path.write_bytes(state.path.read_bytes()[:50])
    assert state.read() is None


@pytest.mark.parametrize("suffix", list(DENSE_RENDERERS))
def test_every_format_shows_every_row(masked, tmp_path, encoder, suffix):
    report = probe(encoder, masked, tmp_path, each_layer=True)
    write_dense(report, tmp_path / f"r{suffix}", published_segmentation("voc"))
    text = (tmp_path / f"r{suffix}").read_text()
    assert all(name in text for name in ("hypercolumn", "layer1", "layer3", "majority class", "dense/ridge"))
    assert ("49.12" in text or "0.4912" in text) == (suffix != ".json")  # published rows are never among the measures
    if suffix == ".json":
        read = json.loads(text)
        assert read["kind"] == "segment" and read["rows"][0]["mean_iou"] == report.rows[0].measures["mean_iou"]
    else:
        assert ("published" in text and "Table II" in text) or suffix == ".csv"
    with pytest.raises(UsageError, match=r"the result file must end in .json, .csv, .md, .tex, .txt; got 'a.html'"):
        check_dense_suffix("a.html")


def test_maps_that_cannot_be_kept(masked, encoder, monkeypatch):
    from repr_probe.datasets.open_masked import open_masked_images

    train, _ = open_masked_images(masked)
    for value, text in ((float("nan"), "maps must be finite; layer layer1 gives NaN or infinity"), (1e5, "maps must stay below 65,504")):
        monkeypatch.setattr(map_cache, "feature_maps", lambda encoder, images, layers, value=value: {"layer1": images * 0 + value})
        with pytest.raises(InputError, match=text):
            list(batches_of_maps(encoder, train, encoder.input, ["layer1"], batch_size=2))


def test_what_cannot_be_probed(masked, tmp_path, encoder):
    with pytest.raises(UsageError, match="memory and batch_size must be positive; got 0 and 16"):
        probe(encoder, masked, tmp_path, memory=0)
    with pytest.raises(UsageError, match="preset must be one of paper, small, ridge; got 'papers'; nearest: paper"):
        probe(encoder, masked, tmp_path, preset="papers")
    with pytest.raises(UsageError, match="arch must go with a checkpoint; got it beside an encoder"):
        probe(encoder, masked, tmp_path, arch="timm:resnet18")
    function = as_encoder(lambda images: images.mean((2, 3)), image_size=8, name="function")
    with pytest.raises(CheckpointError, match="encoder must offer maps"):
        segment(function, dataset=masked, store=tmp_path)


@pytest.mark.slow
def test_lite0_on_camvid_reaches_the_stated_figures(tmp_path):
    root, weights = os.environ.get("REPR_PROBE_TEST_DATA"), os.environ.get("REPR_PROBE_TEST_LITE0")
    if not root or not weights:
        pytest.skip("set REPR_PROBE_TEST_DATA to a folder with camvid/ and REPR_PROBE_TEST_LITE0 to the EfficientNet-Lite0 weights")
    report = segment(
        weights, dataset=Path(root) / "camvid", ignore_index=11, image_size=(192, 256), preset="small", each_layer=True, store=tmp_path
    )
    assert report.row("hypercolumn").measures["mean_iou"] >= max(0.39, report.row("layer").measures["mean_iou"])
    assert report.row("random").measures["mean_iou"] <= 0.25
