"""Files that timm's own saver wrote with arguments that change the features: equal to the network train.py builds with them, or refused."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.utils import CheckpointSaver

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError
from repr_probe.workflows.inspect import inspect

from .conftest import pooled_by

DEFAULTS = {"gp": None, "crop_pct": None, "img_size": None, "in_chans": None, "num_classes": 5, "bn_eps": None, "bn_momentum": None, "drop": 0.3}
EFFICIENT = "test_efficientnet"


def written(folder: Path, name: str, **options: Any) -> tuple[Path, torch.nn.Module]:
    """(file of CheckpointSaver, the network): built as train.py builds it from its arguments."""
    args = Namespace(model=name, **{**DEFAULTS, **options})
    names = {"global_pool": args.gp, "bn_eps": args.bn_eps, "bn_momentum": args.bn_momentum, "in_chans": args.in_chans}
    given = {key: value for key, value in names.items() if value is not None}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        module = timm.create_model(name, num_classes=args.num_classes, drop_rate=args.drop, **given).train()
        module(torch.randn(4, args.in_chans or 3, 64, 64))  # statistics of its own
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    CheckpointSaver(module, optimizer, args=args, checkpoint_dir=str(folder), recovery_dir=str(folder)).save_checkpoint(0)
    return folder / "last.pth.tar", module.eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "options", "notes"),
    [
        (EFFICIENT, {}, ()),
        (EFFICIENT, {"bn_eps": 1e-2}, ("batch normalisation with eps 0.01, as args.bn_eps in the file says",)),
        (EFFICIENT, {"gp": "max"}, ("pooled by max, as args.gp in the file says; --pool says otherwise",)),
        (EFFICIENT, {"gp": "avg", "bn_momentum": 0.3, "bn_eps": 1e-5}, ()),
        ("test_resnet", {"gp": "max"}, ("pooled by max, as args.gp in the file says; --pool says otherwise",)),
    ],
)
def test_features_are_those_of_the_network_that_was_trained(tmp_path: Path, pictures: torch.Tensor, name: str, options: Any, notes: Any) -> None:
    path, module = written(tmp_path, name, **options)
    encoder = load_encoder(path, image_size=64)
    expected = pooled_by(module, pictures)
    torch.testing.assert_close(encoder.features(pictures)["pooled"], expected, rtol=1e-4, atol=1e-5)
    said = [note for note in encoder.notes if "args." in note]
    assert tuple(said) == notes
    assert ("bn_eps" in encoder.identity) == (options.get("bn_eps") == 1e-2)
    assert inspect(path, image_size=64).facts["n_features"] == expected.shape[1]


def test_the_user_goes_first(tmp_path: Path, pictures: torch.Tensor) -> None:
    path, module = written(tmp_path, "test_resnet", gp="max")
    plain = load_encoder(path, image_size=64, pool="avg")
    torch.testing.assert_close(plain.features(pictures)["pooled"], module.forward_features(pictures).mean((2, 3)).detach(), rtol=1e-4, atol=1e-5)


def test_poolings_that_are_not_rebuilt_are_refused(tmp_path: Path) -> None:
    path, _ = written(tmp_path, "test_resnet", gp="catavgmax")
    with pytest.raises(CheckpointError, match=r"its classifier fc.weight takes 192 features, the network gives 96"):
        load_encoder(path, image_size=64)
    path, _ = written(tmp_path, "test_resnet", gp="avgmax")
    with pytest.raises(CheckpointError, match=r"args.gp in the file must be a pooling that is rebuilt here; got avgmax; choose another: --pool avg"):
        load_encoder(path, image_size=64)
    assert inspect(path, image_size=64).code == "E_ATTRIBUTE"
    load_encoder(path, image_size=64, pool="avg")


def test_channels_are_those_of_the_file(tmp_path: Path) -> None:
    path, _ = written(tmp_path, "test_resnet", in_chans=1)
    assert load_encoder(path, image_size=64).input.channels == 1
    content = torch.load(path, weights_only=False)
    content["args"].in_chans = 3
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"args.in_chans in the file must be what its first layer takes, 1; got 3") as refusal:
        load_encoder(path, image_size=64)
    assert refusal.value.code == "E_CHANNELS"
    content["args"].in_chans, content["args"].bn_eps = None, 3.0
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"args.bn_eps in the file must be between 0 and 1; got 3.0"):
        load_encoder(path, image_size=64)
