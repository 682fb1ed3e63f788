"""Reproduces the embedded encoder: DigitsNet trained without labels on scikit-learn's digits with the HyDeS loss.

    python -m repr_probe.training.digits --out DIR

writes DIR/hydes-digits.safetensors and DIR/hydes-digits.md, the card with its accuracy beside raw pixels and the untrained network.
It computes on one core, where the same seed and torch version give the same weights; sums over several would depend on their number.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repr_probe import progress
from repr_probe.datasets.open import open_dataset
from repr_probe.encoders.digits_net import DigitsNet
from repr_probe.preprocessing import InputSpec
from repr_probe.training.digit_card import accuracies, write_card
from repr_probe.training.digit_views import ViewRecipe, draw_views
from repr_probe.training.hydes_loss import hydes_entropies, hydes_loss

SIZE = (8, 8)
GLOBAL_VIEW = ViewRecipe(area=(0.7, 1.4))
LOCAL_VIEW = ViewRecipe(area=(0.4, 0.8))


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the weights beside the data; the defaults made the embedded file."""

    alpha: float = 1.0
    beta: float = 1.0
    kappa: float = 1.0
    epochs: int = 60
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    projector: tuple[int, int] = (256, 128)
    n_global_views: int = 2
    n_local_views: int = 4
    global_view: ViewRecipe = GLOBAL_VIEW
    local_view: ViewRecipe = LOCAL_VIEW
    seed: int = 0


@dataclass(frozen=True)
class Digits:
    """One split: pixels (n_images, 1, 8, 8) float32 in [0, 1], labels (n_images,) int64."""

    pixels: torch.Tensor
    labels: torch.Tensor


def load_digits(split: str) -> Digits:
    dataset = open_dataset("digits", InputSpec(size=SIZE, mean=(0.0,), std=(1.0,)), split=split)
    pixels = torch.stack([dataset[row] for row in range(len(dataset))])
    return Digits(pixels, torch.as_tensor(dataset.labels))


def input_of(train: Digits) -> InputSpec:
    """Mean and standard deviation of the training pixels, to four places as they are written in the file."""
    return InputSpec(size=SIZE, mean=(round(train.pixels.mean().item(), 4),), std=(round(train.pixels.std().item(), 4),))


