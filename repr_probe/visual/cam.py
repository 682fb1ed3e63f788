"""Class activation maps of one layer from its activations and the target's gradient: Grad-CAM, LayerCAM, Eigen-CAM."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

CamMethod = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


def gradcam(activations: torch.Tensor, gradients: torch.Tensor | None) -> torch.Tensor:
    """Activations weighted by each channel's mean gradient, positive part; (n, C, h, w) twice -> (n, h, w) >= 0.

    map(p) = max(0, sum over k of mean over q of G_k(q) times A_k(p)). In early layers it localises no better than chance: the mean over the
    places throws the place away.
    Source: Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2; equal to captum's LayerGradCam with relu_attributions.

    >>> gradcam(torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]]), torch.tensor([[[[2.0, 0.0]], [[-1.0, -1.0]]]]))
    tensor([[[0., 2.]]])
    """
    weights = _needed(gradients).mean((2, 3))  # (n, C)
    return torch.einsum("nc,nchw->nhw", weights, activations).relu()


def layercam(activations: torch.Tensor, gradients: torch.Tensor | None) -> torch.Tensor:
    """Activations weighted place by place by the positive part of the gradient, positive part; (n, C, h, w) twice -> (n, h, w) >= 0.

    map(p) = max(0, sum over k of max(0, G_k(p)) A_k(p)). Localises in early layers too.
    Source: Jiang et al., LayerCAM, IEEE TIP 2021, equations 5 to 7.

    >>> layercam(torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]]), torch.tensor([[[[2.0, 0.0]], [[-1.0, -1.0]]]]))
    tensor([[[2., 0.]]])
    """
    return (_needed(gradients).relu() * activations).sum(1).relu()


def eigen(activations: torch.Tensor, gradients: torch.Tensor | None = None) -> torch.Tensor:
    """Activations projected on their first principal direction, positive part; (n, C, h, w) -> (n, h, w) >= 0. No gradient, no target.

    The sign is chosen so that the projections sum to more than zero; the activations are not centred, as in the paper. It shows where the
    layer is active in its commonest way, which says nothing about any embedding.
    Source: Muhammad and Yeasin, Eigen-CAM, IJCNN 2020. Computed from the smaller Gram matrix, not from a full singular value decomposition.

    >>> eigen(torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])).round(decimals=4)
    tensor([[[5., 0.]]])
    """
    places = activations.detach().flatten(2).transpose(1, 2).double()  # (n, h w, C)
    n_places, n_channels = places.shape[1:]
    if n_channels <= n_places:
        direction = torch.linalg.eigh(places.transpose(1, 2) @ places).eigenvectors[:, :, -1:]  # (n, C, 1)
        projections = places @ direction
    else:  # left singular vector times its singular value
        values, vectors = torch.linalg.eigh(places @ places.transpose(1, 2))
        projections = vectors[:, :, -1:] * values[:, -1:, None].clamp_min(0).sqrt()
    signs = torch.where(projections.sum(1, keepdim=True) < 0, -1.0, 1.0)
    return (projections * signs).relu().reshape(len(activations), *activations.shape[2:]).to(activations.dtype)


METHODS: Mapping[str, CamMethod] = {"layercam": layercam, "gradcam": gradcam, "eigen": eigen}
WITHOUT_TARGET = frozenset({"eigen"})


def _needed(gradients: torch.Tensor | None) -> torch.Tensor:
    if gradients is None:
        raise TypeError("gradients must be given for this method; got None")
    return gradients
