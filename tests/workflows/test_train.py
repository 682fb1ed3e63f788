"""train(): what a call means, what it leaves, and every bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, DatasetError, ReprProbeError, UsageError
from repr_probe.training.config import TrainConfig, read_config
from repr_probe.training.preset_files import preset_file, preset_names
from repr_probe.training.run_folder import RunFolder
from repr_probe.workflows.train import chosen_config, train

TINY = {"dataset": "digits", "limit": 64, "batch_size": 32, "n_local": 1, "warmup_epochs": 0, "projector": (16, 8), "device": "cpu", "kappa": 10.0}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> RunFolder:
    """A run of two epochs."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    result = train(**TINY, epochs=2, out=folder.path)
    assert result.done and result.step == 4
    return folder


def test_a_run_leaves_its_folder(finished: RunFolder):
    names = {path.name for path in finished.path.iterdir()}
    assert names == {"config.toml", "metrics.jsonl", "ckpt_00000002.pt", "ckpt_00000004.pt", "backbone.safetensors", "card.md"}
    assert finished.config() == read_config(None, {**TINY, "epochs": 2})
    records = [json.loads(line) for line in finished.metrics_file.read_text().splitlines()]
    assert [record["kind"] for record in records] == ["start", "step", "step", "epoch", "step", "step", "epoch"]
    assert {"loss", "h_global", "h_local", "mutual_information", "knn_top1", "linear_top1", "effective_rank"} <= set(records[-1])


def test_checkpoint_and_backbone_are_the_same_encoder(finished: RunFolder):
    from_checkpoint, from_backbone = load_encoder(finished.checkpoint_path(4)), load_encoder(finished.backbone_file)
    assert from_checkpoint.architecture == from_backbone.architecture == "repr_probe:digits_net"
    assert from_checkpoint.input == from_checkpoint.input and from_backbone.input.mean == (0.3055,)
    images = torch.rand(3, 1, 8, 8)
    ours, theirs = (encoder.features(images, ["pooled"])["pooled"] for encoder in (from_checkpoint, from_backbone))
    assert torch.equal(ours, theirs)


def test_the_numbers_of_the_run_are_those_of_geometry_on_its_checkpoint(finished: RunFolder, tmp_path):
    from repr_probe.workflows.geometry import geometry

    last = json.loads(finished.metrics_file.read_text().splitlines()[-1])
    report = geometry(finished.checkpoint_path(4), dataset="digits", store=tmp_path, device="cpu")
    for key in ("anisotropy", "center_vector_norm", "effective_rank", "centroid_rank", "angle_positive_mean"):
        assert report.measures[key].value == pytest.approx(last[key], rel=1e-5), key


def test_a_card_tells_the_recipe(finished: RunFolder):
    card = finished.card_file.read_text()
    assert "repr_probe:digits_net, 77,104 parameters, trained with hydes on digits train (64 images)." in card
    assert "| kappa | 10 |" in card and "fingerprint" in card and "| knn_top1 |" in card


def test_a_run_is_not_written_over_and_goes_on_only_as_itself(finished: RunFolder):
    with pytest.raises(UsageError, match="out must be a new folder"):
        train(**TINY, epochs=2, out=finished.path)
    with pytest.raises(UsageError, match="epochs: 2 before, 3 now"):
        train(**TINY, epochs=3, out=finished.path, resume="auto")
    before = finished.backbone_file.read_bytes()
    assert train(resume=finished.path).done  # nothing left to do
    assert finished.backbone_file.read_bytes() == before


def test_a_dry_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = train(**TINY, epochs=9, dry_run=True)
    assert result.step == 2 and result.values["loss"] == result.values["loss"]
    assert list(tmp_path.iterdir()) == []


def test_the_newest_checkpoint_is_the_one_to_go_on_from(finished: RunFolder):
    with pytest.raises(UsageError, match=r"newest checkpoint of its run; got ckpt_00000002.pt, and there is ckpt_00000004.pt"):
        train(resume=finished.checkpoint_path(2))
    with pytest.raises(UsageError, match=r"got .*ckpt_00000003.pt, and nothing is there"):
        train(resume=finished.checkpoint_path(3))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"method": "simclrr"}, UsageError, "method must be .*'simclrr'; nearest: simclr"),
        ({"dataset": "digit"}, DatasetError, "'digit'; nearest known: digits"),
        ({"arch": "resnet81"}, CheckpointError, "got 'resnet81'; nearest: "),
        ({"n_global": 1, "n_local": 0}, UsageError, "at least 2 views of an image for hydes; got 1"),
        ({"batch_size": 1}, UsageError, "batch_size must be at least 2"),
        ({"batch_size": 65}, UsageError, "batch_size must be at most the 64 images"),
        ({"kapa": 2}, UsageError, "nearest: kappa"),
        ({"device": "cuda:99"}, UsageError, "device must be there; got 'cuda:99'"),
        ({"resume": "nowhere"}, UsageError, "resume must be auto, the folder of a run or a checkpoint in it; got nowhere"),
        ({"preset": "hydes"}, UsageError, "preset must be one of hydes-cifar10, hydes-digits; got 'hydes'"),
    ],
)
def test_bad_input_is_one_line(settings, error, message, tmp_path):
    given = {**TINY, "out": tmp_path / "run", **settings}
    with pytest.raises(error, match=message) as caught:
        train(**{name: value for name, value in given.items() if name != "kappa" or "method" not in settings})
    assert "\n" not in str(caught.value) and isinstance(caught.value, ReprProbeError)


def test_what_a_call_means(tmp_path, finished: RunFolder):
    path = tmp_path / "x.toml"
    path.write_text('dataset = "digits"\nepochs = 3\n')
    chosen = chosen_config(path, None, None, {"epochs": None, "seed": 4}, texts=["kappa=2"])
    assert (chosen.epochs, chosen.seed, chosen.options) == (3, 4, {"kappa": 2})
    assert chosen_config(None, None, finished.path, {}) == finished.config()
    with pytest.raises(UsageError, match="config and preset must not both be given"):
        chosen_config(path, "hydes-digits", None, {})
    with pytest.raises(UsageError, match="seed must be in the configuration"):
        chosen_config(TrainConfig(dataset="digits"), None, None, {"seed": 1})
    with pytest.raises(UsageError, match=r"where there is no config\.toml"):
        chosen_config(None, None, tmp_path / "none", {})
    with pytest.raises(UsageError, match="dataset must be named"):
        chosen_config(None, None, None, {})


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_whole(name):
    from repr_probe.training.networks import architecture_of

    config = read_config(preset_file(name))
    assert config.name == name and str(architecture_of(config)).startswith("repr_probe:")


def test_the_cifar_preset_stays_below_a_megabyte(tmp_path: Path):
    from repr_probe.training.export import write_backbone
    from repr_probe.training.networks import build_backbone

    config = read_config(preset_file("hydes-cifar10"))
    module = build_backbone(config).module
    write_backbone(tmp_path / "x.safetensors", module.state_dict(), config)
    assert (tmp_path / "x.safetensors").stat().st_size <= 1_000_000
    images = torch.randn(4, 3, 32, 32)
    encoder = load_encoder(tmp_path / "x.safetensors")
    with torch.no_grad():
        expected = module.eval()(images)
    assert torch.allclose(encoder.features(images, ["pooled"])["pooled"], expected, rtol=0.02, atol=0.02)
    kinds = {tensor.dtype for name, tensor in load_file(tmp_path / "x.safetensors").items() if ".bn" in name and "num_b" not in name}
    assert kinds == {torch.float32}
