"""What a saliency map explains in an encoder without classes: one score an image, a function of its embedding.

Not offered, because it explains nothing: the cosine to the image's own embedding. Its gradient is zero at the image itself, so the map is
rounding error, or with noise the noise.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from repr_probe.errors import InputError, UsageError
from repr_probe.files.printable import printable

Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Vectors = torch.Tensor | np.ndarray

KINDS = ("self", "centred", "similar-to=IMAGE", "centroid=CLASS", "class=N")


@dataclass(frozen=True)
class Target:
    """A score of embeddings.

    score: (features (m, n_features) with gradient, owner (m,) numbers of the images that the rows are noisy copies of) -> (m,), each score
    a function of its own row alone.  name: recorded with every map.
    """

    name: str
    score: Score


@dataclass(frozen=True)
class OwnTarget:
    """A score that compares an image with its own clean embedding: `of` makes the Target from those, (n_images, n_features)."""

    name: str
    of: Callable[[torch.Tensor], Target]


def self_target() -> OwnTarget:
    """Dot product with the image's own clean embedding, held fixed.

    Of an encoder that ends in average pooling it is what each place contributes to the embedding's squared norm.
    Source: Crabbe and van der Schaar, Label-Free Explainability, ICML 2022.
    """
    return OwnTarget("self", lambda own: Target("self", _dot(own)))


def centred_target(mean: Vectors) -> OwnTarget:
    """As `self_target`, both embeddings with the mean (n_features,) of a data set taken off: what sets the image apart from the others."""
    centre = _vector(mean, "mean")

    def of(own: torch.Tensor) -> Target:
        away = own - _like(centre, own, "mean")
        return Target("centred", _dot(away, centre))

    return OwnTarget("centred", of)


def similar_to(query: Vectors, mean: Vectors | None = None, *, name: str = "similar-to") -> Target:
    """Cosine to a query's embedding (n_features,), or to one query per image (n_images, n_features); centred where `mean` is given.

    The best localised of the targets without labels. Source: Lin et al., COCOA, ICLR 2023, with the mean as foil.
    Raises InputError for a query of length zero.
    """
    queries = torch.atleast_2d(torch.as_tensor(query).detach().float())
    centre = None if mean is None else _vector(mean, "mean")
    if centre is not None:
        queries = queries - _like(centre, queries, "mean")
    lengths = torch.linalg.vector_norm(queries, dim=1)
    if not bool(((lengths > 0) & torch.isfinite(lengths)).all()):
        raise InputError("query must have a finite embedding other than zero; got one without a direction")

    def score(features: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
        wanted = _like(queries, features, "query")
        centred = features if centre is None else features - _like(centre, features, "mean")
        return torch.nn.functional.cosine_similarity(centred, _rows(wanted, owner, "query"), dim=1)

    return Target(name if mean is None else f"{name} (centred)", score)


def centroid_target(centroid: Vectors, mean: Vectors, *, name: str = "centroid") -> Target:
    """(z - mean) . (centroid - mean) with the mean of all classes: the logit of a nearest-centroid classifier, up to a constant."""
    centre = _vector(mean, "mean")
    return Target(name, _dot((_vector(centroid, "centroid") - centre)[None], centre))


def class_target(row: Vectors, *, name: str = "class") -> Target:
    """The logit of a linear classifier, less its bias: dot product with one row (n_features,) of its weights."""
    return Target(name, _dot(_vector(row, "row")[None]))


def split_target(text: str) -> tuple[str, str]:
    """ "similar-to=dog.jpg" -> ("similar-to", "dog.jpg"); "self" -> ("self", "").

    >>> split_target("centroid=golden retriever"), split_target("self")
    (('centroid', 'golden retriever'), ('self', ''))
    """
    kind, equals, value = text.strip().partition("=")
    known = {each.partition("=")[0]: "=" in each for each in KINDS}
    if kind not in known:
        if kind.startswith("cos"):
            raise UsageError(f"target must be one of {', '.join(KINDS)}; got {printable(text)!r}: at the image itself that cosine has no gradient")
        near = difflib.get_close_matches(kind, known, n=1)
        raise UsageError(f"target must be one of {', '.join(KINDS)}; got {printable(text)!r}{f'; nearest: {near[0]}' if near else ''}")
    if known[kind] != bool(value.strip()) or bool(equals) != known[kind]:
        wanted = next(each for each in KINDS if each.partition("=")[0] == kind)
        raise UsageError(f"target must be written {wanted}; got {printable(text)!r}")
    return kind, value.strip()


def parse_target(
    text: str,
    *,
    mean: Callable[[], Vectors],
    embed: Callable[[str], Vectors],
    centroid: Callable[[str], Vectors],
    class_row: Callable[[str], Vectors],
    centred_queries: bool = False,
) -> Target | OwnTarget:
    """The target that `text` names, one of KINDS; what it needs is asked for only then.

    mean: of a reference set.  embed: image file -> embedding.  centroid: class name -> centroid.  class_row: N -> row of a classifier.
    centred_queries: whether similar-to takes the mean off.
    """
    kind, value = split_target(text)
    if kind == "self":
        return self_target()
    if kind == "centred":
        return centred_target(mean())
    if kind == "similar-to":
        return similar_to(embed(value), mean() if centred_queries else None, name=text)
    if kind == "centroid":
        return centroid_target(centroid(value), mean(), name=text)
    return class_target(class_row(value), name=text)


def _dot(directions: torch.Tensor, centre: torch.Tensor | None = None) -> Score:
    """(features - centre) . directions[owner]; one direction serves all images."""

    def score(features: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
        wanted = _rows(_like(directions, features, "target"), owner, "target")
        return ((features if centre is None else features - _like(centre, features, "mean")) * wanted).sum(1)

    return score


def _rows(vectors: torch.Tensor, owner: torch.Tensor, what: str) -> torch.Tensor:
    if len(vectors) == 1:
        return vectors
    if int(owner.max()) >= len(vectors):
        raise InputError(f"{what} must have one row, or one an image; got {len(vectors)} rows for image number {int(owner.max())}")
    return vectors[owner.to(vectors.device)]


def _vector(values: Vectors, what: str) -> torch.Tensor:
    vector = torch.as_tensor(values).detach().float()
    if vector.ndim != 1 or not bool(torch.isfinite(vector).all()):
        raise InputError(f"{what} must be one finite vector (n_features,); got shape {tuple(vector.shape)}")
    return vector


def _like(vectors: torch.Tensor, features: torch.Tensor, what: str) -> torch.Tensor:
    if vectors.shape[-1] != features.shape[-1]:
        raise InputError(f"{what} must have the encoder's {features.shape[-1]} features; got {vectors.shape[-1]}")
    return vectors.to(features)
