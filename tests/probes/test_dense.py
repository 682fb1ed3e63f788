"""The dense probe: equal to its definition on concatenated hypercolumns, resumable, and able to learn what is there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.errors import InputError, UsageError
from repr_probe.probes.dense import fit_dense, hypercolumn_and_layers
from repr_probe.probes.dense_data import DenseData
from repr_probe.probes.dense_presets import DENSE_PRESETS, DensePreset, dense_preset
from repr_probe.probes.dense_training import DenseTraining
from repr_probe.probes.hypercolumns import ChannelScale, Hypercolumns, upsampled

QUICK = DensePreset("paper", source="", batch_size=4, epochs=2)


def example(n=6, seed=0, void=True):
    """Maps whose first channels show the class of the pixels below them, and masks at 16 x 12."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (n, 4, 3))
    masks = coarse.repeat(4, 1).repeat(4, 2).astype(np.uint8)
    if void:
        masks[:, :2, :3] = 255
    one_hot = np.moveaxis(np.eye(3)[coarse], -1, 1)
    fine = np.concatenate([one_hot.repeat(2, 2).repeat(2, 3), rng.normal(size=(n, 2, 8, 6))], 1)
    maps = {"stage1": fine.astype(np.float16), "stage2": (5 * one_hot + 100 + rng.normal(size=one_hot.shape)).astype(np.float32)}
    return maps, masks


def twin_of_a_step(training, rows):
    """Loss gradients of one convolution over the concatenated, upsampled, standardised hypercolumns."""
    data = training.data
    columns = [
        upsampled((maps - training.scales[layer][0][:, None, None]) * training.scales[layer][1][:, None, None], data.size)
        for layer, maps in data.maps(rows).items()
    ]
    weight = torch.cat([each.detach() for each in training.weights["hypercolumn"].values()], 1).requires_grad_()
    bias = training.biases["hypercolumn"].detach().clone().requires_grad_()
    logits = torch.nn.functional.conv2d(torch.cat(columns, 1), weight[:, :, None, None], bias)
    torch.nn.functional.cross_entropy(logits, data.targets(rows), ignore_index=-100).backward()
    return logits, weight.grad, bias.grad


def test_a_step_equals_the_concatenated_form():
    maps, masks = example()
    training = DenseTraining(DenseData(maps, masks, 255, "cpu"), hypercolumn_and_layers(list(maps)), 3, QUICK, 0)
    rows = np.arange(4)
    logits, weight, bias = twin_of_a_step(training, rows)
    ours = training._folded("hypercolumn").logits(training.data.maps(rows), training.data.size)
    assert torch.allclose(ours, logits, atol=2e-4)
    training.step(rows)
    gradients = torch.cat([each.grad for each in training.weights["hypercolumn"].values()], 1)
    assert torch.allclose(gradients, weight, atol=1e-5) and torch.allclose(training.biases["hypercolumn"].grad, bias, atol=1e-5)


def test_projection_equals_the_concatenation():
    generator = torch.Generator().manual_seed(0)
    columns = Hypercolumns({"a": torch.randn(2, 5, 3, 4, generator=generator), "b": torch.randn(2, 4, 9, 11, generator=generator)}, (12, 15))
    weights = {layer: torch.randn(3, maps.shape[1], generator=generator) for layer, maps in columns.maps.items()}
    whole = torch.einsum("kc,nchw->nkhw", torch.cat(list(weights.values()), 1), columns.concatenated())
    assert torch.allclose(columns.projected(weights), whole, atol=1e-5)
    assert columns.n_features == 9 and columns.concatenated().shape == (2, 9, 12, 15)


@pytest.mark.parametrize("size", [(12, 15), (3, 4), (2, 9), (6, 4)])
def test_upsampling_is_torchs_bilinear_interpolation(size):
    maps = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = torch.nn.functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    assert torch.allclose(upsampled(maps, size), theirs, atol=1e-12)


def test_channel_scale_is_that_of_all_places_also_far_from_zero():
    values = np.random.default_rng(0).normal(1e4, 1e-1, (7, 3, 2, 5))
    values[:, 2] = 7.0
    scale = ChannelScale.measured(torch.from_numpy(values).split(3))
    assert np.allclose(scale.mean, values.mean((0, 2, 3)), rtol=1e-12)
    assert np.allclose(1 / scale.inverse_std[:2], values.std((0, 2, 3))[:2], rtol=1e-9)
    assert scale.inverse_std[2] == 0
    with pytest.raises(InputError, match="maps must be of one or more images; got none"):
        ChannelScale.measured([])


@pytest.mark.parametrize("preset", ["small", "ridge"])
def test_what_the_maps_show_is_learned(preset):
    maps, masks = example(n=24)
    chosen = dense_preset(preset) if preset == "ridge" else dense_preset(preset, learning_rate=0.05)
    heads = fit_dense(maps, masks, n_classes=3, preset=chosen)
    assert list(heads) == ["hypercolumn", "stage1", "stage2"]
    tensors = {layer: torch.from_numpy(each).float() for layer, each in maps.items()}
    valid = masks != 255
    accuracy = {name: (head.predict(tensors, (16, 12)).numpy() == masks)[valid].mean() for name, head in heads.items()}
    assert accuracy["hypercolumn"] > 0.85 and accuracy["stage1"] > 0.8


