"""Linear probes: the optimum of the stated loss, the choice of the penalty, the recipes step by step."""

from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.metrics.rows import Rows
from repr_probe.probes import linear as module
from repr_probe.probes.linear import PENALTIES, RECIPES, chosen_recipe, held_out, linear
from repr_probe.probes.logistic import fit_logistic
from repr_probe.probes.minibatch import Recipe, train_layers
from repr_probe.probes.standardised import Scale, Standardised


def blobs(n_train=600, n_test=200, n_classes=8, width=16, noise=1.5, seed=0):
    rng = np.random.default_rng(seed)
    centres, scales = rng.standard_normal((n_classes, width)), np.logspace(1, -2, width)
    codes = rng.integers(0, n_classes, n_train), rng.integers(0, n_classes, n_test)
    rows = [(centres[part] + noise * rng.standard_normal((len(part), width))) * scales + 5.0 for part in codes]
    return rows[0], codes[0], rows[1], codes[1]


def standardised(rows, memory=1 << 30):
    return Standardised(Rows(rows), Scale.of(Rows(rows)), memory)


def loss_of(weights, rows, codes, l2):
    """The stated loss in its plainest form."""
    scores = rows @ weights[:-1] + weights[-1]
    scores = scores - scores.max(1, keepdims=True)
    entropy = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(codes)), codes]
    return entropy.mean() + 0.5 * l2 * (weights[:-1] ** 2).sum()


@pytest.mark.parametrize("memory", [1 << 30, 1])
def test_optimum_equals_scikit_learn(memory):
    from sklearn.linear_model import LogisticRegression

    rows, codes, *_ = blobs()
    scaled = standardised(rows, memory)
    penalties = np.array([1e-4, 1e-2, 1.0])
    found = fit_logistic(scaled, codes, 8, penalties, memory=memory)
    assert found.converged.all()
    for l2, weights, loss in zip(penalties, found.weights, found.losses, strict=True):
        ready = scaled.block(0, len(rows))
        theirs = LogisticRegression(C=1 / (len(rows) * l2), tol=1e-9, max_iter=5000).fit(ready, codes)
        assert loss == pytest.approx(loss_of(weights, ready, codes, l2), rel=1e-12)
        other = loss_of(np.vstack([theirs.coef_.T, theirs.intercept_]), ready, codes, l2)
        assert loss == pytest.approx(other, rel=1e-6)
        assert loss <= other * (1 + 1e-8)
        assert np.allclose(weights[:-1] - weights[:-1].mean(1, keepdims=True), theirs.coef_.T - theirs.coef_.T.mean(1, keepdims=True), atol=1e-3)


def test_gradient_at_the_optimum_by_differences():
    rows, codes, *_ = blobs(n_train=80, n_classes=3, width=4)
    scaled = standardised(rows)
    (weights,) = fit_logistic(scaled, codes, 3, np.array([0.01])).weights
    ready = scaled.block(0, 80)
    for place in np.ndindex(weights.shape):
        step = np.zeros_like(weights)
        step[place] = 1e-5
        slope = (loss_of(weights + step, ready, codes, 0.01) - loss_of(weights - step, ready, codes, 0.01)) / 2e-5
        assert abs(slope) < 2e-6


def test_small_penalties_stop_within_a_millionth_of_the_least_loss():
    """A gradient of 1e-6 alone stops here a hundred times further above the optimum than that."""
    from sklearn.linear_model import LogisticRegression

    rows, codes, *_ = blobs(n_train=300, noise=1.0)
    scaled = standardised(rows)
    found = fit_logistic(scaled, codes, 8, np.array([1e-7, 1e-6, 1e-5]))
    assert found.converged.all()
    for l2, loss in zip((1e-7, 1e-6, 1e-5), found.losses, strict=True):
        ready = scaled.block(0, len(rows))
        theirs = LogisticRegression(C=1 / (len(rows) * l2), solver="newton-cg", tol=1e-11, max_iter=500).fit(ready, codes)
        least = loss_of(np.vstack([theirs.coef_.T, theirs.intercept_]), ready, codes, l2)
        assert loss <= least * (1 + 1e-6)


def test_penalties_together_equal_penalties_alone():
    rows, codes, *_ = blobs(n_train=200)
    together = fit_logistic(standardised(rows), codes, 8, np.array([1e-3, 1e-1, 10.0]))
    for number, l2 in enumerate((1e-3, 1e-1, 10.0)):
        alone = fit_logistic(standardised(rows), codes, 8, np.array([l2]))
        assert together.losses[number] == pytest.approx(alone.losses[0], rel=1e-9)


