from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from repr_probe import progress
from repr_probe.datasets.open import open_dataset
from repr_probe.errors import DatasetError, InputError, ReprProbeError, UsageError
from repr_probe.extraction import extract_features, key_fields
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_key import store_key

tiny = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_extraction.py"))))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tiny.make_images(tmp_path_factory.mktemp("images") / "set")


@pytest.fixture
def dataset(images):
    return open_dataset(images, tiny.SPEC)


class Recorder:
    """A reporter that keeps what it is told."""

    def __init__(self):
        self.notes, self.steps, self.total = [], 0, None

    def task(self, description, total):
        from contextlib import contextmanager

        @contextmanager
        def bar():
            self.total = total
            yield self._advance

        return bar()

    def _advance(self, steps):
        self.steps += steps

    def note(self, text):
        self.notes.append(text)


class Untouchable:
    """An encoder whose network must not run."""

    def __init__(self, encoder):
        self._encoder = encoder

    def __getattr__(self, name):
        if name == "features":
            raise AssertionError("the network was run")
        return getattr(self._encoder, name)


def test_a_long_extraction_says_what_it_takes(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(progress.Forecast, "MEASURED_SECONDS", 0.0)
    told = Recorder()
    with progress.reporting(told):
        extract_features(tiny.tiny_encoder(), dataset, store=tmp_path, batch_size=7, workers=0)
        assert told.notes == [], "24 tiny images are no long work"
        monkeypatch.setattr(progress, "SLOW_SECONDS", 0.0)
        extract_features(tiny.tiny_encoder(), dataset, store=tmp_path, batch_size=7, workers=0, fresh=True)
    assert len(told.notes) == 1
    start, end = "extracting 24 images takes about 0 s (", " a second here); stopped, it goes on where it was; --limit N draws N images instead"
    assert told.notes[0].startswith(start)
    assert told.notes[0].endswith(end)


def test_values_are_those_of_a_bare_loop(dataset, tmp_path):
    encoder = tiny.tiny_encoder()
    (store,) = extract_features(encoder, dataset, store=tmp_path, batch_size=7)
    features = store.features()
    with torch.inference_mode():
        expected = torch.stack([encoder.module(dataset[row][None])[0] for row in range(len(dataset))]).numpy()
    np.testing.assert_allclose(features.values, expected, rtol=1e-5, atol=1e-6)
    assert features.values.dtype == np.float32
    assert isinstance(features.values, np.memmap) and not features.values.flags.writeable
    np.testing.assert_array_equal(features.labels, dataset.labels)
    assert features.ids == dataset.ids and features.class_names == ("ant", "bee")
    assert features.provenance["encoder"] == "tiny" and features.provenance["dataset"] == "set"
    assert features.provenance["run"]["batch_size"] == 7
    np.testing.assert_array_equal(np.load(store.path / "features.npy", mmap_mode="r"), features.values)


def test_several_layers_in_one_pass_equal_separate_passes(dataset, tmp_path):
    together = extract_features(tiny.tiny_encoder(), dataset, layers=["early", "pooled"], store=tmp_path / "together", batch_size=5)
    for layer, store in zip(["early", "pooled"], together):
        (alone,) = extract_features(tiny.tiny_encoder(), dataset, layers=[layer], store=tmp_path / "apart", batch_size=5)
        assert store.layer == layer and store.key == alone.key
        assert tiny.content(store.path) == tiny.content(alone.path)


def test_second_run_does_not_run_the_network(dataset, tmp_path):
    encoder = tiny.tiny_encoder()
    first = extract_features(encoder, dataset, layers=tiny.LAYERS, store=tmp_path)
    second = extract_features(Untouchable(encoder), dataset, layers=tiny.LAYERS, store=tmp_path, batch_size=3)
    assert [store.path for store in second] == [store.path for store in first]


def test_only_missing_layers_run(dataset, tmp_path):
    encoder = tiny.tiny_encoder()
    extract_features(encoder, dataset, layers=["early"], store=tmp_path)
    asked = []

    class Listening(Untouchable):
        def features(self, images, layers, pool=None):
            asked.append(tuple(layers))
            return encoder.features(images, layers, pool)

    extract_features(Listening(encoder), dataset, layers=["early", "pooled"], store=tmp_path)
    assert set(asked) == {("pooled",)}


def test_a_layer_named_twice_is_answered_twice(dataset, tmp_path):
    stores = extract_features(tiny.tiny_encoder(), dataset, layers=["early", "early"], store=tmp_path)
    assert len(stores) == 2 and stores[0].key == stores[1].key


def test_fresh_computes_again_and_replaces(dataset, tmp_path):
    encoder = tiny.tiny_encoder()
    (store,) = extract_features(encoder, dataset, store=tmp_path)
    with pytest.raises(AssertionError, match="was run"):
        extract_features(Untouchable(encoder), dataset, store=tmp_path, fresh=True)
    assert FeatureStore.open(store.path).n_samples == len(dataset)  # the old one stays while the new one is not finished
    with torch.no_grad():
        encoder.module.late.weight.zero_()
    (again,) = extract_features(encoder, dataset, store=tmp_path, fresh=True)
    assert again.path == store.path
    assert np.ptp(again.features().values, axis=0).max() < 1e-6
    assert [path.name for path in store.path.parent.iterdir()] == [store.key]


def test_key_ignores_how_and_sees_what(images, dataset):
    def key(encoder=None, data=dataset, layer="pooled", **changes):
        options = {"pool": None, "dtype": "float32", "limit": None, "seed": 0, "views": 0, **changes}
        return store_key(key_fields(encoder or tiny.tiny_encoder(), data, layer, **options))

    assert key() == key(tiny.tiny_encoder(remark="facts are for people"))
    assert key(seed=1) == key(), "nothing is random without a draw or views"
    others = [
        key(tiny.tiny_encoder(seed=1)),
        key(layer="early"),
        key(pool="max"),
        key(dtype="float16"),
        key(views=2),
        key(views=2, seed=1),
        key(limit=10),
        key(limit=10, seed=1),
        key(data=open_dataset(images, tiny.SPEC, limit=10)),
        key(data=open_dataset(images, tiny.SPEC, limit=10, seed=1)),
        key(data=open_dataset(images, tiny.SPEC.override("--mean", mean=(0.5, 0.5, 0.5)))),
    ]
    assert len({key(), *others}) == 1 + len(others)


def test_batch_size_and_workers_do_not_change_the_key(dataset, tmp_path):
    (one,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path, batch_size=4, workers=0)
    (two,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path / "other", batch_size=4, workers=2)
    assert one.key == two.key
    np.testing.assert_array_equal(one.features().values, two.features().values)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_dtypes(dataset, tmp_path, dtype):
    (single,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path)
    (store,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path, dtype=dtype)
    values = store.features().values
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, single.features().values.astype(dtype))


