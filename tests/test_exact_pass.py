from __future__ import annotations

import pytest
import torch

from repr_probe.exact_pass import exact_pass, module_device

CPU = torch.device("cpu")


def switches():
    backends = torch.backends
    newer = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul, backends.mkldnn.conv)
    kernels = (backends.cudnn.benchmark, backends.cudnn.deterministic)
    return [*kernels, *(switch.fp32_precision for switch in newer)]


@pytest.fixture(autouse=True)
def restore():
    precision, tf32, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    yield
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = tf32, benchmark
    torch.backends.cuda.matmul.fp32_precision = torch.backends.mkldnn.matmul.fp32_precision = "none"


def older(precision):
    return lambda: torch.set_float32_matmul_precision(precision)


def newer():
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"


def no_tf32_in_convolutions():
    torch.backends.cudnn.allow_tf32 = False


def benchmark():
    torch.backends.cudnn.benchmark = True


@pytest.mark.parametrize("set_by_caller", [older("highest"), older("high"), older("medium"), newer, no_tf32_in_convolutions, benchmark])
def test_full_float32_inside_and_everything_back_after(set_by_caller):
    set_by_caller()
    before = switches()
    with pytest.raises(RuntimeError, match="midway"), exact_pass(torch.nn.Linear(2, 2), CPU):
        assert switches() == [False, True, *["ieee"] * 5]
        assert torch.backends.cudnn.allow_tf32 is False and torch.backends.cuda.matmul.allow_tf32 is False
        raise RuntimeError("midway")
    assert switches() == before


def test_random_state_and_autocast():
    module = torch.nn.Linear(2, 2)
    before = torch.random.get_rng_state()
    with torch.autocast("cpu", dtype=torch.bfloat16), exact_pass(module, CPU):
        torch.rand(3)
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert torch.equal(torch.random.get_rng_state(), before)


def test_device_of_a_module():
    assert module_device(torch.nn.Linear(2, 2), "auto") == CPU
    assert module_device(torch.nn.Linear(2, 2, device="meta"), "auto") == torch.device("meta")
    assert module_device(torch.nn.ReLU(), "auto") == CPU
    assert module_device(torch.nn.Linear(2, 2, device="meta"), "cpu") == CPU
