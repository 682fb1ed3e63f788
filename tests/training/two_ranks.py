"""What one of several gloo processes computes; `test_gathering.py` starts it. Arguments: rank, number of ranks, meeting file, output folder."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from repr_probe.training.gathering import gather_rows
from repr_probe.training.hydes_loss import hydes_entropies, hydes_loss
from repr_probe.training.objectives.barlow_twins_loss import barlow_twins_terms
from repr_probe.training.objectives.build import build_objective
from repr_probe.training.objectives.nt_xent import nt_xent
from repr_probe.training.objectives.vicreg_loss import vicreg_terms

N_IMAGES, N_VIEWS, N_FEATURES = 6, 3, 5
OBJECTIVES = {
    "simclr": {},
    "byol": {"predictor": 8},
    "swav": {"n_prototypes": 6, "frozen": 0.0, "queue": 12, "queue_start": 0.0},
    "barlow-twins": {},
    "vicreg": {},
    "dino": {"n_prototypes": 6, "frozen": 0.0},
    "resa": {"predictor": 8},
    "hydes": {"kappa": 4.0},
}


def the_batch() -> tuple[nn.Linear, torch.Tensor]:
    """A projector and (N_IMAGES, N_VIEWS, N_FEATURES) features, the same in every process."""
    torch.manual_seed(0)
    return nn.Linear(N_FEATURES, N_FEATURES, dtype=torch.float64), torch.randn(N_IMAGES, N_VIEWS, N_FEATURES, dtype=torch.float64)


def detached_gather(x: torch.Tensor) -> torch.Tensor:
    """The shortcut: other ranks' rows without gradient, one's own with."""
    if not dist.is_initialized():
        return x
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.detach())
    parts[dist.get_rank()] = x
    return torch.cat(parts)


def shortcut_loss(z: torch.Tensor) -> torch.Tensor:
    import repr_probe.training.hydes_loss as module

    honest = module.gather_rows
    module.gather_rows = detached_gather
    try:
        return hydes_loss(z, kappa=4.0)
    finally:
        module.gather_rows = honest


LOSSES = {
    "dense": lambda z: hydes_loss(z, beta=0.5, kappa=4.0),
    "blocks": lambda z: hydes_loss(z, beta=0.5, kappa=4.0, chunk=2),
    "negatives": lambda z: hydes_loss(z, kappa=4.0, marginal="negatives", local="mean_log"),
    "plain": lambda z: hydes_loss(z, kappa=4.0),
    "shortcut": shortcut_loss,
    "alone": lambda z: hydes_loss(z, kappa=4.0, gather=False),
    "ceiling": lambda z: hydes_entropies(z, kappa=4.0).ceiling + 0.0 * z.sum(),
    "nt_xent": lambda z: nt_xent(z[:, 0], z[:, 1], temperature=0.2),
    "barlow": lambda z: sum(barlow_twins_terms(z[:, 0], z[:, 1])),
    "vicreg": lambda z: sum(vicreg_terms(z[:, 0], z[:, 1])),
    "rows": lambda z: (gather_rows(z) * torch.arange(N_IMAGES)[:, None, None]).square().sum(),
}


def averaged(values: list[torch.Tensor]) -> list[torch.Tensor]:
    """As DistributedDataParallel does with gradients."""
    if dist.is_initialized():
        for value in values:
            dist.all_reduce(value)
            value /= dist.get_world_size()
    return values


def compute(rank: int, n_ranks: int) -> dict[str, list[torch.Tensor]]:
    """For every loss its value and the gradients of the projector; for every objective its loss, weights and buffers after three steps."""
    local, batch = N_IMAGES // n_ranks, the_batch()[1]
    own = slice(rank * local, (rank + 1) * local)
    found = {}
    for name, loss_of in LOSSES.items():
        network, _ = the_batch()
        loss = loss_of(network(batch[own]))
        found[name] = averaged([loss.detach(), *torch.autograd.grad(loss, list(network.parameters()))])
    for method, options in OBJECTIVES.items():
        found[f"objective {method}"] = after_three_steps(method, options, [batch[own, view] for view in range(N_VIEWS)])
    return found


def after_three_steps(method: str, options: dict, views: list[torch.Tensor]) -> list[torch.Tensor]:
    torch.manual_seed(1)
    backbone = nn.Sequential(nn.Linear(N_FEATURES, 8), nn.Tanh())
    objective = build_objective(method, backbone, 8, projector=(7, 4), norm=False, options=options).double()
    module = DistributedDataParallel(objective) if dist.is_initialized() else objective
    optimiser = torch.optim.SGD(objective.parameters(), lr=0.05)
    for step in range(3):
        optimiser.zero_grad()
        loss = module(views).loss
        loss.backward()
        optimiser.step()
        objective.after_step((step + 1) / 3)
    return [*averaged([loss.detach()]), *(value for value in objective.state_dict().values())]


if __name__ == "__main__":
    rank, n_ranks, meeting, output = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=n_ranks)
    torch.save(compute(rank, n_ranks), output / f"{rank}.pt")
    dist.destroy_process_group()
