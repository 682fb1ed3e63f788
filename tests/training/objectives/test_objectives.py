"""Every method on a tiny network: it learns, logs finite terms, takes views of several sizes, and says what is wrong."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from repr_probe.errors import InputError, UsageError
from repr_probe.training.objectives.build import METHODS, build_objective, default_projector, options_of
from repr_probe.training.objectives.heads import Prototypes, projector_of
from repr_probe.training.objectives.objective import Objective, features_of_views, head_of_views
from repr_probe.training.objectives.teacher import Teacher, momentum_at

SMALL = {
    "hydes": {"kappa": 5.0},
    "byol": {"predictor": 32},
    "resa": {"predictor": 32},
    "swav": {"n_prototypes": 12, "queue": 64},
    "dino": {"n_prototypes": 24},
}


class TinyNet(nn.Module):
    """Images of any size to 16 features."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 16), nn.ReLU()
        )
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(tuple(images.shape))
        return self.layers(images)


def toy_views(seed: int, n_images: int = 24, n_local: int = 2) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Noisy views of four patterns at four strengths: global ones of 8 x 8 pixels, local ones of 4 x 4."""
    patterns = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(100 + seed)
    labels = torch.arange(n_images) % 4
    images = patterns[labels] + 0.5 * torch.randn(n_images, 1, 8, 8, generator=generator)
    views = [images + 0.3 * torch.randn(images.shape, generator=generator) for _ in range(2 + n_local)]
    return views[:2] + [view[:, :, 2:6, 2:6] for view in views[2:]], labels


def small_objective(method: str, *, norm: bool = True, **rest) -> Objective:
    torch.manual_seed(0)
    n_classes = 4 if method == "supervised" else None
    return build_objective(method, TinyNet(), 16, projector=(32, 16), norm=norm, n_classes=n_classes, options=SMALL.get(method), **rest)


def train(objective: Objective, n_steps: int, *, start: int = 0, n_local: int = 2) -> list[float]:
    optimiser = torch.optim.AdamW([weight for weight in objective.parameters() if weight.requires_grad], lr=3e-3)
    losses = []
    for step in range(start, start + n_steps):
        result = objective(*toy_views(step, n_local=n_local))
        optimiser.zero_grad()
        result.loss.backward()
        optimiser.step()
        objective.after_step((step + 1) / 80)
        losses.append(result.loss.item())
        assert all(torch.isfinite(term) and not term.requires_grad and term.ndim == 0 for term in result.terms.values())
    return losses


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_the_loss_falls(method, norm):
    """DINO's from when the centre of the teacher has found its place: before, the cross entropy with a single prototype is cheap."""
    losses = train(small_objective(method, norm=norm), 80 if method == "dino" else 40)
    assert all(math.isfinite(loss) for loss in losses)
    losses = losses[24:] if method == "dino" else losses
    assert sum(losses[-5:]) < 0.97 * sum(losses[:5]) if losses[0] > 0 else sum(losses[-5:]) < sum(losses[:5]) - 0.1


@pytest.mark.parametrize("method", METHODS)
def test_two_views_and_every_weight_has_a_gradient(method):
    """DistributedDataParallel waits for a gradient of everything trainable."""
    objective = small_objective(method)
    objective(*toy_views(0, n_local=0)).loss.backward()
    without = [name for name, weight in objective.named_parameters() if weight.requires_grad and weight.grad is None]
    assert without == []
    assert not [name for name, weight in objective.named_parameters() if not weight.requires_grad and not name.startswith("teacher.")]


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"supervised"}))
def test_the_backbone_runs_once_a_resolution(method):
    objective = small_objective(method)
    objective(*toy_views(0, n_local=3))
    assert objective.backbone.sizes == [(48, 1, 8, 8), (72, 1, 4, 4)]


def test_supervised_looks_at_global_views_only():
    objective = small_objective("supervised")
    views, labels = toy_views(0, n_local=3)
    loss = objective(views, labels).loss.item()
    assert objective.backbone.sizes == [(48, 1, 8, 8)]
    expected = nn.functional.cross_entropy(
        objective.classifier(objective.projector(objective.backbone(torch.cat(views[:2])))), labels.repeat(2)
    )
    assert loss == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_networks_have_a_loss_in_float32(method):
    objective = small_objective(method)
    batch = toy_views(0)
    objective(*batch)  # fills DINO's centre
    objective.eval()
    full = objective(*batch).loss.item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = objective(*batch)
    assert half.loss.dtype == torch.float32
    assert all(term.dtype == torch.float32 for term in half.terms.values())
    assert half.loss.item() == pytest.approx(full, rel=0.05, abs=0.02)
    half.loss.backward()


