from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from repr_probe import progress
from repr_probe.encoders import load as encoder_loading
from repr_probe.encoders.load import load_encoder
from repr_probe.errors import DatasetError, UsageError
from repr_probe.files.arrays import read_arrays
from repr_probe.workflows.extract import extract
from repr_probe.workflows.store import list_stores, remove, store_path

NETWORK = "timm:test_resnet"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "set"
    generator = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(generator.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def no_network(monkeypatch):
    """From here on building a network fails."""

    def switch():
        def refuse(*_, **__):
            raise AssertionError("a network was built")

        monkeypatch.setattr(encoder_loading, "open_checkpoint", refuse)

    return switch


def test_by_name_to_a_store(images, home):
    (store,) = extract(NETWORK, dataset=images, image_size=32)
    features = store.features()
    encoder = load_encoder(NETWORK, image_size=32)
    assert store.path.parent == home / "features"
    assert features.values.shape == (8, encoder.facts["n_features"]) and features.class_names == ("ant", "bee")
    assert features.provenance["architecture"] == "timm:test_resnet" and store.layer == "pooled"
    assert any("weights are random" in note for note in features.notes)


def test_second_time_no_network_is_built(images, home, no_network):
    first = extract(NETWORK, dataset=images, image_size=32, layer=["stage2", "pooled"])
    no_network()
    notes = []

    class Listener:
        note = staticmethod(notes.append)

    with progress.reporting(Listener()):
        second = extract(NETWORK, dataset=images, image_size=32, layer=["stage2", "pooled"], batch_size=3, workers=0, seed=7)
    assert [store.path for store in second] == [store.path for store in first]
    assert notes == ["answered from the store; --fresh computes anew"]
    with pytest.raises(AssertionError, match="was built"):
        extract(NETWORK, dataset=images, image_size=32, layer=["stage2", "pooled"], fresh=True)


OTHERS = [{"image_size": 48}, {"mean": (0.1, 0.2, 0.3)}, {"layer": "stage1"}, {"dtype": "float16"}, {"limit": 4}, {"verify_data": True}]


@pytest.mark.parametrize("change", [*OTHERS, {"pool": "max"}])
def test_another_request_is_another_answer(images, home, no_network, change):
    extract(NETWORK, dataset=images, image_size=32)
    no_network()
    with pytest.raises(AssertionError, match="was built"):
        extract(NETWORK, dataset=images, **{"image_size": 32, **change})


def test_checkpoint_file_is_known_by_its_content(images, home, tmp_path, no_network):
    module = load_encoder(NETWORK, image_size=32).module
    path = tmp_path / "net.pt"
    torch.save(module.state_dict(), path)
    options = {"dataset": images, "image_size": 32, "arch": NETWORK}
    (first,) = extract(path, **options)
    with torch.no_grad():
        next(module.parameters()).mul_(2)
    torch.save(module.state_dict(), path)
    (second,) = extract(path, **options)
    assert first.key != second.key
    no_network()
    assert extract(path, **options)[0].key == second.key


def test_changed_images_are_seen(images, home, tmp_path, no_network):
    import shutil

    folder = shutil.copytree(images, tmp_path / "copy")
    extract(NETWORK, dataset=folder, image_size=32)
    os.utime(folder / "ant" / "0.png", (1, 1))
    no_network()
    with pytest.raises(AssertionError, match="was built"):
        extract(NETWORK, dataset=folder, image_size=32)


def test_removed_store_and_damaged_index_take_the_long_way(images, home):
    (store,) = extract(NETWORK, dataset=images, image_size=32)
    before = (store.path / "features.npy").read_bytes()
    remove(store.key[:8])
    assert list_stores() == []
    (again,) = extract(NETWORK, dataset=images, image_size=32)
    (record,) = (home / "requests").iterdir()
    for damage in (b"", b"{}", b"\xff", b'{"input": 3, "rows": 1, "keys": []}'):
        record.write_bytes(damage)
        assert extract(NETWORK, dataset=images, image_size=32)[0].key == store.key
    assert (again.path / "features.npy").read_bytes() == before


def test_store_option_is_the_home_of_everything(images, home, tmp_path):
    (store,) = extract(NETWORK, dataset=images, image_size=32, store=tmp_path / "elsewhere")
    assert store.path.parent == tmp_path / "elsewhere" / "features"
    assert not home.exists()
    assert [entry.key for entry in list_stores(tmp_path / "elsewhere")] == [store.key]
    assert store_path(store.key[:6], store=tmp_path / "elsewhere") == store.path
    assert store_path(store=tmp_path / "elsewhere") == tmp_path / "elsewhere"


def test_export(images, home, tmp_path):
    (store,) = extract(NETWORK, dataset=images, image_size=32, export=tmp_path / "out.npz")
    read = read_arrays(tmp_path / "out.npz")
    np.testing.assert_array_equal(read.values, store.features().values)
    assert read.ids == store.ids() and read.class_names == ("ant", "bee")
    extract(NETWORK, dataset=images, image_size=32, layer=["stage1", "stage2"], export=tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out-stage1.csv", "out-stage2.csv", "out.npz"]


def test_impossible_export_is_refused_before_any_work(images, home):
    with pytest.raises(UsageError, match=r"^export must end in one of"):
        extract(NETWORK, dataset=images, export="features.txt")
    assert not home.exists()


def test_missing_data_set(home):
    with pytest.raises(DatasetError):
        extract(NETWORK, dataset="cifar10", image_size=32)