def test_the_whole_protocol_equals_scikit_learn_by_hand():
    from sklearn.linear_model import LogisticRegression

    rows, codes, tests, truth = blobs()
    held = held_out(codes)

    def fitted(part, labels, l2):
        mean, deviation = part.mean(0), part.std(0)
        network = LogisticRegression(C=1 / (len(part) * l2), tol=1e-8, max_iter=5000).fit((part - mean) / deviation, labels)
        return lambda other: network.predict((other - mean) / deviation)

    tops = [np.mean(fitted(rows[~held], codes[~held], l2)(rows[held]) == codes[held]) for l2 in PENALTIES]
    best = max(range(10), key=lambda number: (tops[number], PENALTIES[number]))
    found = linear(rows, codes, tests, truth)
    assert found.settings["validation_top1"] == pytest.approx(tops)
    assert found.settings["l2"] == PENALTIES[best]
    assert np.array_equal(found.predictions, fitted(rows, codes, PENALTIES[best])(tests))
    assert found.converged
    assert found.protocol == "linear lbfgs standardised grid"


def test_the_grid_is_the_stated_one():
    assert np.allclose(np.log10(PENALTIES), np.linspace(-6, 2, 10))


def test_ties_go_to_the_larger_penalty():
    rows = np.repeat(np.eye(4), 20, 0) * 9
    found = linear(rows, np.repeat(np.arange(4), 20), rows, np.repeat(np.arange(4), 20))
    tops = found.settings["validation_top1"]
    assert tops[0] == 1.0
    assert found.settings["l2"] == max(l2 for l2, top in zip(PENALTIES, tops, strict=True) if top == 1.0)


def test_test_rows_choose_nothing():
    rows, codes, tests, truth = blobs()
    one, other = linear(rows, codes, tests, truth), linear(rows, codes, tests[::-1] * 3, truth)
    assert one.settings["l2"] == other.settings["l2"]
    assert one.settings["validation_top1"] == other.settings["validation_top1"]


def test_every_tenth_row_of_a_class_is_held_out():
    codes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [35, 20, 9]))
    held = held_out(codes)
    for code, count in ((0, 3), (1, 2), (2, 0)):
        rows = np.flatnonzero(codes == code)
        assert held[rows].tolist() == [place % 10 == 9 for place in range(len(rows))]
        assert held[rows].sum() == count


def test_scale_and_offset_of_features_change_nothing():
    rows, codes, tests, truth = blobs()
    scale = np.logspace(-3, 3, rows.shape[1])
    one, other = linear(rows, codes, tests, truth), linear(rows * scale + 100, codes, tests * scale + 100, truth)
    assert np.array_equal(one.predictions, other.predictions)


def test_constant_columns_are_ignored():
    rows, codes, tests, truth = blobs(n_train=200)
    wide = np.hstack([rows, np.full((len(rows), 1), 0.1)])
    wide_tests = np.hstack([tests, np.random.default_rng(0).standard_normal((len(tests), 1)) * 1e6])
    assert np.array_equal(linear(rows, codes, tests, truth, l2=0.1).predictions, linear(wide, codes, wide_tests, truth, l2=0.1).predictions)


def test_shuffled_labels_read_like_chance():
    rows, codes, tests, truth = blobs(n_train=1000, n_test=500)
    assert linear(rows, np.random.default_rng(0).permutation(codes), tests, truth, l2=1.0).top1 < 0.25
    assert linear(rows, codes, tests, truth, l2=1.0).ci[0] > 0.5


def test_a_fit_that_does_not_converge_is_said(monkeypatch):
    from repr_probe.probes import logistic

    monkeypatch.setattr(logistic, "MAX_ITERATIONS", 2)
    found = linear(*blobs(), l2=1e-6)
    assert found.converged is False
    assert any(note.startswith("not converged to a gradient of 1e-06 and a loss within 1e-06 of the least for l2 = 1e-06 (") for note in found.notes)


def test_absent_classes_strings_and_top5():
    rows, codes, tests, truth = blobs()
    names = np.array(list("abcdefgh"))
    found = linear(rows[codes != 3], names[codes[codes != 3]], tests, names[truth], l2=0.1)
    assert found.n_absent == int((truth == 3).sum())
    assert not found.hits[truth == 3].any()
    assert found.top5 > found.top1
    few = linear(rows[codes < 5], codes[codes < 5], tests[truth < 5], truth[truth < 5], l2=0.1)
    assert few.top5 is None
    assert "got 5" in few.top5_reason


