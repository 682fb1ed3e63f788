"""Checkpoints of runs: whole or absent, readable by torch with weights_only, and opened as encoders by what they say about themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from repr_probe import progress
from repr_probe.encoders.load import load_encoder
from repr_probe.errors import FileFormatError, StoreError, UsageError
from repr_probe.training.config import TrainConfig, config_from
from repr_probe.training.networks import build_backbone
from repr_probe.training.run_folder import RunFolder
from repr_probe.training.run_state import read_state, save_state

DIGITS = config_from({"dataset": "digits", "epochs": 2, "warmup_epochs": 0})
SLIM = config_from({"dataset": "cifar10", "width": 8, "epochs": 2})
VIT = config_from({"dataset": "cifar10", "arch": "timm:test_vit", "global_size": 32, "local_size": 16})


class Model(nn.Module):
    """An objective's outline: a backbone, a teacher of the same kind, a head."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        built = build_backbone(config)
        self.backbone, self.teacher = built.module, build_backbone(config).module
        self.head = nn.Linear(built.n_features, 4)
        next(self.teacher.parameters()).data.neg_()


def state_of(config: TrainConfig, step: int = 3) -> dict:
    model = Model(config)
    optimiser = torch.optim.AdamW(model.parameters())
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimiser.step()
    return {"config": config.to_dict(), "model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step,
            "rng": {"torch": torch.get_rng_state()}, "fingerprint": "abc"}  # fmt: skip


@pytest.mark.parametrize("config", [DIGITS, SLIM, VIT], ids=["digits_net", "slim resnet", "vit"])
def test_a_checkpoint_is_an_encoder(config: TrainConfig, tmp_path: Path):
    state = state_of(config)
    save_state(tmp_path / "ckpt_3.pt", state)
    encoder = load_encoder(tmp_path / "ckpt_3.pt")
    built = build_backbone(config)
    assert encoder.architecture == built.architecture
    assert encoder.input.to_dict() == built.input.to_dict()
    ours = {name.removeprefix("backbone."): tensor for name, tensor in state["model"].items() if name.startswith("backbone.")}
    assert all(torch.equal(tensor.float(), ours[name].float()) for name, tensor in encoder.module.state_dict().items())


def test_another_part_of_a_checkpoint_can_still_be_asked_for(tmp_path: Path):
    state = state_of(SLIM)
    save_state(tmp_path / "ckpt.pt", state)
    teacher = load_encoder(tmp_path / "ckpt.pt", key="model", prefix="teacher")
    assert torch.equal(teacher.module.state_dict()["conv1.weight"], state["model"]["teacher.conv1.weight"])


def test_a_state_comes_back(tmp_path: Path):
    state = state_of(SLIM)
    save_state(tmp_path / "ckpt.pt", state)
    back = read_state(tmp_path / "ckpt.pt")
    plain = torch.load(tmp_path / "ckpt.pt", weights_only=True)
    assert config_from(back["config"]) == SLIM and back["step"] == plain["step"] == 3
    assert torch.equal(back["rng"]["torch"], state["rng"]["torch"])
    for name, tensor in state["model"].items():
        assert torch.equal(back["model"][name], tensor) and torch.equal(plain["model"][name], tensor)
    assert set(back["versions"]) >= {"torch", "repr-probe"}


def test_the_backbone_takes_no_room_of_its_own(tmp_path: Path):
    state = state_of(SLIM)
    save_state(tmp_path / "ckpt.pt", state)
    torch.save(state, tmp_path / "plain.pt")
    assert (tmp_path / "ckpt.pt").stat().st_size < 1.05 * (tmp_path / "plain.pt").stat().st_size


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_newest_checkpoint_is_passed_over_and_that_is_said(damage: str, tmp_path: Path):
    folder = RunFolder(tmp_path)
    for step in (1, 2):
        folder.save_checkpoint(state_of(DIGITS, step), keep=3)
    newest = folder.checkpoint_path(2)
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 255
    newest.write_bytes({"cut": content[: len(content) // 2], "flipped": content, "empty": b""}[damage])
    notes = Notes()
    with progress.reporting(notes):
        assert folder.latest_checkpoint() == folder.checkpoint_path(1)
    assert any("ckpt_00000002.pt is left aside" in note for note in notes.texts)


def test_no_whole_checkpoint(tmp_path: Path):
    folder = RunFolder(tmp_path)
    assert folder.latest_checkpoint() is None
    folder.checkpoint_path(1).write_bytes(b"")
    with pytest.raises(FileFormatError, match="must hold a whole checkpoint; none of 1 can be read"):
        folder.latest_checkpoint()


def test_only_the_newest_are_kept(tmp_path: Path):
    folder = RunFolder(tmp_path)
    for step in (5, 20, 100):
        folder.save_checkpoint(state_of(DIGITS, step), keep=2)
    assert [path.name for path in folder.checkpoints()] == ["ckpt_00000020.pt", "ckpt_00000100.pt"]


def test_a_full_disk_is_one_line_and_leaves_what_was(tmp_path: Path):
    resource = pytest.importorskip("resource")
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(state_of(DIGITS, 1), keep=3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(StoreError, match=r"ckpt_00000002.pt must have more room; got a full disk"):
            folder.save_checkpoint(state_of(DIGITS, 2), keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["ckpt_00000001.pt"]
    assert read_state(folder.checkpoint_path(1))["step"] == 1


def test_other_files_are_no_state(tmp_path: Path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "x.pt")
    with pytest.raises(FileFormatError, match="must be a checkpoint of a training run"):
        read_state(tmp_path / "x.pt")


def test_a_run_goes_on_only_with_its_own_configuration(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(SLIM, resume=False)  # a run that did not get so far as its first record
    folder.begin(DIGITS, resume=False)
    assert folder.config() == DIGITS
    folder.append_metrics({"step": 1})
    folder.begin(config_from({**DIGITS.to_dict(), "device": "cpu"}), resume=True)
    with pytest.raises(UsageError, match="out must be a new folder"):
        folder.begin(DIGITS, resume=False)
    with pytest.raises(UsageError, match=r"another: epochs: 2 before, 5 now; kappa: the default before, 10 now"):
        folder.begin(config_from({**DIGITS.to_dict(), "epochs": 5, "options": {"kappa": 10}}), resume=True)


def test_metrics_are_cut_back_to_the_step_that_a_run_goes_on_from(tmp_path: Path):
    folder = RunFolder(tmp_path)
    for step in (1, 2, 3):
        folder.append_metrics({"step": step, "loss": float("nan") if step == 2 else step / 3})
    with folder.metrics_file.open("a") as file:
        file.write('{"step": 4, "lo')
    assert folder.rewind_metrics(2) == {}
    assert folder.metrics_file.read_text() == '{"step": 1, "loss": 0.3333333333333333}\n{"step": 2, "loss": null}\n'


def test_the_last_epoch_that_stays_gives_its_values(tmp_path: Path):
    folder = RunFolder(tmp_path)
    assert folder.rewind_metrics(4) == {}
    for kind, step, epoch in (("start", 0, 0), ("step", 4, 1), ("epoch", 4, 1), ("step", 8, 2), ("epoch", 8, 2)):
        folder.append_metrics({"kind": kind, "step": step, "epoch": epoch, "loss": 1.0 / (step + 1)})
    assert folder.rewind_metrics(7) == {"loss": 0.2}
    assert [record["step"] for record in folder.metrics()] == [0, 4, 4]
    assert folder.rewind_metrics(-1) == {} and list(folder.metrics()) == []


class Notes:
    """A reporter that keeps what is said."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)