def train_encoder(pixels: torch.Tensor, input: InputSpec, recipe: Recipe) -> tuple[DigitsNet, DigitsNet]:
    """The network as it started and as it ended, both in eval mode; pixels (n_images, 1, 8, 8) in [0, 1].

    The caller's random state is kept.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        start, encoder = DigitsNet(), DigitsNet()
        encoder.load_state_dict(start.state_dict())
        projector = build_projector(DigitsNet.n_features, *recipe.projector)
        generator = torch.Generator().manual_seed(recipe.seed)
        _optimise(nn.Sequential(encoder, projector), pixels, input, recipe, generator)
    return start.eval(), encoder.eval()


def build_projector(n_features: int, n_hidden: int, n_outputs: int) -> nn.Sequential:
    """The head that the loss sees; it is thrown away after training."""
    return nn.Sequential(
        nn.Linear(n_features, n_hidden, bias=False), nn.BatchNorm1d(n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_outputs)
    )


def _optimise(model: nn.Module, pixels: torch.Tensor, input: InputSpec, recipe: Recipe, generator: torch.Generator) -> None:
    n_steps = len(pixels) // recipe.batch_size  # the last, smaller batch is left out: its entropies would have another bias
    optimiser = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs * n_steps)
    model.train()
    with progress.task("training hydes-digits", recipe.epochs) as advance:
        for epoch in range(recipe.epochs):
            order = torch.randperm(len(pixels), generator=generator)[: n_steps * recipe.batch_size]
            for rows in order.view(n_steps, recipe.batch_size):
                z = _project_views(model, pixels[rows], input, recipe, generator)
                loss = hydes_loss(z, alpha=recipe.alpha, beta=recipe.beta, kappa=recipe.kappa)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
            advance(1)
            progress.note(_epoch_line(epoch, z.detach(), recipe))


def _project_views(
    model: nn.Module, pixels: torch.Tensor, input: InputSpec, recipe: Recipe, generator: torch.Generator
) -> torch.Tensor:
    """(n_images, n_views, n_outputs): all views in one pass, so that BatchNorm sees global and local ones together."""
    recipes = [recipe.global_view] * recipe.n_global_views + [recipe.local_view] * recipe.n_local_views
    views = torch.stack([draw_views(pixels, view, generator) for view in recipes], dim=1)  # (n_images, n_views, 1, 8, 8)
    return model(normalise(views.flatten(0, 1), input)).unflatten(0, views.shape[:2])


def normalise(pixels: torch.Tensor, input: InputSpec) -> torch.Tensor:
    return (pixels - input.mean[0]) / input.std[0]


def _epoch_line(epoch: int, z: torch.Tensor, recipe: Recipe) -> str:
    entropies = hydes_entropies(z, kappa=recipe.kappa)
    return (
        f"epoch {epoch + 1}/{recipe.epochs}: H_global {entropies.h_global:.3f}, H_local {entropies.h_local:.3f}, "
        f"mutual information {entropies.mutual_information:.3f} of at most {entropies.ceiling:.3f} nats"
    )


@torch.inference_mode()
def embed(encoder: DigitsNet, pixels: torch.Tensor, input: InputSpec) -> torch.Tensor:
    """(n_images, 64) pooled features of an encoder in eval mode."""
    return encoder(normalise(pixels, input))


def metadata(recipe: Recipe, input: InputSpec) -> dict[str, str]:
    """The header of the safetensors file: what `load_encoder` needs and how the weights came about."""
    training: dict[str, Any] = {"loss": "hydes", "data": "digits train", **asdict(recipe)}
    training |= {"views": recipe.n_global_views + recipe.n_local_views, "torch": torch.__version__.split("+")[0]}
    content = {
        "format": "repr-probe/1",
        "arch": "repr_probe:digits_net",
        "input": input.to_dict(),
        "training": training,
        "role": "online",
    }
    return {"repr_probe": json.dumps(content)}


def make(out: Path, recipe: Recipe) -> str:
    """Train, judge and write both files into the folder `out`; returns the card."""
    from safetensors.torch import save

    from repr_probe.files.atomic import atomic_write

    train, test = load_digits("train"), load_digits("test")
    input = input_of(train)
    start, encoder = train_encoder(train.pixels, input, recipe)
    views = {
        "hydes-digits": lambda pixels: embed(encoder, pixels, input),
        "its random start": lambda pixels: embed(start, pixels, input),
        "raw pixels": lambda pixels: pixels.flatten(1),
    }
    scores = {name: accuracies(view(train.pixels), train.labels, view(test.pixels), test.labels) for name, view in views.items()}
    n_parameters = sum(parameter.numel() for parameter in encoder.parameters())
    card = write_card(scores, asdict(recipe), input, n_parameters=n_parameters)
    atomic_write(out / "hydes-digits.safetensors", save(encoder.state_dict(), metadata(recipe, input)))
    atomic_write(out / "hydes-digits.md", card)
    return card


class _StderrLines:
    """A reporter for this script: notes as lines on stderr."""

    def task(self, description: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda steps: None)  # every epoch is a note; a bar beside them says nothing more

    def note(self, text: str) -> None:
        sys.stderr.write(text + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m repr_probe.training.digits", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder for the two files (default: the current one)")
    for name in ("seed", "epochs", "kappa"):
        default = getattr(Recipe, name)
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default {default}")
    options = parser.parse_args(arguments)
    recipe = replace(Recipe(), seed=options.seed, epochs=options.epochs, kappa=options.kappa)
    torch.set_num_threads(1)
    with progress.reporting(_StderrLines()):
        sys.stderr.write(make(options.out, recipe))


if __name__ == "__main__":
    main()