@pytest.mark.parametrize(("optimiser", "cosine"), [("adam", False), ("sgd", True)])
def test_recipes_step_like_torch(optimiser, cosine):
    import torch

    rows, codes, *_ = blobs(n_train=70, n_classes=4, width=5)
    recipe = Recipe(optimiser, (0.02,), 32, epochs=3, steps=None, cosine=cosine, start="torch")
    (found,) = train_layers(Rows(rows), codes, 4, recipe, seed=5, device="cpu")

    draws = torch.Generator().manual_seed(5)
    start = torch.empty(6, 4).uniform_(-(5**-0.5), 5**-0.5, generator=draws)
    layer = torch.nn.Linear(5, 4)
    layer.weight.data, layer.bias.data = start[:-1].T.clone(), start[-1].clone()
    made = torch.optim.Adam(layer.parameters(), lr=0.02) if optimiser == "adam" else torch.optim.SGD(layer.parameters(), lr=0.02, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(made, 9) if cosine else None
    values, targets = torch.tensor(rows, dtype=torch.float32), torch.tensor(codes)
    for _ in range(3):
        for batch in torch.randperm(70, generator=draws).split(32):
            made.zero_grad()
            torch.nn.functional.cross_entropy(layer(values[batch]), targets[batch]).backward()
            made.step()
            if schedule is not None:
                schedule.step()
    expected = torch.cat([layer.weight.T, layer.bias[None]]).detach().numpy()
    assert np.allclose(found, expected, atol=2e-5)


def test_learning_rates_in_one_pass_equal_one_at_a_time():
    rows, codes, *_ = blobs(n_train=100)
    recipe = Recipe("sgd", (0.001, 0.01, 0.1), 16, epochs=None, steps=25, cosine=True, start="normal")
    together = train_layers(Rows(rows), codes, 8, recipe, seed=0, device="cpu")
    for number, rate in enumerate(recipe.learning_rates):
        one = Recipe("sgd", (rate,), 16, epochs=None, steps=25, cosine=True, start="normal")
        assert np.allclose(together[number], train_layers(Rows(rows), codes, 8, one, seed=0, device="cpu")[0], atol=1e-5)


@pytest.mark.parametrize(("preset", "epochs"), [("paper", 400), ("sgd", 30), ("dinov2", 30)])
def test_recipes_learn_and_tell_every_setting(preset, epochs):
    rows, codes, tests, truth = blobs(noise=0.5)
    scaled = Scale.of(Rows(rows))
    ready = [(part - scaled.mean) * scaled.factor for part in (rows, tests)]
    found = linear(ready[0], codes, ready[1], truth, preset=preset, epochs=epochs)
    assert found.top1 > 0.9
    assert found.converged is None
    told = {"optimiser", "learning_rate", "batch_size", "epochs", "steps", "schedule", "momentum", "weight_decay", "start", "seed"}
    assert told <= set(found.settings)
    assert found.protocol == f"linear {preset} batch={RECIPES[preset].batch_size} epochs={epochs} seed=0"
    again = linear(ready[0], codes, ready[1], truth, preset=preset, epochs=epochs)
    assert np.array_equal(found.predictions, again.predictions)


def test_recipes_are_those_of_their_sources():
    paper, sgd, dinov2 = (chosen_recipe(preset, None, None, None) for preset in ("paper", "sgd", "dinov2"))
    assert (paper.optimiser, paper.learning_rates, paper.batch_size, paper.epochs) == ("adam", (1e-3,), 256, 90)
    assert (sgd.learning_rates, sgd.momentum, sgd.cosine, sgd.epochs) == ((0.1,), 0.9, True, 90)
    assert (len(dinov2.learning_rates), dinov2.steps, dinov2.batch_size) == (13, 12500, 128)
    assert dinov2.learning_rates[-1] == 0.1 * 128 / 256
    assert chosen_recipe("sgd", None, None, 512).learning_rates == (0.2,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "adam"}, "preset must be one of lbfgs, paper, sgd, dinov2; got 'adam'"),
        ({"l2": 0.0}, "l2 must be a finite number above 0; got 0.0"),
        ({"preset": "sgd", "l2": 0.1}, "l2 must go with preset 'lbfgs'; got 0.1 beside 'sgd'"),
        ({"epochs": 5}, "epochs must go with a minibatch preset; got 5 beside 'lbfgs'"),
        ({"preset": "paper", "epochs": 0}, "epochs must be an integer, 1 or more; got 0"),
        ({"seed": -1}, "seed must be an integer, 0 or more; got -1"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        linear(*blobs(), **options)


def test_bad_features():
    rows, codes, tests, truth = blobs()
    broken = rows.copy()
    broken[7] = np.inf
    with pytest.raises(InputError, match="train must be finite; 1 of 600 rows are not, first row 7"):
        linear(broken, codes, tests, truth)
    with pytest.raises(InputError, match="train must have two classes; got 1"):
        linear(rows, np.zeros(600, int), tests, np.zeros(200, int))
    with pytest.raises(InputError, match="train must have a class of 10 rows to hold one out; got fewer in each; pass l2="):
        linear(rows[:20], np.arange(20) % 8, tests, truth)
    with pytest.raises(InputError, match="test must be features with labels; got none"):
        linear(rows, codes)


def test_the_module_says_its_presets():
    assert module.PRESETS == ("lbfgs", "paper", "sgd", "dinov2")
