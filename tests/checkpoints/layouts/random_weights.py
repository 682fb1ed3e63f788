"""Weights, running statistics and affine parameters that are none of the defaults, which would hide mistakes."""

from __future__ import annotations

import math

import torch
from torch import nn

TABLES = ("pos_embed", "position", "cls_token", "class_", "embedding", "reg_token", "register", "dist_token", "mask_token", "storage")


def randomised(module: nn.Module, seed: int = 0, *, gain: float = 1.0) -> nn.Module:
    """Fill every tensor of the state in place; in eval mode. gain: of the matrices and kernels, for networks that damp their input."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point() and tensor.ndim:
                values = random_values(name, tuple(tensor.shape), generator)
                tensor.copy_(values * gain if tensor.ndim in (2, 4) else values)
            elif name.endswith("num_batches_tracked"):
                tensor.fill_(1234)
    return module.eval()


def random_values(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    last = name.rpartition(".")[2]
    if last == "running_var":
        return torch.rand(shape, generator=generator) + 0.5
    if last == "running_mean":
        return torch.randn(shape, generator=generator) * 0.2
    if any(word in name for word in TABLES) and len(shape) != 4 and last != "bias":
        return torch.randn(shape, generator=generator) * 0.5
    if len(shape) >= 2:
        fan_in = math.prod(shape[1:])
        return (torch.rand(shape, generator=generator) * 2 - 1) * math.sqrt(3 / fan_in)
    if "bias" in last:
        return torch.randn(shape, generator=generator) * 0.2
    return torch.rand(shape, generator=generator) * 0.8 + 0.6


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.1


def linear(name: str, inputs: int, outputs: int, *, bias: bool = True) -> dict[str, torch.Tensor]:
    tensors = {f"{name}.weight": noise(outputs, inputs)}
    return tensors | ({f"{name}.bias": noise(outputs)} if bias else {})


def batch_norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {
        f"{name}.weight": 1 + noise(width), f"{name}.bias": noise(width), f"{name}.running_mean": noise(width),
        f"{name}.running_var": 1 + noise(width).abs(), f"{name}.num_batches_tracked": torch.tensor(1234),
    }  # fmt: skip


def projector(name: str, inputs: int, hidden: int = 32, outputs: int = 16, *, seed: int = 1) -> dict[str, torch.Tensor]:
    """Linear, batch norm, activation, linear."""
    return linear(f"{name}.0", inputs, hidden, bias=False) | batch_norm(f"{name}.1", hidden) | linear(f"{name}.3", hidden, outputs)
