"""The confusion matrix of masks against torchmetrics, against a double loop, and the ways in which others get another number."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.probes.confusion import Confusion

VOID = 255


def random_masks(n_classes=6, absent=(4,), n=5, size=(7, 9), seed=0):
    rng = np.random.default_rng(seed)
    kinds = [each for each in range(n_classes) if each not in absent]
    masks = rng.choice(kinds, (n, *size))
    masks[rng.random(masks.shape) < 0.1] = VOID
    predicted = np.where(rng.random(masks.shape) < 0.6, np.where(masks == VOID, 0, masks), rng.choice(kinds, masks.shape))
    return predicted, masks


@pytest.fixture
def counted():
    predicted, masks = random_masks()
    confusion = Confusion(6, ignore_index=VOID)
    for guess, truth in zip(predicted, masks):
        confusion.update(guess, truth)
    return confusion, predicted, masks


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mean_iou_is_torchmetrics_jaccard_index(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchmetrics = pytest.importorskip("torchmetrics.classification")
    import torch

    predicted, masks = random_masks(seed=seed)
    confusion = Confusion(6, ignore_index=VOID)
    confusion.update(predicted, masks)
    theirs = torchmetrics.MulticlassJaccardIndex(num_classes=6, ignore_index=VOID, average="macro")
    assert confusion.mean_iou() == pytest.approx(theirs(torch.from_numpy(predicted), torch.from_numpy(masks)).item(), abs=1e-6)
    theirs = torchmetrics.MulticlassAccuracy(num_classes=6, ignore_index=VOID, average="micro")
    assert confusion.pixel_accuracy() == pytest.approx(theirs(torch.from_numpy(predicted), torch.from_numpy(masks)).item(), abs=1e-6)


def test_counts_equal_a_double_loop(counted):
    confusion, predicted, masks = counted
    slow = np.zeros((6, 6), int)
    for truth, guess in zip(masks.ravel(), predicted.ravel()):
        if truth != VOID:
            slow[truth, guess] += 1
    assert confusion.counts.dtype == np.int64
    assert np.array_equal(confusion.counts, slow)


def test_absent_classes_are_nan_and_left_out_of_means(counted):
    confusion = counted[0]
    iou = confusion.iou()
    assert np.isnan(iou[4]) and np.isfinite(np.delete(iou, 4)).all()
    assert confusion.mean_iou() == pytest.approx(np.delete(iou, 4).mean())
    found = np.diag(confusion.counts) / np.maximum(confusion.counts.sum(1), 1)
    assert confusion.mean_class_accuracy() == pytest.approx(np.delete(found, 4).mean())


def test_a_class_only_predicted_counts_with_zero():
    confusion = Confusion(3)
    confusion.update(np.array([0, 2]), np.array([0, 0]))
    assert confusion.iou().tolist()[::2] == [0.5, 0.0] and np.isnan(confusion.iou()[1])
    assert confusion.mean_iou() == 0.25


def test_it_is_no_mean_over_batches_and_void_is_not_background(counted):
    confusion, predicted, masks = counted
    means = []
    for guess, truth in zip(predicted, masks):
        one = Confusion(6, ignore_index=VOID)
        one.update(guess, truth)
        means.append(one.mean_iou())
    assert abs(np.mean(means) - confusion.mean_iou()) > 1e-3
    background = Confusion(6, ignore_index=None)
    background.update(predicted, np.where(masks == VOID, 0, masks))
    assert abs(background.mean_iou() - confusion.mean_iou()) > 1e-3


def test_wrong_names_are_not_repaired_by_matching():
    predicted, masks = random_masks()
    right, wrong = Confusion(6), Confusion(6)
    right.update(predicted, masks)
    wrong.update((predicted + 1) % 6, masks)
    assert wrong.mean_iou() < right.mean_iou() / 3


def test_parts_merge_to_the_whole(counted):
    confusion, predicted, masks = counted
    first, second = Confusion(6), Confusion(6)
    first.update(predicted[:2], masks[:2])
    second.update(predicted[2:], masks[2:])
    first.merge(second)
    assert np.array_equal(first.counts, confusion.counts)
    with pytest.raises(InputError, match="confusions must have the same classes and void; got different ones"):
        first.merge(Confusion(5))


def test_renaming_classes_permutes_the_result(counted):
    confusion, predicted, masks = counted
    order = np.array([3, 1, 5, 0, 2, 4])
    renamed = Confusion(6, ignore_index=VOID)
    renamed.update(order[predicted], np.where(masks == VOID, VOID, order[np.minimum(masks, 5)]))
    assert renamed.mean_iou() == pytest.approx(confusion.mean_iou())
    assert np.allclose(renamed.iou()[order], confusion.iou(), equal_nan=True)


@pytest.mark.parametrize(
    ("predicted", "masks", "text"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), r"predictions must have the shape of the masks \(2, 3\); got \(2, 2\)"),
        (np.zeros(2, int), np.array([0, 7]), r"masks must hold class ids 0 to 2 \(void 255\); got 7"),
        (np.array([0, 3]), np.zeros(2, int), r"predictions must hold class ids 0 to 2 \(void 255\); got 3"),
        (np.zeros(2, int), np.array([0, -1]), r"masks must hold class ids 0 to 2 \(void 255\); got -1"),
    ],
)
def test_what_cannot_be_counted(predicted, masks, text):
    confusion = Confusion(3)
    with pytest.raises(InputError, match=text):
        confusion.update(predicted, masks)
    assert not confusion.counts.any()


def test_nothing_but_void_has_no_measure():
    confusion = Confusion(2)
    confusion.update(np.zeros(3, int), np.full(3, VOID))
    for measure in (confusion.mean_iou, confusion.pixel_accuracy, confusion.mean_class_accuracy):
        with pytest.raises(UndefinedMeasure, match="masks must have a pixel that is not void; got none"):
            measure()
    with pytest.raises(InputError, match="n_classes must be 1 or more; got 0"):
        Confusion(0)
