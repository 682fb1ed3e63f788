"""kNN against double loops, scikit-learn, Lightly where Lightly is right, and against the peers' faults."""

from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.probes.knn import PRESETS, SWEEP_K, Setting, knn, knn_sweep


def blobs(n_bank=400, n_queries=120, n_classes=8, width=12, noise=1.5, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_classes, width))
    codes = rng.integers(0, n_classes, n_bank), rng.integers(0, n_classes, n_queries)
    rows = [centres[part] + noise * rng.standard_normal((len(part), width)) for part in codes]
    return rows[0].astype(np.float32), codes[0], rows[1].astype(np.float32), codes[1]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_loops(bank, bank_codes, queries, codes, k, temperature):
    """(top-1 hits, top-5 hits, predictions) straight from the definition: nothing is vectorised, nothing is shared with the package."""
    bank, queries = unit(bank.astype(np.float64)), unit(queries.astype(np.float64))
    first, five, predicted = [], [], []
    for query, code in zip(queries, codes, strict=True):
        cosines = [np.float32(np.round(row @ query * 2.0**30) / 2.0**30) for row in bank]
        near = sorted(range(len(bank)), key=lambda row: (-cosines[row], row))[:k]
        score, closest = {}, {}
        for row in near:
            weight = 1.0 if temperature is None else np.exp((np.float64(cosines[row]) - np.float64(cosines[near[0]])) / temperature)
            score[bank_codes[row]] = score.get(bank_codes[row], 0.0) + weight
            closest.setdefault(bank_codes[row], cosines[row])
        ranking = sorted(score, key=lambda one: (-score[one], -closest[one], one))
        predicted.append(ranking[0])
        first.append(ranking[0] == code)
        five.append(code in ranking[:5])
    return np.array(first), np.array(five), np.array(predicted)


@pytest.mark.parametrize("setting", [(1, 0.1), (7, 0.07), (50, 0.1), (400, 0.07), (9, None), (60, None)])
def test_equals_double_loops(setting):
    bank, bank_codes, queries, codes = blobs()
    first, five, predicted = by_loops(bank, bank_codes, queries, codes, *setting)
    if setting[1] is None:
        found = knn(bank, bank_codes, queries, codes, preset="uniform", k=setting[0])
    else:
        found = knn(bank, bank_codes, queries, codes, k=setting[0], temperature=setting[1])
    assert np.array_equal(found.hits, first)
    assert np.array_equal(found.top5_hits, five)
    assert np.array_equal(found.predictions, predicted)
    assert (found.top1, found.top5) == (first.mean(), five.mean())


@pytest.mark.parametrize("kind", ["integers", "copies", "constant"])
@pytest.mark.parametrize("setting", [(3, 0.1), (10, None), (25, 0.07)])
def test_ties_by_rule_equal_double_loops(kind, setting):
    rng = np.random.default_rng(1)
    bank, queries = rng.integers(-1, 2, (90, 3)).astype(float), rng.integers(-1, 2, (40, 3)).astype(float)
    bank[(bank == 0).all(1)] = queries[(queries == 0).all(1)] = 1.0
    if kind == "copies":
        bank[30:60], bank[60:] = bank[:30], bank[:30]
    if kind == "constant":
        bank[:] = [1.0, 2.0, 3.0]
    bank_codes, codes = rng.integers(0, 7, 90), rng.integers(0, 7, 40)
    _, five, predicted = by_loops(bank, bank_codes, queries, codes, *setting)
    for memory in (1 << 14, 1 << 28):
        (found,) = knn_sweep(bank, bank_codes, queries, codes, k=[setting[0]], temperature=[setting[1]], memory=memory)
        assert np.array_equal(found.predictions, predicted)
        assert np.array_equal(found.top5_hits, five)


@pytest.mark.parametrize("k", [5, 20, 200])
def test_equals_scikit_learn_with_the_same_weights(k):
    from sklearn.neighbors import KNeighborsClassifier

    bank, bank_codes, queries, codes = blobs(n_bank=1500, n_queries=300, noise=2.0)
    fitted = KNeighborsClassifier(k, algorithm="brute", weights=lambda d: np.exp((1 - d * d / 2) / 0.1)).fit(unit(bank), bank_codes)
    found = knn(bank, bank_codes, queries, codes, k=k)
    assert np.array_equal(found.predictions, fitted.predict(unit(queries)))
    shares = fitted.predict_proba(unit(queries))
    mine = shares[np.arange(len(codes)), codes]
    strict = ((shares > mine[:, None]).sum(1) < 5) & (mine > 0)
    assert np.array_equal(found.top5_hits, strict)


