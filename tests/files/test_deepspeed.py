"""Folders of DeepSpeed, written by hand after its own layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from repr_probe.errors import FileFormatError
from repr_probe.files.deepspeed import read_deepspeed

STATES = "mp_rank_00_model_states.pt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    step = tmp_path / "global_step10"
    step.mkdir()
    (tmp_path / "latest").write_text("global_step10\n")
    torch.save({"module": {"conv1.weight": torch.ones(2), "n": torch.tensor(1)}, "dp_world_size": 2}, step / STATES)
    torch.save({"optimizer_state_dict": {}}, step / "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    return tmp_path


def test_the_step_that_latest_names(folder: Path) -> None:
    content, files = read_deepspeed(folder)
    assert list(content["module"]) == ["conv1.weight", "n"] and files == [folder / "global_step10" / STATES]
    assert read_deepspeed(folder / "global_step10")[1] == files


def refused(folder: Path, message: str, code: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_deepspeed(folder)
    assert caught.value.code == code and str(caught.value).isprintable()


def test_stage_3(folder: Path) -> None:
    step = folder / "global_step10"
    torch.save({"module": {"conv1.weight": torch.empty(0), "n": torch.tensor(1)}}, step / STATES)
    refused(folder, r"got ZeRO stage 3, .*python zero_to_fp32.py \. weights.pt", "E_DEEPSPEED_3")
    (step / STATES).rename(step / "zero_pp_rank_0_mp_rank_00_model_states.pt")
    refused(folder, "got ZeRO stage 3", "E_DEEPSPEED_3")


def test_parts_of_several_ranks(folder: Path) -> None:
    torch.save({"module": {}}, folder / "global_step10" / "mp_rank_01_model_states.pt")
    refused(folder, "split over several ranks", "E_DEEPSPEED_MP")


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "..", "", "a\x1b[2J"])
def test_latest_stays_inside(folder: Path, name: str) -> None:
    (folder / "latest").write_text(name)
    refused(folder, "must name a folder beside it", "E_SHARD_NAME")


def test_what_is_missing(folder: Path) -> None:
    (folder / "global_step10" / STATES).unlink()
    refused(folder, f"must hold {STATES}", "E_NOT_FOUND")
    (folder / "latest").write_text("global_step20")
    refused(folder, "must hold the folder global_step20", "E_NOT_FOUND")


def test_other_content_is_passed_on(folder: Path) -> None:
    content: Any = [1]
    torch.save(content, folder / "global_step10" / STATES)
    assert read_deepspeed(folder)[0] == [1]