def test_views_keep_their_images():
    views = [torch.full((3, 1, 2, 2), float(v)) + torch.arange(3)[:, None, None, None] / 10 for v in range(2)] + [torch.full((3, 1, 1, 1), 7.0)]
    features = features_of_views(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), views)
    torch.testing.assert_close(features[:, :, 0], torch.tensor([[0.0, 1.0, 7.0], [0.1, 1.1, 7.0], [0.2, 1.2, 7.0]]))
    assert head_of_views(nn.Linear(1, 4), features).shape == (3, 3, 4)


@pytest.mark.parametrize("method", METHODS)
def test_its_state_goes_on_bit_for_bit(method):
    """Save after some steps, load into a new objective, go on: the same losses and the same state."""
    objective = small_objective(method)
    train(objective, 3)
    state = copy.deepcopy(objective.state_dict())
    other = small_objective(method)
    other.load_state_dict(state)
    assert train(objective, 3, start=3) == train(other, 3, start=3)
    for name, value in objective.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize("method", ["byol", "dino"])
def test_the_teacher_follows_at_its_momentum(method):
    objective = small_objective(method)
    before = [weight.clone() for weight in objective.teacher.parameters()]
    objective(*toy_views(0)).loss.backward()
    assert all(weight.grad is None for weight in objective.teacher.parameters())
    with torch.no_grad():
        for weight in objective.projector.parameters():
            weight.add_(1.0)
    objective.after_step(0.5)
    share = 1 - momentum_at(0.5, objective.momentum)
    moved = list(objective.teacher.networks[1].parameters())
    names = [name for name, _ in objective.teacher.named_parameters()]
    old = [value for name, value in zip(names, before) if name.startswith("networks.1.")]
    for weight, was in zip(moved, old):
        torch.testing.assert_close(weight, was + share, atol=1e-6, rtol=0)


def test_a_teacher_is_a_copy_and_stops_at_the_end():
    student = nn.Linear(2, 2)
    teacher = Teacher(student)
    assert momentum_at(1.0, 0.9) == 1.0
    with torch.no_grad():
        student.weight.add_(5.0)
    kept = teacher.networks[0].weight.clone()
    teacher.follow(student, momentum=1.0)
    assert torch.equal(teacher.networks[0].weight, kept)
    teacher.follow(student, momentum=0.0)
    assert torch.equal(teacher.networks[0].weight, student.weight)


@pytest.mark.parametrize("method", ["swav", "dino"])
def test_prototypes_stand_still_at_first(method):
    objective = small_objective(method)
    for progress, still in ((0.0, True), (0.5, False)):
        objective.progress = progress
        objective.zero_grad()
        objective(*toy_views(0)).loss.backward()
        assert (objective.prototypes.weight.grad.abs().max() == 0) == still


def test_the_queue_of_swav_holds_the_newest_rows_and_changes_the_codes():
    objective = small_objective("swav")
    for step in range(3):  # 24 rows a step fill 64 in three
        objective(*toy_views(step))
    assert objective.n_queued == 64
    kept = objective.queue_rows.clone()
    objective.eval()
    losses = []
    for progress in (0.0, 0.5):
        objective.progress = progress
        losses.append(objective(*toy_views(9)).loss.item())
    assert losses[0] != losses[1]
    assert torch.equal(objective.queue_rows, kept)  # nothing enters in eval mode
    torch.testing.assert_close(kept.norm(dim=2), torch.ones(2, 64))


def test_the_centre_of_dino_moves_to_the_mean_score():
    objective = small_objective("dino")
    objective(*toy_views(0))
    first = objective.centre.clone()
    assert first.abs().max() > 0
    objective.eval()
    objective(*toy_views(1))
    assert torch.equal(objective.centre, first)


def test_collapse_shows_in_the_terms():
    objective = small_objective("hydes")
    assert objective(*toy_views(0)).terms["spread"] > 0.05
    nn.init.zeros_(objective.projector[-1].weight)
    assert objective(*toy_views(0)).terms["spread"] < 1e-6