def test_ridge_equals_weighted_least_squares_by_hand():
    maps, masks = example(n=3)
    head = fit_dense({"stage2": maps["stage2"]}, masks, n_classes=3, preset=DensePreset("ridge", source="", solver="ridge", cell=4))["hypercolumn"]
    rows, truth, weight = [], [], []
    for image in range(3):
        for y in range(4):
            for x in range(3):
                cell = masks[image, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
                rows.append(maps["stage2"][image, :, y, x])
                truth.append([(cell == each).sum() / max((cell != 255).sum(), 1) for each in range(3)])
                weight.append((cell != 255).mean())
    table, weight = np.float64(rows), np.float64(weight)
    mean, std = table.mean(0), table.std(0)
    table = np.c_[np.ones(len(table)), (table - mean) / std]
    penalty = 0.01 * weight.sum() * np.diag([0.0, 1, 1, 1])
    solution = np.linalg.solve(table.T * weight @ table + penalty, table.T * weight @ np.float64(truth))
    assert np.allclose(head.weights["stage2"].numpy().T * std[:, None], solution[1:], atol=1e-5)
    assert np.allclose(head.bias.numpy(), solution[0] - (mean / std) @ solution[1:], atol=1e-4)


def test_heads_trained_together_are_those_trained_alone_and_seeded():
    maps, masks = example()
    together = fit_dense(maps, masks, n_classes=3, preset=QUICK)
    alone = fit_dense(maps, masks, n_classes=3, preset=QUICK, heads={"stage2": ["stage2"]})
    assert torch.equal(together["stage2"].weights["stage2"], alone["stage2"].weights["stage2"])
    other = fit_dense(maps, masks, n_classes=3, preset=QUICK, heads={"stage2": ["stage2"]}, seed=1)
    assert not torch.equal(other["stage2"].bias, alone["stage2"].bias)


class Kept:
    """A state that fails after some epochs, as a killed process does."""

    def __init__(self, epochs):
        self.state, self.epochs = None, epochs

    def read(self):
        return self.state

    def write(self, state):
        self.state = state
        self.epochs -= 1
        if self.epochs == 0:
            raise KeyboardInterrupt


def test_an_interrupted_training_ends_in_the_same_weights():
    maps, masks = example()
    whole = fit_dense(maps, masks, n_classes=3, preset=QUICK)
    kept = Kept(epochs=1)
    with pytest.raises(KeyboardInterrupt):
        fit_dense(maps, masks, n_classes=3, preset=QUICK, state=kept)
    resumed = fit_dense(maps, masks, n_classes=3, preset=QUICK, state=kept)
    assert all(torch.equal(whole[name].bias, resumed[name].bias) for name in whole)


def test_void_has_no_say():
    maps, masks = example()
    filled = masks.copy()
    filled[masks == 255] = 254
    one, two = (fit_dense(maps, each, n_classes=3, ignore_index=void, preset=QUICK) for each, void in ((masks, 255), (filled, 254)))
    assert torch.equal(one["hypercolumn"].bias, two["hypercolumn"].bias)


def test_presets_are_the_stated_protocols():
    paper, small = DENSE_PRESETS["paper"], DENSE_PRESETS["small"]
    assert (paper.learning_rate, paper.batch_size, paper.epochs) == (1e-3, 32, 20)
    assert (small.learning_rate, small.batch_size, small.epochs) == (1e-3, 8, 15)
    assert dense_preset("paper", epochs=3).protocol != paper.protocol
    with pytest.raises(UsageError, match="preset must be one of paper, small, ridge; got 'papre'; nearest: paper"):
        dense_preset("papre")
    with pytest.raises(UsageError, match="epochs must be left out for preset ridge, which is solved in one step; got 3"):
        dense_preset("ridge", epochs=3)
    with pytest.raises(UsageError, match="learning_rate must be positive; got 0"):
        dense_preset("paper", learning_rate=0)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"masks": np.zeros((6, 16), int)}, InputError, r"masks must be \(n, height, width\) integers .*; got int64 of shape \(6, 16\)"),
        ({"masks": np.zeros((5, 16, 12), int)}, InputError, r"maps must be .* of the 5 masks; stage1 has shape \(6, 5, 8, 6\)"),
        ({"masks": np.full((6, 16, 12), 9)}, InputError, r"masks must hold class ids 0 to 2 \(void 255\); got 9"),
        ({"masks": np.full((6, 16, 12), 255)}, InputError, "masks must have a pixel that is not void; got none"),
        ({"heads": {"a": ["stage9"]}}, UsageError, r"heads must name layers that have maps \(stage1, stage2\); head 'a' names"),
    ],
)
def test_what_does_not_go_together(change, error, text):
    maps, masks = example()
    with pytest.raises(error, match=text):
        fit_dense(maps, **{"masks": masks, "n_classes": 3, **change})


def test_maps_that_are_not_finite():
    maps, masks = example()
    maps["stage2"][3, 1, 0, 0] = np.nan
    with pytest.raises(InputError, match="maps must be finite; layer stage2 gives NaN or infinity; check the weights"):
        fit_dense(maps, masks, n_classes=3)


def test_hypercolumns_of_maps_that_do_not_go_together():
    with pytest.raises(InputError, match=r"maps must be \(n, channels, height, width\) for one or more layers; got a \(1, 2\)"):
        Hypercolumns({"a": torch.zeros(1, 2)}, (4, 4))
    with pytest.raises(InputError, match="maps must be of the same images at every layer; got a"):
        Hypercolumns({"a": torch.zeros(1, 2, 1, 1), "b": torch.zeros(2, 2, 1, 1)}, (4, 4))
    with pytest.raises(InputError, match="weights must be given for one or more layers; got none"):
        Hypercolumns({"a": torch.zeros(1, 2, 1, 1)}, (4, 4)).projected({})
