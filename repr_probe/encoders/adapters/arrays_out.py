"""Arrays of any framework as checked float32 features: one vector an image, finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from repr_probe.errors import CheckpointError


def as_tensor(output: Any, who: str) -> torch.Tensor:
    """A torch tensor, NumPy array, or anything with `__dlpack__` or `__array__`, as a tensor; nothing is copied where that can be."""
    if isinstance(output, torch.Tensor):
        return output.detach()
    if isinstance(output, (list, tuple, dict)) or not (hasattr(output, "__dlpack__") or hasattr(output, "__array__")):
        kind = type(output).__name__
        raise CheckpointError(f"{who} must return one array, a row an image; got a {kind}; return the array alone", code="E_OUTPUT")
    if hasattr(output, "__dlpack__") and not isinstance(output, np.ndarray):
        try:
            return torch.from_dlpack(output)
        except (RuntimeError, BufferError, TypeError, ValueError):  # memory torch cannot see, or a type it lacks
            if not hasattr(output, "__array__"):
                raise
    array = np.asarray(output)
    array = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    if array.dtype.kind not in "fiub":
        raise CheckpointError(f"{who} must return real numbers; got an array of {array.dtype}", code="E_OUTPUT")
    # torch warns of memory that must not be written to, as JAX's; nothing is ever written here, but the warning would be shown.
    return torch.from_numpy(np.asarray(array, order="C") if array.flags.writeable else np.array(array, order="C"))


def as_features_of(output: Any, n_images: int, who: str) -> torch.Tensor:
    """(n_images, n_features) float32, out of what `who` returned for `n_images` images; raises CheckpointError (E_OUTPUT) for all else.

    Places of size 1 x 1 are dropped: (n, D, 1, 1) and (n, 1, 1, D) are vectors already.
    """
    features = as_tensor(output, who)
    shape = tuple(features.shape)
    if features.ndim == 4 and (shape[2:] == (1, 1) or shape[1:3] == (1, 1)):
        features = features.flatten(1)
    if features.ndim != 2 or len(features) != n_images or features.shape[1] == 0:
        remedy = "; pool the maps or tokens in it" if features.ndim in (3, 4) and shape[0] == n_images else ""
        raise CheckpointError(f"{who} must return ({n_images}, n_features) for {n_images} images; got shape {shape}{remedy}", code="E_OUTPUT")
    if features.is_complex():
        raise CheckpointError(f"{who} must return real numbers; got {features.dtype}", code="E_OUTPUT")
    features = features.float()
    finite = torch.isfinite(features).all(1)
    if not finite.all():
        n_bad = int((~finite).sum())
        raise CheckpointError(f"{who} must return finite features; {n_bad} of {n_images} rows hold NaN or infinity", code="E_OUTPUT")
    return features