def test_hydes_logs_its_information_beside_the_ceiling():
    terms = small_objective("hydes")(*toy_views(0)).terms
    assert list(terms) == ["h_global", "h_local", "mutual_information", "ceiling", "spread"]
    assert terms["mutual_information"] == pytest.approx((terms["h_global"] - terms["h_local"]).item(), abs=1e-6)
    assert terms["mutual_information"] < terms["ceiling"] < math.log(95 / 3)


def test_the_methods_are_told_apart_by_their_views_only_when_positive_pairs_agree():
    """Shuffling the images of one view spoils the loss of every method that compares views."""
    for method in sorted(set(METHODS) - {"supervised"}):
        objective = small_objective(method)
        train(objective, 10, n_local=0)
        objective.eval()
        views, _ = toy_views(50, n_local=0)
        agreeing = objective(views).loss.item()
        assert objective([views[0], views[1].roll(1, 0)]).loss.item() > agreeing, method


@pytest.mark.parametrize("width", [128, 4096])
@pytest.mark.parametrize("norm", [True, False])
def test_projector_widths(width, norm):
    head = projector_of(16, (64, width), norm=norm)
    assert head(torch.ones(2, 16)).shape == (2, width)
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in head) == norm
    assert (head[0].bias is None) == norm


def test_no_projector_is_the_backbone():
    objective = build_objective("hydes", nn.Flatten(), 16, projector=())
    assert list(objective.parameters()) == []
    x = torch.randn(3, 16)
    assert torch.equal(objective.projector(x), x)


def test_prototypes_measure_cosines():
    prototypes = Prototypes(3, 5)
    rows = torch.randn(4, 3)
    expected = nn.functional.cosine_similarity(rows[:, None], prototypes.weight[None], dim=2)
    torch.testing.assert_close(prototypes(9 * rows), expected)
    with torch.no_grad():
        prototypes.weight.mul_(3)
    torch.testing.assert_close(prototypes(rows), expected)
    prototypes.renormalise()
    torch.testing.assert_close(prototypes.weight.norm(dim=1), torch.ones(5))


def test_options_have_the_values_of_the_papers():
    assert options_of("hydes") == {"alpha": 1.0, "beta": 1.0, "kappa": 1.0, "marginal": "all", "local": "log_mean"}
    assert options_of("barlow-twins") == {"redundancy": 5e-3}
    assert options_of("vicreg") == {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}
    assert default_projector("supervised") == ()
    for method in METHODS:
        assert all(type(default) in (float, int, str) for default in options_of(method).values())


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("simcrl", {}, "method must be a known one; got 'simcrl'; nearest: simclr"),
        ("simclr", {"options": {"temprature": 1.0}}, "option must be one that simclr has; got 'temprature'; nearest: temperature"),
        ("simclr", {"options": {"temperature": "hot"}}, "temperature must be a number; got 'hot'"),
        ("simclr", {"options": {"temperature": 0.0}}, "temperature must be a positive finite number; got 0.0"),
        ("swav", {"options": {"n_prototypes": 2.5}}, "n_prototypes must be a whole number; got 2.5"),
        ("hydes", {"options": {"marginal": "some"}}, "marginal must be all or negatives; got 'some'"),
        ("hydes", {"options": {"marginal": 1}}, "marginal must be a word; got 1"),
        ("byol", {"options": {"momentum": 1.5}}, r"momentum must be in \[0, 1\]; got 1.5"),
        ("vicreg", {"options": {"variance": -1.0}}, "variance must be a finite number of at least 0; got -1.0"),
        ("supervised", {}, "n_classes must be at least 2 for a classifier; got None"),
        ("hydes", {"projector": (64, 0)}, r"projector must be widths of at least 2; got \(64, 0\)"),
        ("hydes", {"n_global": 0}, "n_global must be at least 1; got 0"),
    ],
)
def test_what_cannot_be_built_is_named(method, arguments, message):
    with pytest.raises(UsageError, match=message):
        build_objective(method, nn.Flatten(), 16, **arguments)


def test_what_cannot_be_learnt_from_is_named():
    views, _ = toy_views(0)
    with pytest.raises(InputError, match="views must be at least 2 of each image for this method; got 1"):
        small_objective("hydes")(views[:1])
    with pytest.raises(InputError, match="labels must be given, one an image, for this method; got none"):
        small_objective("supervised")(views)
    with pytest.raises(InputError, match="z must hold at least 2 images, or no other image spreads it; got 1"):
        small_objective("hydes", norm=False).eval()([view[:1] for view in views])
