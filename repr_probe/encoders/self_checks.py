"""What can still be wrong when every tensor found its place: values that are no numbers, dead weights, a classifier of another width."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from repr_probe.encoders.candidates import Candidate
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import printable
from repr_probe.preprocessing import InputSpec

N_TRIALS = 4
PIECE = 1 << 19  # values looked at in one go
# Where classifiers stand whatever the family; the names of the network's own library come on top.
CLASSIFIERS = ("fc", "linear", "classifier", "head")


def usable_values(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors as float32 (counters as they are), and notes on casts; raises CheckpointError for values no network can use."""
    cast: dict[str, list[str]] = {}
    values: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.is_complex() or tensor.layout is not torch.strided or tensor.is_quantized:
            kind = f"{tensor.dtype}, {tensor.layout}".replace("torch.", "")
            raise CheckpointError(f"checkpoint must hold dense real tensors; {printable(name)} is {kind}", code="E_DTYPE")
        if tensor.is_floating_point():
            if tensor.dtype != torch.float32:
                cast.setdefault(str(tensor.dtype).removeprefix("torch."), []).append(name)
            tensor = tensor.float()
            wrong = _n_not_finite(tensor)
            if wrong:
                seen = f"{wrong} of {tensor.numel()} in {printable(name)} are not"
                raise CheckpointError(f"checkpoint must hold finite weights; {seen}", code="E_NONFINITE")
        values[name] = tensor
    return values, [f"{len(names)} tensors are stored as {dtype}; computed in float32" for dtype, names in cast.items()]


def _n_not_finite(tensor: torch.Tensor) -> int:
    """In pieces: a mask of a whole tensor would be memory that a mapped file does not need."""
    flat = tensor.reshape(-1)
    return sum(int((~torch.isfinite(piece)).sum()) for piece in flat.split(PIECE))


def trial_images(spec: InputSpec) -> torch.Tensor:
    """Four fixed random images of the size the network wants: (4, channels, height, width). The global generator is not used."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N_TRIALS, spec.channels, *spec.size, generator=generator)


def check_outputs(pooled: torch.Tensor, architecture: str) -> None:
    """Pooled features of the trial images must be one finite vector each, and tell the images apart."""
    if not isinstance(pooled, torch.Tensor) or pooled.ndim != 2 or len(pooled) != N_TRIALS:
        shape = tuple(pooled.shape) if isinstance(pooled, torch.Tensor) else type(pooled).__name__
        raise CheckpointError(f"{architecture} must give one vector an image; its pooled output is {shape}")
    if not torch.isfinite(pooled).all():
        raise CheckpointError(f"checkpoint must hold working weights; features of random images are not finite with {architecture}", code="E_NONFINITE")
    if bool((pooled == pooled[:1]).all()):
        seen = f"four different images get the same features with {architecture}"
        raise CheckpointError(f"checkpoint must hold working weights; {seen}", code="E_DEGENERATE")


def check_head_width(candidate: Candidate, head_names: tuple[str, ...], n_features: int) -> None:
    """A classifier that stands beside the weights must accept the features: else the file holds another network than the one built."""
    heads = tuple(f"{candidate.prefix}{head}." for head in dict.fromkeys((*head_names, *CLASSIFIERS)))
    tensors = candidate.container.tensors
    weights = {
        key: tuple(tensors[key].shape)
        for key in candidate.beside
        if key.startswith(heads) and key.endswith("weight") and tensors[key].ndim == 2
    }
    first = next(iter(weights.items()), None)
    widths = [shape[1] for shape in weights.values()]
    if first and n_features not in {*widths, sum(widths)}:  # the sum: networks of two branches with a classifier each
        got = f"its classifier {printable(first[0])} takes {first[1][1]} features, the network gives {n_features}"
        raise CheckpointError(f"checkpoint must fit the network; {got}; part of it may be missing", code="E_HEAD_WIDTH")


def untrained_notes(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """A note when no batch normalisation has ever seen an image."""
    means = [tensor for name, tensor in tensors.items() if name.endswith("running_mean")]
    if means and not any(bool(tensor.any()) for tensor in means):
        return ["the running means of every batch normalisation are 0: these weights look untrained"]
    return []
