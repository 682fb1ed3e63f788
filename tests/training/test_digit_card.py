"""The judges of the card: the kNN vote against scikit-learn's, accuracies whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from repr_probe.preprocessing import InputSpec
from repr_probe.training.digit_card import Accuracies, accuracies, vote, write_card


def clusters(n_images: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_images) % 3
    return 8 * torch.eye(3, 6)[labels] + torch.randn(n_images, 6, generator=generator), labels


def test_the_vote_is_scikit_learns_weighted_vote():
    generator = torch.Generator().manual_seed(0)
    bank, queries = torch.randn(280, 6, generator=generator, dtype=torch.float64).split([200, 80])
    labels = torch.randint(0, 4, (200,), generator=generator)
    bank, queries = (rows / rows.norm(dim=1, keepdim=True) for rows in (bank, queries))
    oracle = KNeighborsClassifier(20, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / 0.1))
    expected = oracle.fit(bank.numpy(), labels.numpy()).predict(queries.numpy())
    assert vote(queries @ bank.T, labels, 4).tolist() == expected.tolist()


def test_separate_clusters_are_told_apart():
    assert accuracies(*clusters(90, 1), *clusters(30, 2)) == Accuracies(1.0, 1.0, 1.0)


def test_labels_without_relation_to_features_are_guessed():
    features, labels = clusters(300, 3)
    shuffled = labels[torch.randperm(300, generator=torch.Generator().manual_seed(4))]
    result = accuracies(features, shuffled, *clusters(90, 5))
    assert result.knn_train < 0.5
    assert result.linear_test < 0.7


def test_an_image_does_not_vote_for_itself():
    """21 equal images, 20 votes each: the ten of class 0 see 9 against 11, the eleven of class 1 a draw that goes to class 0."""
    equal, labels = torch.ones(21, 4), torch.tensor([0] * 10 + [1] * 11)
    assert accuracies(equal, labels, equal, labels).knn_train == 0


def test_the_card_shows_scores_and_settings():
    spec = InputSpec(size=(8, 8), mean=(0.3,), std=(0.4,))
    card = write_card({"net": Accuracies(0.5, 0.25, 0.125)}, {"kappa": 2.0, "view": {"area": (0.5, 1.0)}}, spec, n_parameters=12345)
    assert "| net | 25.0 | 12.5 | 50.0 |" in card
    assert "| kappa | 2 |" in card
    assert "| view | area 0.5 to 1 |" in card
    assert "12,345 parameters" in card
    assert "mean 0.3, std 0.4" in card


@pytest.mark.parametrize("n_classes", [3, 10])
def test_the_vote_knows_classes_without_a_neighbour(n_classes):
    assert vote(torch.eye(25), torch.zeros(25, dtype=torch.int64), n_classes).tolist() == [0] * 25