def test_views_stand_beside_the_plain_images(dataset, tmp_path):
    pytest.importorskip("repr_probe.views.per_image")
    from repr_probe.views.per_image import make_view_transform

    encoder = tiny.tiny_encoder()
    (plain,) = extract_features(encoder, dataset, store=tmp_path, batch_size=5)
    (store,) = extract_features(encoder, dataset, store=tmp_path, batch_size=5, views=3, seed=4)
    features = store.features()
    assert features.views.shape == (24, 3, 7) and isinstance(features.views, np.memmap)
    np.testing.assert_array_equal(features.values, plain.features().values)
    transform = make_view_transform(dataset.input, seed=4)
    expected = encoder.features(torch.stack([transform(dataset.image(row), row, 2) for row in range(5)]), ["pooled"])["pooled"]
    np.testing.assert_allclose(features.views[:5, 2], expected.numpy(), rtol=1e-5, atol=1e-6)


def test_unlabelled_images(images, tmp_path):
    (store,) = extract_features(tiny.tiny_encoder(), open_dataset(images / "ant", tiny.SPEC), store=tmp_path)
    assert store.features().labels is None and not (store.path / "labels.npy").exists()


@pytest.mark.parametrize("where", ["weight", "bias"])
def test_non_finite_features_name_the_image_and_leave_nothing(dataset, tmp_path, where):
    encoder = tiny.tiny_encoder()
    with torch.no_grad():
        getattr(encoder.module.late, where)[0] = torch.nan
    message = r"^features must be finite; layer pooled gives NaN or infinity for image 'ant/0.png' \(7 of the 7 in its batch\); check"
    with pytest.raises(InputError, match=message):
        extract_features(encoder, dataset, store=tmp_path, batch_size=7)
    assert list((tmp_path / "features").iterdir()) == []


