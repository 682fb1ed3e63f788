"""Targets: what they are in formulas, who owns which row, and the one line for what is no target."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.errors import InputError, UsageError
from repr_probe.visual.targets import centred_target, centroid_target, class_target, parse_target, self_target, similar_to, split_target

OWN = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
FEATURES = torch.tensor([[1.0, 1.0], [2.0, 0.0], [4.0, 5.0]])
OWNER = torch.tensor([0, 0, 1])


def test_formulas():
    mean = np.array([1.0, 0.0])
    assert self_target().of(OWN).score(FEATURES, OWNER).tolist() == [3.0, 2.0, 15.0]
    assert centred_target(mean).of(OWN).score(FEATURES, OWNER).tolist() == [2.0, 0.0, 12.0]  # (z - m) . (own - m)
    assert centroid_target([2.0, 1.0] @ np.eye(2), mean).score(FEATURES, OWNER).tolist() == [1.0, 1.0, 8.0]
    assert class_target(np.array([2.0, -1.0])).score(FEATURES, OWNER).tolist() == [1.0, 4.0, 3.0]
    cosine = torch.nn.functional.cosine_similarity(FEATURES, torch.tensor([[1.0, 2.0]]), dim=1)
    assert torch.allclose(similar_to(np.array([1.0, 2.0])).score(FEATURES, OWNER), cosine)
    centred = torch.nn.functional.cosine_similarity(FEATURES - torch.tensor([1.0, 0]), torch.tensor([[0.0, 2.0]]), dim=1)
    assert torch.allclose(similar_to(np.array([1.0, 2.0]), mean).score(FEATURES, OWNER), centred)


def test_every_noisy_copy_is_compared_with_its_own_image():
    """Tiling (A, B, A, B) against interleaving (A, A, B, B) gives silently wrong maps in other tools; here the owner is passed along."""
    order = torch.tensor([2, 0, 1])
    target = self_target().of(OWN)
    assert torch.equal(target.score(FEATURES[order], OWNER[order]), target.score(FEATURES, OWNER)[order])
    queries = similar_to(OWN)
    assert torch.equal(queries.score(FEATURES[order], OWNER[order]), queries.score(FEATURES, OWNER)[order])
    with pytest.raises(InputError, match="query must have one row, or one an image; got 2 rows for image number 5"):
        queries.score(FEATURES, torch.tensor([0, 1, 5]))


def test_vectors_of_another_length_are_refused():
    for target in (class_target(np.ones(3)), similar_to(np.ones(3)), centroid_target(np.ones(3), np.zeros(3))):
        with pytest.raises(InputError, match="must have the encoder's 2 features; got 3"):
            target.score(FEATURES, OWNER)
    with pytest.raises(InputError, match="mean must have the encoder's 2 features; got 3"):
        centred_target(np.ones(3)).of(OWN)
    with pytest.raises(InputError, match=r"mean must be one finite vector \(n_features,\); got shape \(1, 2\)"):
        centred_target(np.ones((1, 2)))
    with pytest.raises(InputError, match="query must have a finite embedding other than zero"):
        similar_to(np.zeros(2))


def asked(text, **more):
    given = {"mean": lambda: [0.0, 0.0], "embed": lambda _: [1.0, 0.0], "centroid": lambda _: [0.0, 1.0], "class_row": lambda _: [3.0, 0.0]}
    return parse_target(text, **{name: lambda *a, f=f: torch.tensor(f(*a)) for name, f in given.items()}, **more)


def test_texts_of_the_command_line():
    names = ["self", "centred", "similar-to=a=b.jpg", "centroid=golden retriever", "class=7"]
    assert [asked(name).name for name in names] == names
    assert split_target("similar-to=a=b.jpg") == ("similar-to", "a=b.jpg")
    assert asked("similar-to=x", centred_queries=True).name == "similar-to=x (centred)"
    assert asked("class=7").score(FEATURES, OWNER).tolist() == [3.0, 6.0, 12.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("selfie", "target must be one of self, centred, similar-to=IMAGE, centroid=CLASS, class=N; got 'selfie'; nearest: self"),
        ("cosine", "got 'cosine': at the image itself that cosine has no gradient"),
        ("class", "target must be written class=N; got 'class'"),
        ("similar-to= ", "target must be written similar-to=IMAGE; got 'similar-to= '"),
        ("self=3", "target must be written self; got 'self=3'"),
    ],
)  # fmt: skip
def test_what_is_no_target(text, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        split_target(text)
