"""The HyDeS loss against its definition written as loops, its identities with known losses, and arbitrary precision."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, normalize

from repr_probe.errors import InputError, UsageError
from repr_probe.training import hydes_loss as module
from repr_probe.training.hydes_loss import HyDeSLoss, hydes_entropies, hydes_loss, information_ceiling
from repr_probe.training.vmf import log_normaliser, log_sphere_area, log_uniform_mean


def random_views(n_images: int, n_views: int, n_features: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(n_images, n_views, n_features, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def entropies_by_loops(z: torch.Tensor, kappa: float) -> tuple[float, float]:
    """Eqs. 1-3 word for word, absolute, with the normaliser of the three-dimensional sphere or of arbitrary precision."""
    n_images, n_views, n_features = z.shape
    rows = [(image, z[image, view] / z[image, view].norm()) for image in range(n_images) for view in range(n_views)]
    constant = math.exp(log_normaliser_mpmath(n_features, kappa))
    sums = [0.0, 0.0]
    for i, (image, row) in enumerate(rows):
        kernels = [(other == image, constant * math.exp(kappa * float(row @ column))) for j, (other, column) in enumerate(rows) if j != i]
        for which, values in enumerate(([k for _, k in kernels], [k for same, k in kernels if same])):
            sums[which] -= math.log(sum(values) / len(values))
    return sums[0] / len(rows), sums[1] / len(rows)


def log_normaliser_mpmath(n_features: int, kappa: float) -> float:
    """log of kappa^(D/2-1) / ((2 pi)^(D/2) I_(D/2-1)(kappa)), the textbook form, with 60 digits."""
    with mpmath.workdps(60):
        order = mpmath.mpf(n_features) / 2 - 1
        kappa = mpmath.mpf(kappa)
        return float(order * mpmath.log(kappa) - (order + 1) * mpmath.log(2 * mpmath.pi) - mpmath.log(mpmath.besseli(order, kappa)))


def same_value_and_gradient(loss: torch.Tensor, expected: torch.Tensor, z: torch.Tensor) -> None:
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
    (gradient,), (expected_gradient,) = torch.autograd.grad(loss, z), torch.autograd.grad(expected, z)
    torch.testing.assert_close(gradient, expected_gradient, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kappa", [0.1, 1.0, 7.0])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (1.0, 0.5), (0.3, 2.0), (0.0, 1.0), (1.0, 0.0)])
def test_the_loss_is_its_definition(kappa, alpha, beta):
    z = random_views(5, 3, 6)
    h_global, h_local = entropies_by_loops(z, kappa)
    assert hydes_loss(z, alpha=alpha, beta=beta, kappa=kappa).item() == pytest.approx(-(alpha * h_global - beta * h_local), abs=1e-12)


@pytest.mark.parametrize("kappa", [0.1, 1.0, 7.0])
def test_the_entropies_are_their_definition(kappa):
    z = random_views(4, 3, 5, seed=1)
    h_global, h_local = entropies_by_loops(z, kappa)
    entropies = hydes_entropies(z, kappa=kappa)
    assert entropies.h_global.item() + entropies.log_area == pytest.approx(h_global, abs=1e-12)
    assert entropies.h_local.item() + entropies.log_area == pytest.approx(h_local, abs=1e-12)
    assert entropies.mutual_information.item() == pytest.approx(-hydes_loss(z, kappa=kappa).item(), abs=1e-12)


@pytest.mark.parametrize("kappa", [1.0, 10.0])
def test_two_views_make_it_lightlys_nt_xent(kappa):
    lightly = pytest.importorskip("lightly.loss")
    n_images, z = 7, random_views(7, 2, 9).requires_grad_()
    theirs = lightly.NTXentLoss(temperature=1 / kappa)(z[:, 0], z[:, 1]) - math.log(2 * n_images - 1)
    same_value_and_gradient(hydes_loss(z, kappa=kappa), theirs, z)


@pytest.mark.parametrize("kappa", [1.0, 10.0])
def test_without_positives_in_the_marginal_it_is_lightlys_dcl(kappa):
    lightly = pytest.importorskip("lightly.loss")
    n_images, z = 7, random_views(7, 2, 9).requires_grad_()
    theirs = lightly.DCLLoss(temperature=1 / kappa)(z[:, 0], z[:, 1]) - math.log(2 * n_images - 2)
    same_value_and_gradient(hydes_loss(z, kappa=kappa, marginal="negatives"), theirs, z)


@pytest.mark.parametrize("kappa", [1.0, 10.0])
def test_two_views_make_it_nt_xent(kappa):
    """NT-Xent with temperature 1 / kappa, minus log(2N - 1): the same value and the same gradient."""
    n_images = 6
    z = random_views(n_images, 2, 8).requires_grad_()
    rows = normalize(z.transpose(0, 1).reshape(2 * n_images, 8), dim=1)  # SimCLR's order: all first views, then all second ones
    logits = kappa * rows @ rows.T - 1e9 * torch.eye(2 * n_images, dtype=z.dtype)
    nt_xent = cross_entropy(logits, (torch.arange(2 * n_images) + n_images) % (2 * n_images)) - math.log(2 * n_images - 1)
    same_value_and_gradient(hydes_loss(z, kappa=kappa), nt_xent, z)


def test_more_views_make_it_supcon_in():
    """SupCon with the logarithm outside the mean over positives (L_in), minus log(VN - 1)."""
    n_images, n_views, kappa = 4, 8, 3.0
    z = random_views(n_images, n_views, 7, seed=2).requires_grad_()
    rows = normalize(z.reshape(-1, 7), dim=1)
    kernels = (kappa * rows @ rows.T).exp()
    image = torch.arange(n_images).repeat_interleave(n_views)
    terms = []
    for i in range(len(rows)):
        others = torch.arange(len(rows)) != i
        denominator = kernels[i, others].sum()
        terms.append(-torch.log((kernels[i, others & (image == image[i])] / denominator).mean()))
    expected = torch.stack(terms).mean() - math.log(n_images * n_views - 1)
    same_value_and_gradient(hydes_loss(z, kappa=kappa), expected, z)


def test_the_marginal_of_negatives_by_loops():
    n_images, n_views, kappa = 4, 3, 2.5
    z = random_views(n_images, n_views, 6, seed=9)
    rows = normalize(z, dim=2)
    terms = [
        math.log(sum(math.exp(kappa * float(rows[i, v] @ rows[j, w])) for j in range(4) if j != i for w in range(3)) / (3 * 3))
        for i in range(n_images) for v in range(n_views)
    ]  # fmt: skip
    entropies = hydes_entropies(z, kappa=kappa, marginal="negatives")
    assert entropies.global_log_mean.item() == pytest.approx(sum(terms) / len(terms), abs=1e-13)
    assert entropies.local_log_mean.item() == pytest.approx(hydes_entropies(z, kappa=kappa).local_log_mean.item(), abs=1e-15)


def test_the_mean_of_logs_is_the_mean_cosine_of_positives():
    z, kappa = random_views(5, 4, 6, seed=10), 3.0
    rows = normalize(z, dim=2)
    cosines = (rows @ rows.mT)[:, ~torch.eye(4, dtype=torch.bool)]
    mean_log = hydes_entropies(z, kappa=kappa, local="mean_log").local_log_mean.item()
    assert mean_log == pytest.approx(kappa * cosines.mean().item(), abs=1e-13)
    assert mean_log < hydes_entropies(z, kappa=kappa, local="log_mean").local_log_mean.item()  # Jensen
    assert hydes_loss(z[:, :2], local="mean_log").item() == pytest.approx(hydes_loss(z[:, :2]).item(), abs=1e-13)  # one positive


@pytest.mark.parametrize("marginal", ["all", "negatives"])
@pytest.mark.parametrize("local", ["log_mean", "mean_log"])
def test_gradients_are_those_of_finite_differences(marginal, local):
    z = random_views(3, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: hydes_loss(z, alpha=0.7, beta=1.3, kappa=4.0, marginal=marginal, local=local), z)


@pytest.mark.parametrize("marginal", ["all", "negatives"])
@pytest.mark.parametrize("chunk", [1, 5, 14, 15, 1000])
def test_blocks_of_rows_change_nothing(chunk, marginal):
    z = random_views(5, 3, 6, seed=11).requires_grad_()
    same_value_and_gradient(
        hydes_loss(z, beta=0.5, kappa=8.0, marginal=marginal, chunk=chunk), hydes_loss(z, beta=0.5, kappa=8.0, marginal=marginal), z
    )


def test_auto_takes_blocks_above_its_limit_only(monkeypatch):
    sizes = []
    of_block = module._log_means_of_block
    monkeypatch.setattr(module, "_log_means_of_block", lambda rows, *rest: sizes.append(len(rows)) or of_block(rows, *rest))
    z = random_views(4, 2, 3)
    dense = hydes_loss(z)
    monkeypatch.setattr(module, "DENSE_BYTES", 3 * 8 * 8 + 7)  # room for three rows of eight float64 cosines
    assert hydes_loss(z).item() == pytest.approx(dense.item(), abs=1e-14)
    assert sizes == [8, 3, 3, 2]


def test_blocks_keep_less_for_the_gradient():
    z = random_views(64, 2, 4).requires_grad_()
    kept = {}
    for chunk in (8, 128):
        saved: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, saved=saved: saved.append(x.numel()) or x, lambda x: x):
            hydes_loss(z, chunk=chunk)
        kept[chunk] = max(saved)
    assert kept[8] < 128 * 128 <= kept[128]


def test_the_module_is_the_function():
    z = random_views(4, 3, 5)
    options = {"alpha": 0.8, "beta": 0.4, "kappa": 2.0, "marginal": "negatives", "local": "mean_log", "chunk": 4, "gather": False}
    loss = HyDeSLoss(**options)
    assert loss(z).item() == hydes_loss(z, **options).item()
    assert loss.entropies(z).loss(alpha=0.8, beta=0.4).item() == loss(z).item()
    assert not list(loss.parameters())
    assert not loss.state_dict()


def test_a_regular_simplex_has_a_closed_form():
    """N orthogonal directions, V equal views: cosines 1 within an image and 0 between images."""
    n_images, n_views, kappa = 5, 3, 2.0
    z = torch.eye(n_images, dtype=torch.float64)[:, None].expand(n_images, n_views, n_images)
    positives, others = (n_views - 1) * math.exp(kappa), (n_images - 1) * n_views
    spread = math.log((positives + others) / (n_images * n_views - 1))
    assert hydes_loss(z, kappa=kappa).item() == pytest.approx(spread - kappa, abs=1e-12)


def test_one_point_has_no_information():
    entropies = hydes_entropies(torch.ones(4, 3, 6, dtype=torch.float64), kappa=5.0)
    absolute = -(log_normaliser(6, 5.0) + 5.0)
    assert entropies.h_global.item() + entropies.log_area == pytest.approx(absolute, abs=1e-12)
    assert entropies.mutual_information.item() == pytest.approx(0.0, abs=1e-14)
    assert entropies.h_local.item() == pytest.approx(log_uniform_mean(6, 5.0) - 5.0, abs=1e-14)


def test_agreeing_views_have_the_entropy_of_the_kernel_at_its_centre():
    entropies = hydes_entropies(random_views(5, 1, 6).expand(5, 3, 6), kappa=5.0)
    assert entropies.h_local.item() + entropies.log_area == pytest.approx(-(log_normaliser(6, 5.0) + 5.0), abs=1e-12)


def test_a_flat_kernel_sees_the_uniform_density():
    entropies = hydes_entropies(random_views(8, 2, 16), kappa=1e-6)
    assert abs(entropies.h_global.item()) < 2e-6
    assert abs(entropies.h_local.item()) < 2e-6


def test_uniform_points_come_near_the_uniform_entropy():
    """Above uniform by what the finite sample leaves out: next to nothing at kappa 1; at kappa 20 less the more points there are."""
    few, many = random_views(512, 2, 64, dtype=torch.float32), random_views(2048, 2, 64, dtype=torch.float32)
    assert abs(hydes_entropies(few, kappa=1.0).h_global.item()) < 1e-3
    assert 0.01 < hydes_entropies(few, kappa=20.0).h_global.item() < 0.06
    assert 0.003 < hydes_entropies(many, kappa=20.0).h_global.item() < 0.016


def test_a_small_kappa_sees_only_the_mean_cosine():
    """Second order: -h_global = kappa * mean cosine + kappa^2 / 2 * (variance of the cosines - 1 / D)."""
    z, kappa = random_views(20, 2, 10), 0.01
    rows = normalize(z.reshape(40, 10), dim=1)
    cosines = (rows @ rows.T)[~torch.eye(40, dtype=torch.bool)].reshape(40, 39)
    expected = kappa * cosines.mean() + kappa**2 / 2 * (cosines.var(dim=1, correction=0).mean() - 1 / 10)
    assert -hydes_entropies(z, kappa=kappa).h_global.item() == pytest.approx(expected.item(), abs=1e-6)


def test_what_must_not_matter_does_not():
    z = random_views(6, 4, 5, seed=3)
    rotation, _ = torch.linalg.qr(random_views(1, 5, 5, seed=4)[0])
    lengths = torch.rand(6, 4, 1, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 9 + 0.1
    loss = hydes_loss(z, kappa=3.0).item()
    for same in (z @ rotation, z[torch.randperm(6)], z[:, [2, 0, 3, 1]], z * lengths):
        assert hydes_loss(same, kappa=3.0).item() == pytest.approx(loss, abs=1e-12)


def test_what_must_matter_does():
    z = random_views(6, 2, 5, seed=6)
    mixed = torch.stack([z[:, 0], z[:, 1].roll(1, 0)], dim=1)  # views paired with the wrong image: same H_global, other H_local
    agreeing = torch.stack([z[:, 0], z[:, 0]], dim=1)
    assert hydes_entropies(mixed).h_global.item() == pytest.approx(hydes_entropies(z).h_global.item(), abs=1e-12)
    assert hydes_loss(mixed, kappa=5.0).item() != pytest.approx(hydes_loss(z, kappa=5.0).item(), abs=1e-3)
    assert hydes_loss(agreeing, kappa=5.0) < hydes_loss(z, kappa=5.0)


@given(
    n_images=st.integers(2, 9), n_views=st.integers(2, 5), n_features=st.integers(2, 12), seed=st.integers(0, 10**6),
    noise=st.floats(0.0, 2.0), log_kappa=st.floats(-3.0, 4.0), marginal=st.sampled_from(["all", "negatives"]),
    local=st.sampled_from(["log_mean", "mean_log"]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_information_stays_below_its_ceiling(n_images, n_views, n_features, seed, noise, log_kappa, marginal, local):
    z = random_views(n_images, 1, n_features, seed) + noise * random_views(n_images, n_views, n_features, seed + 1)
    kappa = 10.0**log_kappa
    entropies = hydes_entropies(z, kappa=kappa, marginal=marginal, local=local)
    assert entropies.mutual_information.item() <= entropies.ceiling + 1e-12 * max(1.0, kappa)
    assert information_ceiling(n_images, n_views, kappa) <= math.log((n_images * n_views - 1) / (n_views - 1)) + 1e-12


@pytest.mark.parametrize("marginal", ["all", "negatives"])
@pytest.mark.parametrize("kappa", [0.1, 1.0, 10.0, 1000.0])
def test_a_centred_simplex_with_agreeing_views_reaches_the_ceiling(kappa, marginal):
    n_images, n_views = 6, 3
    corners = torch.eye(n_images, dtype=torch.float64) - 1 / n_images
    entropies = hydes_entropies(corners[:, None].expand(-1, n_views, -1), kappa=kappa, marginal=marginal)
    assert entropies.mutual_information.item() == pytest.approx(entropies.ceiling, rel=1e-13)


def test_float32_follows_float64_and_half_is_raised():
    z = random_views(16, 2, 64, seed=8)
    exact = hydes_loss(z, kappa=10.0).item()
    assert hydes_loss(z.float(), kappa=10.0).item() == pytest.approx(exact, abs=1e-5)
    assert hydes_loss(z.bfloat16(), kappa=10.0).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert hydes_loss(z.float(), kappa=10.0).item() == pytest.approx(exact, abs=1e-5)


def test_a_huge_kappa_stays_finite():
    z = random_views(8, 2, 16, dtype=torch.float32).requires_grad_()
    loss = hydes_loss(z, kappa=1e4)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


def test_a_zero_row_has_a_bounded_gradient():
    z = random_views(4, 2, 8, dtype=torch.float32)
    z[1, 0] = 0
    z.requires_grad_()
    hydes_loss(z).backward()
    assert torch.isfinite(z.grad).all()
    assert z.grad.abs().max() < 1e6


def test_the_input_is_left_alone():
    z = random_views(3, 2, 4)
    before = z.clone()
    hydes_loss(z)
    assert torch.equal(z, before)


def test_the_normaliser_enters_where_the_weights_differ():
    z = random_views(3, 2, 4096, dtype=torch.float32)
    difference = hydes_loss(z, alpha=1.0, beta=0.5).item() - hydes_loss(z, alpha=0.5, beta=0.5).item()
    h_global = hydes_entropies(z).h_global.item() + log_sphere_area(4096)
    assert difference == pytest.approx(-0.5 * h_global, rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 2), r"z must have shape \(n_images, n_views, n_features\); got \(4, 2\)"),
        ((1, 2, 3), "z must hold at least 2 images, or no other image spreads it; got 1"),
        ((4, 1, 3), "z must hold at least 2 views of each image, or there is no positive pair; got 1"),
        ((4, 2, 1), "z must have at least 2 features to lie on a sphere; got 1"),
    ],
)
def test_wrong_shapes_are_named(shape, message):
    with pytest.raises(InputError, match=message):
        hydes_loss(torch.ones(shape))


def test_the_ceiling_of_what_cannot_be_is_named():
    with pytest.raises(InputError, match="z must hold at least 2 images, or no other image spreads it; got 1"):
        information_ceiling(1, 2, 1.0)
    with pytest.raises(InputError, match="z must hold at least 2 views of each image, or there is no positive pair; got 1"):
        information_ceiling(2, 1, 1.0)
    with pytest.raises(UsageError, match="marginal must be all or negatives; got 'some'"):
        information_ceiling(2, 2, 1.0, marginal="some")


@pytest.mark.parametrize("kappa", [0.0, -1.0, math.inf, math.nan])
def test_wrong_kappa_is_named(kappa):
    with pytest.raises(UsageError, match=f"kappa must be a positive finite number; got {kappa}"):
        hydes_entropies(torch.ones(2, 2, 2), kappa=kappa)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"marginal": "positives"}, "marginal must be all or negatives; got 'positives'"),
        ({"local": "mean"}, "local must be log_mean or mean_log; got 'mean'"),
        ({"chunk": 0}, "chunk must be auto or a number of rows of at least 1; got 0"),
        ({"chunk": 2.5}, "chunk must be auto or a number of rows of at least 1; got 2.5"),
        ({"gather": "never"}, "gather must be auto or False; got 'never'"),
        ({"alpha": -1.0}, "alpha must be a finite number of at least 0; got -1.0"),
        ({"beta": math.nan}, "beta must be a finite number of at least 0; got nan"),
        ({"kappa": 0.0}, "kappa must be a positive finite number; got 0.0"),
    ],
)
def test_wrong_options_are_named(option, message):
    with pytest.raises(UsageError, match=message):
        hydes_loss(torch.ones(2, 2, 2), **option)
    with pytest.raises(UsageError, match=message):
        HyDeSLoss(**option)