def test_float16_overflow_is_not_stored(dataset, tmp_path):
    encoder = tiny.tiny_encoder()
    with torch.no_grad():
        encoder.module.late.bias[0] = 1e5
    with pytest.raises(InputError, match=r"^dtype must hold the features; float16 overflows at layer pooled for image .* use float32$"):
        extract_features(encoder, dataset, store=tmp_path, dtype="float16")
    assert extract_features(encoder, dataset, store=tmp_path)[0].n_samples == 24


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_image_is_one_line_and_resumable(tmp_path, workers):
    folder = tiny.make_images(tmp_path / "set")
    (folder / "bee" / "3.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"3\.png") as caught:
        extract_features(tiny.tiny_encoder(), open_dataset(folder, tiny.SPEC), store=tmp_path / "home", batch_size=5, workers=workers)
    assert "\n" not in str(caught.value)
    assert {path.name.rpartition(".")[2] for path in (tmp_path / "home" / "features").iterdir()} == {"partial", "journal"}


def test_world_is_left_as_found(dataset, tmp_path):
    encoder = tiny.tiny_encoder()
    encoder.module.early.train()
    modes = [module.training for module in encoder.module.modules()]
    torch.manual_seed(3)
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist(), torch.backends.cuda.matmul.fp32_precision  # noqa: NPY002
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        for workers in (0, 1):
            extract_features(encoder, dataset, store=tmp_path / str(workers), workers=workers)
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "none"
    assert torch.equal(torch.random.get_rng_state(), before[0]) and np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert torch.backends.cuda.matmul.fp32_precision == before[2]
    assert [module.training for module in encoder.module.modules()] == modes
    assert not any(module._forward_hooks for module in encoder.module.modules())


def test_autocast_of_the_caller_does_not_reach_the_features(dataset, tmp_path):
    (plain,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path / "plain")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (inside,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path / "inside")
    np.testing.assert_array_equal(plain.features().values, inside.features().values)


def test_out_of_memory_lets_a_smaller_batch_begin_anew(dataset, tmp_path):
    encoder = tiny.tiny_encoder()

    class Small(Untouchable):
        def features(self, images, layers, pool=None):
            if len(images) > 7:
                raise torch.OutOfMemoryError("no room")
            return encoder.features(images, layers, pool)

    with pytest.raises(ReprProbeError, match=r"^batch_size must suit the memory of cpu; got 8 images of 16 x 16; use a smaller"):
        extract_features(Small(encoder), dataset, store=tmp_path, batch_size=8)
    (store,) = extract_features(Small(encoder), dataset, store=tmp_path, batch_size=4)
    assert store.meta["provenance"]["run"]["batch_size"] == 4


def test_progress_counts_images(dataset, tmp_path):
    recorder = Recorder()
    with progress.reporting(recorder):
        extract_features(tiny.tiny_encoder(), dataset, store=tmp_path, batch_size=7)
    assert (recorder.steps, recorder.total, recorder.notes) == (24, 24, [])


def test_damaged_store_is_noted_and_extracted_again(dataset, tmp_path):
    (store,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path)
    whole = tiny.content(store.path)
    with (store.path / "features.npy").open("r+b") as file:
        file.truncate(200)
    recorder = Recorder()
    with progress.reporting(recorder):
        (again,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path)
    assert tiny.content(again.path) == whole
    assert len(recorder.notes) == 1 and "cannot be used" in recorder.notes[0]


def test_meta_is_plain_json_with_everything_recorded(dataset, tmp_path):
    (store,) = extract_features(tiny.tiny_encoder(shape=(1, 2), scale=np.float32(0.5)), dataset, store=tmp_path)
    meta = json.loads((store.path / "meta.json").read_text())
    assert meta["provenance"]["facts"] == {"shape": [1, 2], "scale": 0.5}
    assert set(meta["provenance"]["run"]) == {"batch_size", "workers", "device", "threads", "versions"}
    assert store_key(meta["key_fields"]) == store.key


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a positive integer; got 0"),
        ({"views": -1}, "views must be an integer of 0 or more; got -1"),
        ({"workers": -2}, "workers must be an integer of 0 or more; got -2"),
        ({"dtype": "bfloat16"}, "dtype must be one of float32, float16, float64; got 'bfloat16'"),
        ({"layers": "pooled"}, "layers must be a list of layer names; got 'pooled'"),
        ({"layers": []}, r"layers must be a list of layer names; got \[\]"),
        ({"layers": ["pooledd"]}, "layer must be a layer of test:tiny; got 'pooledd'; nearest: pooled"),
        ({"device": "cuda:99"}, "device must be there; got 'cuda:99'"),
    ],
)
def test_impossible_options(dataset, tmp_path, options, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        extract_features(tiny.tiny_encoder(), dataset, store=tmp_path, **options)
    assert not list(tmp_path.rglob("*.npy"))


def test_ids_of_any_unicode(tmp_path):
    folder = tmp_path / "set" / "класс"
    folder.mkdir(parents=True)
    for name in ("ä\n.png", "日本 🙂.png", "\udcff.png"):
        Image.new("RGB", (16, 16)).save(folder / name, format="png")
    dataset = open_dataset(tmp_path / "set", tiny.SPEC)
    (store,) = extract_features(tiny.tiny_encoder(), dataset, store=tmp_path / "home")
    assert store.ids() == dataset.ids