@pytest.mark.slow  # the import of Lightly alone takes seconds
def test_top1_equals_lightly_and_top5_where_all_its_places_have_votes():
    torch = pytest.importorskip("torch")
    knn_predict = pytest.importorskip("lightly.utils.benchmarking.knn").knn_predict
    bank, bank_codes, queries, codes = blobs(n_bank=900, n_queries=200, noise=3.0)
    theirs = knn_predict(torch.tensor(unit(queries)), torch.tensor(unit(bank)).T, torch.tensor(bank_codes), 8).numpy()
    found = knn(bank, bank_codes, queries, codes)
    assert np.array_equal(found.predictions, theirs[:, 0])
    assert found.top5_voted_share == 1.0
    assert np.array_equal(found.top5_hits, (theirs[:, :5] == codes[:, None]).any(1))


def test_classes_without_a_vote_are_never_hits():
    """Lightly and DINO fill the places behind the voted classes in index order: class 1 would be a top-5 hit here."""
    bank = np.vstack([np.tile([1.0, 0.0], (10, 1)), np.tile([0.0, 1.0], (7, 1))])
    bank_codes = np.array([0] * 10 + [1, 2, 3, 4, 5, 6, 7])
    found = knn(bank, bank_codes, [[1.0, 0.0]] * 3, [0, 1, 7], k=5)
    assert found.top5_hits.tolist() == [True, False, False]
    assert found.top5_voted_share == 0.0


def test_fewer_than_a_hundred_queries_run():
    """DINO's script divides the queries into a hundred chunks and stops with a chunk size of 0."""
    bank, bank_codes, queries, codes = blobs(n_queries=3)
    assert knn(bank, bank_codes, queries, codes).n_test == 3
    assert knn(bank, bank_codes, queries[:1], codes[:1]).n_test == 1


