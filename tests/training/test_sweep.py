from __future__ import annotations

import pytest

from repr_probe.errors import UsageError
from repr_probe.training.config import TrainConfig
from repr_probe.training.sweep import parse_sweep, sweep_runs

CONFIG = TrainConfig(dataset="digits", epochs=7, options={"kappa": 1.0, "beta": 0.5})


def test_several_settings_multiply_and_the_seed_changes_fastest():
    runs = sweep_runs(CONFIG, {"kappa": [0.1, 0.6931], "seed": [0, 1], "projector": [[128], [256, 64]]})
    assert [run.name for run in runs] == [
        "kappa=0.1_projector=128_seed=0", "kappa=0.1_projector=128_seed=1",
        "kappa=0.1_projector=256-64_seed=0", "kappa=0.1_projector=256-64_seed=1",
        "kappa=0.6931_projector=128_seed=0", "kappa=0.6931_projector=128_seed=1",
        "kappa=0.6931_projector=256-64_seed=0", "kappa=0.6931_projector=256-64_seed=1",
    ]  # fmt: skip
    last = runs[-1]
    assert last.settings == {"kappa": 0.6931, "projector": [256, 64], "seed": 1}
    assert (last.config.options, last.config.projector, last.config.seed) == ({"kappa": 0.6931, "beta": 0.5}, (256, 64), 1)
    assert (last.config.epochs, last.config.name) == (7, last.name)


def test_the_values_of_the_paper_are_read():
    assert parse_sweep(["kappa=0.1,0.6931,1,10,20"]) == {"kappa": [0.1, 0.6931, 1, 10, 20]}
    assert parse_sweep(["method=hydes,simclr", "blur=true,false"]) == {"method": ["hydes", "simclr"], "blur": [True, False]}


@pytest.mark.parametrize("text", ["kappa", "kappa=", "=1", "kappa=1,,2"])
def test_other_texts_are_refused(text):
    with pytest.raises(UsageError, match=r"--sweep must be KEY=V1,V2,\.\.\.; got"):
        parse_sweep([text])


def test_what_cannot_be_swept_is_refused():
    with pytest.raises(UsageError, match="--sweep must name each setting once; got kappa twice"):
        parse_sweep(["kappa=1", "kappa=2"])
    with pytest.raises(UsageError, match="kapa must be a setting of a training run or an option of hydes; nearest: kappa"):
        sweep_runs(CONFIG, {"kapa": [1]})
    with pytest.raises(UsageError, match="a sweep must be over settings that change the weights; got device"):
        sweep_runs(CONFIG, {"device": ["cpu", "cuda"]})
    with pytest.raises(UsageError, match="a sweep must have different values; got kappa=1 twice"):
        sweep_runs(CONFIG, {"kappa": [1, 1.0]})
    with pytest.raises(UsageError, match="a sweep must have a setting with one value or more; got none"):
        sweep_runs(CONFIG, {"kappa": []})
    with pytest.raises(UsageError, match="epochs must be at least 1; got 0"):
        sweep_runs(CONFIG, {"epochs": [1, 0]})
