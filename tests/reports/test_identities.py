from __future__ import annotations

import numpy as np
import pytest

from repr_probe.features.feature_set import Features
from repr_probe.metrics.definitions import DEFINITIONS, keys_of
from repr_probe.metrics.states import GeometryStates
from repr_probe.reports.geometry import measure_all
from repr_probe.reports.identities import identity_failures

KEYS = [key for key in keys_of("full") if DEFINITIONS[key].needs != "views"]


def measured_states(width=6, unlabelled=0):
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 5
    labels[:unlabelled] = -1
    states = GeometryStates(Features(rng.normal(size=(80, width)) + rng.normal(size=(5, width))[labels] + 0.5, labels))
    measure_all(states, KEYS)
    return states


@pytest.mark.parametrize("width", [6, 100])
@pytest.mark.parametrize("unlabelled", [0, 9])
def test_good_input_breaks_no_identity(width, unlabelled):
    assert identity_failures(measured_states(width, unlabelled)) == ()


def test_nothing_measured_is_nothing_broken():
    assert identity_failures(GeometryStates(Features(np.zeros((3, 2))))) == ()
    assert identity_failures(GeometryStates(Features(np.ones((1, 2))))) == ()


def shift_center(states):
    states.moments.unit.matrix[0, -1] += 0.5


def lose_squares(states):
    states.moments.unit.matrix[-2, -1] *= 1.01


def lose_same_class_pairs(states):
    states.cosine_sums.same_2[:] *= 0.9


def lose_squares_of_all_pairs(states):
    states.cosine_sums.all_2[:] *= 0.999


def move_a_class(states):
    states.centroids.means[2] += 0.05


def reorder_spectrum(states):
    spectrum = states.spectrum(center=True)
    spectrum.values[:] = spectrum.values[::-1]


def lose_an_angle(states):
    counts = states.angles.histograms["all"]
    counts[np.flatnonzero(counts)[0]] -= 1


def count_a_pair_twice(states):
    states.angles.histograms["positive"][:] = states.angles.histograms["labelled"] + 1


def move_angles(states):
    counts = states.angles.histograms["all"]
    counts[:] = np.roll(counts, 4)


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (shift_center, "I1: mean cosine"),
        (lose_squares, "I1: mean cosine"),
        (move_a_class, "I4: mean cosine"),
        (lose_squares_of_all_pairs, "I4: variance of cosines"),
        (lose_same_class_pairs, "I3: mean squared cosine of same-class pairs"),
        (reorder_spectrum, "I8: 1 <= 1/top share"),
        (lose_an_angle, "pair pass: 3159 angles counted, 3160 pairs exist"),
        (count_a_pair_twice, "pair pass: more same-class than labelled pairs in a bin"),
        (move_angles, "pair pass: mean angle"),
    ],
)
def test_a_tampered_state_is_found_out(tamper, said):
    states = measured_states()
    tamper(states)
    failures = identity_failures(states)
    assert any(text.startswith(said) for text in failures), failures
    assert all("\n" not in text for text in failures)