def test_votes_of_many_classes_take_no_one_hot_matrix():
    """DINO's script makes a (queries x k, classes) matrix: 400 MB in float32 here, beyond any machine for a bank of ImageNet-21k."""
    import tracemalloc

    rng = np.random.default_rng(0)
    bank, queries = rng.standard_normal((20000, 4)), rng.standard_normal((100, 4))
    tracemalloc.start()
    try:
        found = knn(bank, np.arange(20000) % 10000, queries, np.arange(100), k=100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.n_classes == 10000
    assert peak < 80 << 20


@pytest.mark.parametrize("order", [1, -1])
def test_a_bank_in_order_of_its_cosines_gives_the_answer_of_any_order(order):
    """Every block beats all blocks before it, or none does."""
    rng = np.random.default_rng(2)
    bank, codes = rng.standard_normal((900, 6)), rng.integers(0, 8, 900)
    query = rng.standard_normal((1, 6))
    queries = query + 1e-3 * rng.standard_normal((20, 6))
    sorted_rows = np.argsort(unit(bank) @ unit(query)[0])[::order]
    one = knn(bank, codes, queries, np.arange(20) % 8, k=30)
    other = knn(bank[sorted_rows], codes[sorted_rows], queries, np.arange(20) % 8, k=30, memory=1)
    assert [one.class_names[code] for code in one.predictions] == [other.class_names[code] for code in other.predictions]
    assert np.array_equal(one.top5_hits, other.top5_hits)


def test_threads_change_nothing_and_are_put_back():
    torch = pytest.importorskip("torch")
    before, rows = torch.get_num_threads(), blobs(n_bank=700)
    try:
        answers = []
        for count in (1, 3):
            torch.set_num_threads(count)
            answers.append(knn(*rows, memory=1 << 16).predictions)
            assert torch.get_num_threads() == count
        assert np.array_equal(*answers)
    finally:
        torch.set_num_threads(before)


def test_leave_one_out_equals_a_bank_without_the_row():
    bank, codes, *_ = blobs(n_bank=60)
    bank[5] = bank[4]  # a copy of a row is a neighbour, the row itself is none
    found = knn(bank, codes, k=7)
    alone = [knn(np.delete(bank, row, 0), np.delete(codes, row), bank[row : row + 1], codes[row : row + 1], k=7) for row in range(60)]
    names = [int(one.class_names[one.predictions[0]]) for one in alone]
    assert [int(found.class_names[code]) for code in found.predictions] == names
    assert found.protocol == "knn k=7 T=0.1 cosine leave-one-out"


def test_blocks_of_any_size_give_one_answer():
    bank, bank_codes, queries, codes = blobs(n_bank=700)
    whole = knn_sweep(bank, bank_codes, queries, codes)
    for memory in (1, 1 << 16, 1 << 20):
        for one, other in zip(whole, knn_sweep(bank, bank_codes, queries, codes, memory=memory), strict=True):
            assert np.array_equal(one.predictions, other.predictions)
            assert np.array_equal(one.top5_hits, other.top5_hits)


def test_sweep_equals_single_calls():
    bank, bank_codes, queries, codes = blobs()
    swept = knn_sweep(bank, bank_codes, queries, codes, k=[1, 10, 50], temperature=[0.07, None])
    assert [one.protocol for one in swept][:2] == ["knn k=1 T=0.07 cosine", "knn k=1 uniform cosine"]
    assert swept[2].top1 == knn(bank, bank_codes, queries, codes, k=10, temperature=0.07).top1
    assert swept[5].top5 == knn(bank, bank_codes, queries, codes, preset="uniform", k=50).top5
    assert len(knn_sweep(bank, bank_codes, queries, codes)) == 2 * len(SWEEP_K)


def test_bank_order_and_scale_of_rows_change_nothing():
    bank, bank_codes, queries, codes = blobs()
    order = np.random.default_rng(3).permutation(len(bank))
    one, other = knn(bank, bank_codes, queries, codes), knn(37.0 * bank[order], bank_codes[order], 0.01 * queries, codes)
    assert np.array_equal(one.hits, other.hits)


def test_shuffled_labels_read_like_chance():
    bank, bank_codes, queries, codes = blobs(n_bank=2000, n_queries=600)
    shuffled = np.random.default_rng(0).permutation(bank_codes)
    found = knn(bank, shuffled, queries, codes, k=20)
    assert found.top1 < 0.2
    assert knn(bank, bank_codes, queries, codes, k=20).ci[0] > 0.4


def test_strings_and_numbers_match_by_value():
    bank, bank_codes, queries, codes = blobs()
    names = np.array(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"])
    found = knn(bank, names[bank_codes], queries, names[codes])
    assert found.top1 == knn(bank, bank_codes, queries, codes).top1
    assert found.class_names[found.predictions[0]] in names
    gaps = knn(bank, 10 * bank_codes + 3, queries, 10 * codes + 3)
    assert np.array_equal(gaps.hits, found.hits)


def test_classes_without_a_bank_row_are_misses_and_are_counted():
    bank, bank_codes, queries, codes = blobs()
    kept = bank_codes != 7
    found = knn(bank[kept], bank_codes[kept], queries, codes)
    assert found.n_absent == int((codes == 7).sum())
    assert not found.hits[codes == 7].any()
    assert any("without a row in bank: misses" in note for note in found.notes)
    with pytest.raises(InputError, match="queries must share a class with bank; got none"):
        knn(bank[:3], ["a", "b", "c"], queries[:2], ["x", "y"])


def test_a_small_bank_votes_whole_and_says_so():
    bank, bank_codes, queries, codes = blobs(n_bank=30)
    found = knn(bank, bank_codes, queries, codes)
    assert found.protocol == "knn k=30 T=0.1 cosine"
    assert "k is 30, all the bank has, in place of 200" in found.notes


def test_five_classes_or_fewer_have_no_top5():
    bank, bank_codes, queries, codes = blobs(n_classes=5)
    found = knn(bank, bank_codes, queries, codes)
    assert found.top5 is None
    assert found.top5_reason == "top-5 needs more than 5 classes among the training rows; got 5"
    assert found.top5_hits is None
    assert found.top5_ci is None


def test_unlabelled_and_zero_rows_are_left_out_and_said():
    bank, bank_codes, queries, codes = blobs()
    bank_codes, queries = bank_codes.copy(), queries.copy()
    bank_codes[3], queries[2] = -1, 0.0
    found = knn(bank, bank_codes, queries, codes)
    assert (found.n_train, found.n_test) == (399, 119)
    assert found.test_rows.tolist() == [row for row in range(120) if row != 2]
    assert "1 unlabelled rows of bank are left out" in found.notes
    assert "1 zero rows of queries have no direction and are left out" in found.notes


def test_a_memory_mapped_bank_is_read_in_blocks(tmp_path):
    bank, bank_codes, queries, codes = blobs(n_bank=3000)
    np.save(tmp_path / "bank.npy", bank.astype(np.float16))
    mapped = np.load(tmp_path / "bank.npy", mmap_mode="r")
    found = knn(mapped, bank_codes, queries, codes, memory=1 << 17)
    assert np.array_equal(found.hits, knn(bank.astype(np.float16), bank_codes, queries, codes).hits)


def test_nothing_is_written_to_the_arrays_and_the_result_is_frozen():
    bank, bank_codes, queries, codes = blobs()
    before = bank.copy(), queries.copy()
    found = knn(bank, bank_codes, queries, codes)
    assert np.array_equal(bank, before[0])
    assert np.array_equal(queries, before[1])
    with pytest.raises(AttributeError):
        found.top1 = 1.0
    with pytest.raises(TypeError):
        found.settings["k"] = 3


def test_presets_are_those_of_their_sources():
    assert PRESETS["lightly"] == Setting(200, 0.1)
    assert PRESETS["instdisc"] == Setting(200, 0.07)
    assert PRESETS["dino"] == PRESETS["dinov2"] == Setting(20, 0.07)
    assert PRESETS["uniform"].temperature is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "moco"}, "preset must be one of lightly, instdisc, dino, dinov2, uniform; got 'moco'"),
        ({"k": 0}, "k must be an integer, 1 or more; got 0"),
        ({"k": 2.5}, "k must be an integer, 1 or more; got 2.5"),
        ({"temperature": 0.0}, "temperature must be a finite number above 0; got 0.0"),
        ({"preset": "uniform", "temperature": 0.1}, "temperature must go with weighted votes; got 0.1 beside preset 'uniform'"),
        ({"device": "nowhere"}, "device must be one torch can use here; got 'nowhere'"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        knn(*blobs(), **options)


def test_bad_features():
    bank, bank_codes, queries, codes = blobs()
    broken = bank.copy()
    broken[4, 1] = np.nan
    with pytest.raises(InputError, match="bank must be finite; 1 of 400 rows are not, first row 4"):
        knn(broken, bank_codes, queries, codes)
    with pytest.raises(InputError, match="queries must be as wide as bank; got 3 features for 12"):
        knn(bank, bank_codes, queries[:, :3], codes)
    with pytest.raises(InputError, match="queries must have labels; got none"):
        knn(bank, bank_codes, queries)
    with pytest.raises(InputError, match="labels of bank must match the rows"):
        knn(bank, bank_codes[:5], queries, codes)


def test_a_device_without_room_is_said_in_one_line(monkeypatch):
    import torch

    from repr_probe.metrics import neighbours

    def full(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(neighbours._Tiles, "search", full)
    with pytest.raises(InputError, match="device must have room for tiles of 32 MiB; got cpu without it; pass a smaller memory or device='cpu'"):
        knn(*blobs())


def in_one_direction(spread, seed=0, n_bank=300, n_queries=80, width=8):
    """Classes that lie `spread` apart, far from the origin."""
    bank, bank_codes, queries, codes = blobs(n_bank, n_queries, n_classes=6, width=width, noise=1.0, seed=seed)
    far = np.linspace(1.0, 2.0, width)
    return far + spread * bank.astype(float), bank_codes, far + spread * queries.astype(float), codes


def by_distances(bank, bank_codes, queries, codes, k, temperature):
    """(top-5 hits, predictions) by loops over distances of unit rows in long doubles."""
    bank, queries = (unit(rows.astype(np.longdouble)) for rows in (bank, queries))
    five, predicted = [], []
    for query, code in zip(queries, codes, strict=True):
        square = np.square(bank - query).sum(1)
        score, near = {}, np.argsort(square, kind="stable")[:k]
        for row in near:
            score[bank_codes[row]] = score.get(bank_codes[row], 0.0) + np.exp((square[near[0]] - square[row]) / (2 * temperature))
        closest = {one: next(place for place, row in enumerate(near) if bank_codes[row] == one) for one in score}
        ranking = sorted(score, key=lambda one: (-score[one], closest[one]))
        predicted.append(ranking[0])
        five.append(code in ranking[:5])
    return np.array(five), np.array(predicted)


@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("setting", [(1, 0.07), (5, 0.1), (40, 0.07)])
def test_features_in_one_direction_are_ranked_exactly(spread, setting):
    """Centre vector norms up to 1 - 1e-16: cosines in float32, and from about 1e-8 on in float64, are all 1."""
    rows = in_one_direction(spread)
    five, predicted = by_distances(*rows, *setting)
    assert np.linalg.norm(unit(rows[0]).mean(0)) > 0.999
    for memory in (1, 1 << 26):
        (found,) = knn_sweep(*rows, k=[setting[0]], temperature=[setting[1]], memory=memory)
        assert np.array_equal(found.predictions, predicted)
        assert np.array_equal(found.top5_hits, five)
    assert found.notes == ()
    assert found.top1 > 0.3, "far above 1 in 6"


def test_features_in_one_direction_leave_themselves_out():
    bank, codes, *_ = in_one_direction(1e-7, n_bank=50)
    found = knn(bank, codes, k=3)
    alone = [by_distances(np.delete(bank, row, 0), np.delete(codes, row), bank[row : row + 1], codes[row : row + 1], 3, 0.1)[1] for row in range(50)]
    assert np.array_equal(found.predictions, np.concatenate(alone))


def test_rounding_alone_would_misplace_neighbours_in_one_direction(monkeypatch):
    from repr_probe.probes import knn as module

    rows = in_one_direction(1e-6)
    monkeypatch.setattr(module, "settled", module.nearest)
    assert (knn(*rows, k=5).predictions != by_distances(*rows, 5, 0.1)[1]).any()
