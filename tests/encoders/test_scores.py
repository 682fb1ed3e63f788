"""Networks that end in their classifier: what is noted, what is not, and that the layer named gives exactly what the classifier is fed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.scores import scores_note

IMAGE = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))


class Net(nn.Module):
    """A body, a mean over places, and whatever stands behind it under the name it is given."""

    def __init__(self, behind: Callable[[torch.Tensor], torch.Tensor] | None = None, **parts: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        for name, part in parts.items():
            self.add_module(name, part)
        self.parts, self.behind = tuple(parts), behind

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.body(images).mean((2, 3))
        for name in self.parts:
            x = getattr(self, name)(x)
        return x if self.behind is None else self.behind(x)


class Places(nn.Module):
    """SqueezeNet's end: a decision for every place, then their mean."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.body, self.name = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), name
        self.add_module(name, nn.Conv2d(8, 5, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return getattr(self, self.name)(self.body(images)).mean((2, 3))


def counted(module: nn.Module, n_classes: int) -> nn.Module:
    module.num_classes = n_classes  # type: ignore[assignment]
    return module


SCORES = {
    "a linear layer called fc": (Net(fc=nn.Linear(8, 10)), "'fc' looks like a classifier (10 outputs)"),
    "of any name": (Net(last=nn.Linear(8, 10)), "'last' looks like a classifier (10 outputs)"),
    "the end of a sequence": (Net(top=nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 10))), "'top.3' looks like"),
    "dropout behind it": (Net(fc=nn.Linear(8, 10), drop=nn.Dropout()), "'fc' looks like"),
    "a softmax": (Net(lambda x: x.softmax(1), embedding=nn.Linear(8, 10)), "'embedding' looks like a classifier (10 outputs, a softmax behind it)"),
    "its logarithm": (Net(lambda x: x.log_softmax(1), fc=nn.Linear(8, 10)), "a softmax behind it"),
    "a count that agrees": (counted(Net(proj=nn.Linear(8, 10)), 10), "'proj' looks like a classifier (10 outputs, as its num_classes says)"),
    "a classifier of places": (Places("classifier"), "'classifier' looks like a classifier (5 outputs)"),
}
FEATURES = {
    "nothing behind the mean": Net(),
    "an activation behind": Net(torch.relu, fc=nn.Linear(8, 10)),
    "a normalisation behind": Net(fc=nn.Linear(8, 10), bn=nn.BatchNorm1d(10)),
    "length one": Net(lambda x: nn.functional.normalize(x), fc=nn.Linear(8, 10)),
    "a projection": Net(proj=nn.Linear(8, 10)),
    "a projector": Net(projector=nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 10))),
    "an embedding": Net(embedding=nn.Linear(8, 10)),
    "a neck": Net(neck=nn.Linear(8, 10)),
    "a count of something else": counted(Net(proj=nn.Linear(8, 10)), 1000),
    "a linear layer inside": Net(lambda x: torch.cat([x, x], 1), fc=nn.Linear(8, 10)),
    "a convolution of one place": Places("mix"),
}


@pytest.mark.parametrize("case", SCORES)
def test_scores_are_noted(case: str) -> None:
    module, said = SCORES[case]
    (note,) = scores_note(module.eval(), IMAGE)
    assert said in note and "the features are its scores; what lies before it: --layer" in note


@pytest.mark.parametrize("case", FEATURES)
def test_features_are_not(case: str) -> None:
    assert scores_note(FEATURES[case].eval(), IMAGE) == ()


@pytest.mark.parametrize("case", ["a linear layer called fc", "the end of a sequence", "a classifier of places"])
def test_the_layer_named_gives_what_the_classifier_is_fed(case: str) -> None:
    module = SCORES[case][0].eval()
    encoder = as_encoder(module, image_size=16)
    name = encoder.notes[0].rpartition("--layer ")[2]
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    features = encoder.features(images, [name, "pooled"])
    last = [part for part in module.modules() if isinstance(part, nn.Linear | nn.Conv2d)][-1]
    with torch.inference_mode():
        torch.testing.assert_close(nn.functional.linear(features[name], last.weight.flatten(1), last.bias), features["pooled"])


def test_where_no_layer_gives_it_none_is_named() -> None:
    class Squared(Net):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.fc(self.body(images).mean((2, 3)) ** 2)

    (note,) = scores_note(Squared(fc=nn.Linear(8, 10)).eval(), IMAGE)
    assert note.endswith("what lies before it: --layer NAME with an earlier layer")


def test_no_hook_is_left() -> None:
    module = SCORES["of any name"][0].eval()
    scores_note(module, IMAGE)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
