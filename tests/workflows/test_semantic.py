from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.classes.wnids import imagenet_names
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.workflows.classifier_rows import read_classifier_rows
from repr_probe.workflows.semantic import newest_named_store, semantic

QUICK = {"wordnet": True, "permutations": 19}


def saved(path, tensors):
    torch.save(tensors, path)
    return path


def network(n_classes=10, name="fc", width=6, seed=0):
    rows = torch.randn(n_classes, width, generator=torch.Generator().manual_seed(seed))
    return {"conv.weight": torch.zeros(4, 3, 3, 3), f"{name}.weight": rows, f"{name}.bias": torch.zeros(n_classes)}


@pytest.mark.parametrize("name", ["fc", "_fc", "head", "head.fc", "heads.head", "classifier", "classifier.1", "module.linear"])
def test_rows_are_found_wherever_libraries_put_them(tmp_path, name):
    path = saved(tmp_path / "net.pth", network(name=name))
    found = read_classifier_rows(path, dataset="cifar10")
    np.testing.assert_array_equal(found.rows, network()["fc.weight"].numpy())
    assert found.names[:2] == ("airplane", "automobile")
    assert found.wnids is None


def test_a_thousand_rows_are_imagenets_in_the_order_of_wnids(tmp_path):
    found = read_classifier_rows(saved(tmp_path / "net.pth", network(1000)))
    assert found.wnids == tuple(imagenet_names())
    assert found.names[0] == "tench"
    assert found.dataset == "imagenet"


def test_the_background_row_is_dropped_and_that_is_said(tmp_path):
    found = read_classifier_rows(saved(tmp_path / "net.pth", network(1001)))
    np.testing.assert_array_equal(found.rows, network(1001)["fc.weight"].numpy()[1:])
    assert any("background" in note for note in found.notes)


def test_a_convolution_of_one_pixel_is_a_classifier(tmp_path):
    tensors = network()
    tensors["fc.weight"] = tensors["fc.weight"][:, :, None, None]
    found = read_classifier_rows(saved(tmp_path / "net.pth", tensors), dataset="cifar10")
    assert found.rows.shape == (10, 6)


def test_two_classifiers_that_differ_are_named(tmp_path):
    path = saved(tmp_path / "net.pth", {"model": network(), "ema": network(seed=1)})
    with pytest.raises(CheckpointError, match=r"checkpoint must have one classifier; got .*fc\.weight.*; choose with --key") as failure:
        read_classifier_rows(path, dataset="cifar10")
    assert failure.value.code == "E_AMBIGUOUS"
    chosen = read_classifier_rows(path, dataset="cifar10", key="ema")
    np.testing.assert_array_equal(chosen.rows, network(seed=1)["fc.weight"].numpy())


def test_a_classifier_of_no_class_is_none(tmp_path):
    """What num_classes=0 leaves in a file."""
    path = saved(tmp_path / "net.pth", {**network(), "fc.weight": network()["fc.weight"][:0]})
    with pytest.raises(CheckpointError, match=r"must have a classifier .*; got none in net\.pth"):
        read_classifier_rows(path)


def test_a_checkpoint_without_a_classifier_is_refused(tmp_path):
    path = saved(tmp_path / "net.pth", {"conv.weight": torch.zeros(4, 3, 3, 3), "conv.bias": torch.zeros(4)})
    with pytest.raises(CheckpointError, match=r"--source classifier must have a classifier .* got none in net\.pth"):
        read_classifier_rows(path, dataset="cifar10")


@pytest.mark.parametrize(
    ("n_classes", "dataset", "told"),
    [
        (7, None, "--dataset must say what the 7 classes of net.pth are; got none"),
        (7, "cifar10", r"--dataset must have the 7 classes of the classifier in net.pth; got 'cifar10' with 10"),
        (7, "places365", r"--dataset must be one whose class order is known \(imagenet, imagenet100, cifar10"),
    ],
)
def test_classes_must_be_known(tmp_path, n_classes, dataset, told):
    path = saved(tmp_path / "net.pth", network(n_classes))
    with pytest.raises(UsageError, match=told):
        read_classifier_rows(path, dataset=dataset)


def test_semantic_of_classifier_rows(tmp_path):
    report = semantic(saved(tmp_path / "net.pth", network()), dataset="cifar10", source="classifier", store=tmp_path, **QUICK)
    assert report.n_classes == 10
    assert report.options["source"] == "classifier"
    assert report.provenance["classifier"] == "fc.weight"
    assert report.spearman_wup.value is not None


def test_images_have_no_part_in_classifier_rows(tmp_path):
    path = saved(tmp_path / "net.pth", network())
    with pytest.raises(UsageError, match="--layer must go with --source centroids; got it beside --source classifier"):
        semantic(path, dataset="cifar10", source="classifier", layer="stage3", store=tmp_path)


def test_unknown_source(tmp_path):
    with pytest.raises(UsageError, match="--source must be centroids or classifier; got 'logits'"):
        semantic("x.npy", source="logits", store=tmp_path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"the checkpoint must be a file, a store or a known name; got 'nowhere\.npz', which is not there"):
        semantic("nowhere.npz", store=tmp_path)
    with pytest.raises(UsageError, match="--dataset must name a data set or a folder of images for 'hydes-digits'; got none"):
        semantic("hydes-digits", store=tmp_path)
    with pytest.raises(UsageError, match=r"--source classifier must have a file or folder of weights; got 'nowhere\.pth'"):
        semantic("nowhere.pth", source="classifier", store=tmp_path)


def test_stores_whose_classes_are_numbers_are_not_taken(tmp_path):
    from repr_probe.files.home import using_home
    from repr_probe.workflows.extract import extract

    extract("hydes-digits", dataset="digits", limit=20, store=tmp_path)
    with using_home(tmp_path):
        assert newest_named_store() is None


def test_the_newest_store_with_named_classes_is_taken_and_named(tmp_path):
    from PIL import Image

    from repr_probe.progress import reporting
    from repr_probe.workflows.extract import extract

    rng = np.random.default_rng(0)
    for name in ("dog", "cat", "ship", "truck"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "pets" / name / f"{number}.png")
    (stored,) = extract("hydes-digits", dataset=tmp_path / "pets", store=tmp_path / "home", workers=0)

    class Listener:
        def __init__(self):
            self.notes = []

        def task(self, description, total):
            from contextlib import nullcontext

            return nullcontext(lambda steps: None)

        def note(self, text):
            self.notes.append(text)

    listener = Listener()
    with reporting(listener):
        report = semantic(store=tmp_path / "home", **QUICK)
    assert report.class_names == ("dog", "cat", "ship", "truck")
    assert any(f"hydes-digits on pets ({stored.key[:12]})" in note for note in listener.notes)
