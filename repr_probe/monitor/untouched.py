"""The state in which a model that is being trained is looked at, and everything put back afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from repr_probe.encoders.adapters.module_encoder import evaluating
from repr_probe.exact_pass import exact_pass, module_device


@contextmanager
def untouched(model: nn.Module) -> Iterator[torch.device]:
    """Inside: evaluation mode, no gradients, full float32; yields the model's device. After, also after a failure: as before.

    The training flag of every module is restored by itself (a frozen part stays frozen), and so are the random states of Python,
    NumPy and torch, autocast and the precision of products. Gradient flags and gradients are not touched at all.
    """
    device = module_device(model, "auto")
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (the caller's, to be put back)
    try:
        # Not inference mode: a tensor that a network keeps from such a pass could never take part in training again.
        with evaluating(model), exact_pass(model, device), torch.inference_mode(False), torch.no_grad():
            yield device
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
