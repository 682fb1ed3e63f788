"""The losses of the baselines against lightly's, and against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from repr_probe.training.objectives.barlow_twins_loss import barlow_twins_terms
from repr_probe.training.objectives.byol import byol_loss
from repr_probe.training.objectives.nt_xent import nt_xent
from repr_probe.training.objectives.resa import self_assignment_loss
from repr_probe.training.objectives.swapped_codes import sinkhorn, swapped_prediction
from repr_probe.training.objectives.vicreg_loss import vicreg_terms


@pytest.fixture(scope="module")
def lightly():
    return pytest.importorskip("lightly.loss")


@pytest.fixture
def views() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(8, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    return first, (first + 0.5 * torch.randn(8, 6, generator=generator, dtype=torch.float64)).detach().requires_grad_()


def same(loss: torch.Tensor, expected: torch.Tensor, views: tuple[torch.Tensor, torch.Tensor], atol: float = 1e-12) -> None:
    assert loss.item() == pytest.approx(expected.item(), abs=atol)
    for gradient, other in zip(torch.autograd.grad(loss, views), torch.autograd.grad(expected, views)):
        torch.testing.assert_close(gradient, other, atol=atol, rtol=0)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_nt_xent_is_lightlys(lightly, views, temperature):
    same(nt_xent(*views, temperature=temperature), lightly.NTXentLoss(temperature=temperature)(*views), views)


def test_barlow_twins_is_lightlys(lightly, views):
    invariance, redundancy = barlow_twins_terms(*views)
    same(invariance + 5e-3 * redundancy, lightly.BarlowTwinsLoss()(*views), views)


def test_vicreg_is_lightlys(lightly, views):
    invariance, variance, covariance = vicreg_terms(*views)
    same(25 * invariance + 25 * variance + covariance, lightly.VICRegLoss()(*views), views)


def test_byol_is_lightlys_cosine_in_both_directions(lightly, views):
    """Twice 1 - cosine a direction, and both directions."""
    predictions = torch.stack(views, dim=1)
    targets = predictions.detach() + 0.3
    cosine = lightly.NegativeCosineSimilarity()
    expected = 2 * (1 + cosine(views[0], targets[:, 1])) + 2 * (1 + cosine(views[1], targets[:, 0]))
    same(byol_loss(predictions, targets), expected, views)


def test_byol_of_many_views_averages_the_pairs_of_different_ones(views):
    predictions = torch.stack([views[0], views[1], views[0] + views[1]], dim=1)
    targets = torch.stack([views[1] + 1, views[0] - 1], dim=1).detach()
    distances = [
        (predictions[:, v] / predictions[:, v].norm(dim=1, keepdim=True) - targets[:, g] / targets[:, g].norm(dim=1, keepdim=True))
        .square().sum(dim=1).mean()
        for g in range(2) for v in range(3) if g != v
    ]  # fmt: skip
    assert byol_loss(predictions, targets).item() == pytest.approx(2 * torch.stack(distances).mean().item(), abs=1e-12)


def test_sinkhorn_is_lightlys(lightly):
    from lightly.loss.swav_loss import sinkhorn as theirs

    scores = torch.randn(12, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(sinkhorn(scores, epsilon=0.3), theirs(scores, epsilon=0.3), atol=1e-12, rtol=0)


def test_codes_use_all_prototypes_alike_and_do_not_overflow():
    scores = torch.randn(40, 4, generator=torch.Generator().manual_seed(2))
    codes = sinkhorn(scores, epsilon=1.0, iterations=50)
    torch.testing.assert_close(codes.sum(dim=1), torch.ones(40), atol=1e-5, rtol=0)
    torch.testing.assert_close(codes.sum(dim=0), torch.full((4,), 10.0), atol=1e-3, rtol=0)
    assert torch.isfinite(sinkhorn(1e4 * scores)).all()  # exp(1e4 / 0.05) is far beyond float32


def test_swav_is_lightlys(lightly):
    scores = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64, requires_grad=True)
    codes = torch.stack([sinkhorn(scores[view]) for view in range(2)])
    expected = lightly.SwaVLoss()([scores[0], scores[1]], [scores[2], scores[3]])
    same(swapped_prediction(codes, scores, temperature=0.1), expected, (scores,))


def test_dino_is_lightlys(lightly):
    """The same cross entropy, with the teacher's sharpened and centred softmax for codes."""
    student = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    theirs = lightly.DINOLoss(output_dim=5)
    theirs.center = torch.full((1, 1, 5), 0.2, dtype=torch.float64) * torch.arange(5)
    codes = torch.softmax((teacher - 0.2 * torch.arange(5)) / 0.04, dim=2)
    expected = theirs(list(teacher), list(student))
    same(swapped_prediction(codes, student, temperature=0.1), expected, (student,), atol=1e-6)  # its temperature is a float32


def test_losses_of_codes_ignore_autocast():
    generator = torch.Generator().manual_seed(8)
    scores, codes = torch.randn(3, 6, 5, generator=generator), torch.softmax(torch.randn(2, 6, 5, generator=generator), dim=2)
    z, assignment = torch.nn.functional.normalize(scores, dim=2).transpose(0, 1), codes[0, :, :5].repeat(1, 2)[:, :6]
    plain = swapped_prediction(codes, scores), self_assignment_loss(z, z[:, :2], assignment)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (swapped_prediction(codes, scores), self_assignment_loss(z, z[:, :2], assignment)) == plain


def test_resa_by_loops():
    """Eqs. 3 and 4 word for word: cross entropy of each row, and of each column, of the assignment."""
    generator = torch.Generator().manual_seed(7)
    z, targets = (torch.nn.functional.normalize(torch.randn(4, v, 3, generator=generator, dtype=torch.float64), dim=2) for v in (3, 2))
    assignment = sinkhorn(torch.randn(4, 4, generator=generator, dtype=torch.float64), epsilon=1.0)
    terms = []
    for q, v in ((0, 1), (1, 0), (2, 0), (2, 1)):
        e = [[math.exp(float(z[i, q] @ targets[j, v]) / 0.3) for j in range(4)] for i in range(4)]
        rows = sum(-float(assignment[i, j]) * math.log(e[i][j] / sum(e[i])) for i in range(4) for j in range(4))
        columns = sum(-float(assignment[i, j]) * math.log(e[i][j] / sum(e[k][j] for k in range(4))) for i in range(4) for j in range(4))
        terms.append((rows + columns) / 8)
    assert self_assignment_loss(z, targets, assignment).item() == pytest.approx(sum(terms) / 4, abs=1e-12)


def test_losses_of_collapse():
    """All rows equal: NT-Xent is log(2N - 1); VICReg's variance is at its largest; Barlow Twins' diagonal is 0."""
    rows = torch.ones(5, 3, dtype=torch.float64)
    assert nt_xent(rows, rows).item() == pytest.approx(math.log(9), abs=1e-12)
    assert [round(term.item(), 6) for term in vicreg_terms(rows, rows)] == [0.0, 0.99, 0.0]
    assert [term.item() for term in barlow_twins_terms(rows, rows)] == [3.0, 0.0]


@pytest.mark.parametrize("loss", [nt_xent, barlow_twins_terms, vicreg_terms])
def test_half_precision_is_raised(loss):
    first, second = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(6)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, full = loss(first, second), loss(first.double(), second.double())
    for value, expected in zip(*((x,) if isinstance(x, torch.Tensor) else x for x in (half, full))):
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(expected.item(), rel=1e-4)
