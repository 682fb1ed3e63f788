"""The same lines on torch as on numpy: torch's CPU stands for a GPU here; those marked `gpu` need one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.errors import InputError
from repr_probe.features.door import as_features
from repr_probe.metrics.algebra import HOST, TorchAlgebra, algebra_on, bytes_needed
from repr_probe.metrics.cosine_pairs import cosine_pair_sums, cosine_pair_totals
from repr_probe.metrics.inference import delete_groups
from repr_probe.metrics.moments import MomentState
from repr_probe.metrics.row_pass import row_pass
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.spectrum import second_moment, spectrum_of
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.reports.geometry import measure_all, report_keys

GPU = pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")])
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])
COLLAPSED = 0.9999999  # centre vector norm


def cloud(n=600, width=9, n_classes=7, dtype=np.float64, collapsed=False):
    """Unlabelled rows, two zero rows, a class larger than a Gram of rows; `collapsed`: nearly all cosines are 1."""
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, n_classes, n)
    codes[codes > 3] = 0
    x = rng.normal(size=(n, width)) + rng.normal(size=(n_classes + 1, width))[codes]
    if collapsed:
        x = np.ones(width) + 4e-4 * x
    x[[5, 60]] = 0
    return x.astype(dtype), codes


@pytest.fixture
def small_blocks(monkeypatch):
    """Several blocks of rows on a device even of a small cloud."""
    monkeypatch.setattr("repr_probe.metrics.algebra._NUMBERS", 1000)


def state_on(algebra, x, codes):
    rows = Rows(x)
    state = MomentState(rows.n_features, algebra=algebra)
    for start, block in algebra.blocks(rows):
        state.update(block, codes[start : start + len(block)])
    state.settle()
    return state


def assert_near(found, expected, tolerance=1e-12):
    """To `tolerance` of the largest entry."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * float(np.abs(expected).max(initial=0.0)))


@DEVICES
@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_moments(device, dtype, collapsed, small_blocks):
    x, codes = cloud(dtype=dtype, collapsed=collapsed)
    found, expected = state_on(TorchAlgebra(device), x, codes), state_on(HOST, x, codes)
    if collapsed and dtype == np.float64:
        assert np.linalg.norm(expected.unit.mean()) == pytest.approx(COLLAPSED, abs=1e-7)
    for name in ("n", "n_zero"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("low", "high", "zeros"):
        np.testing.assert_array_equal(getattr(found.columns, name), getattr(expected.columns, name))
    for name in ("absolute", "square"):
        assert_near(getattr(found.columns, name), getattr(expected.columns, name))
    for name, value in vars(expected.scalars).items():
        assert getattr(found.scalars, name) == pytest.approx(value, rel=1e-12, abs=1e-12), name
    for name in ("raw", "unit"):
        ours, theirs = getattr(found, name), getattr(expected, name).moved(getattr(found, name).reference)
        for part in (np.s_[:-2, :-2], np.s_[-2, :], np.s_[-1, :]):  # each on its own scale
            assert_near(ours.matrix[part], theirs.matrix[part])
        assert_near(ours.scatter(), theirs.scatter())
    assert found.unit.reference.tolist() == expected.unit.reference.tolist(), "so class sums are about the same row"
    for ours, theirs in zip(found.classes.parts(), expected.classes.parts(), strict=True):
        assert_near(ours, theirs)


@DEVICES
def test_a_settled_state_is_one_of_the_processor(device, small_blocks):
    x, codes = cloud()
    halves = [state_on(algebra, part, label) for algebra, part, label in zip((TorchAlgebra(device), HOST), np.split(x, 2), np.split(codes, 2))]
    halves[0].update(x[:7], codes[:7])
    whole = state_on(HOST, np.concatenate([x, x[:7]]), np.concatenate([codes, codes[:7]]))
    merged = halves[0].merged(halves[1])
    assert_near(merged.unit.scatter(), whole.unit.scatter())
    assert_near(merged.classes.raw, whole.classes.raw)


@DEVICES
@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize("collapsed", [False, True])
def test_spectra(device, vectors, collapsed):
    x, codes = cloud(collapsed=collapsed)
    gram = state_on(HOST, x, codes).unit
    for center in (False, True):
        matrix = gram.scatter() if center else gram.second_moment()
        found = spectrum_of(matrix.copy(), gram.count, vectors=vectors, algebra=TorchAlgebra(device))
        expected = spectrum_of(matrix.copy(), gram.count, vectors=vectors)
        assert_near(found.values, expected.values)
        assert found.vectors.shape == (9, expected.rank if vectors else 0)
        if vectors:
            again = (found.vectors * found.values) @ found.vectors.T * gram.count
            assert_near(again, matrix)


@DEVICES
@pytest.mark.parametrize("center", [True, False])
def test_second_moments_of_chosen_unit_rows(device, center, small_blocks):
    rows = Rows(cloud(dtype=np.float32)[0] + 10, np.arange(0, 600, 3), unit=True)
    algebra = TorchAlgebra(device)
    found = algebra.host(second_moment(rows, center=center, algebra=algebra))
    assert_near(found, second_moment(rows, center=center))


@DEVICES
@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("limit", [2, 100])
def test_cosine_sums(device, limit, collapsed, small_blocks, monkeypatch):
    """Classes and groups on both sides of the size up to which pairs are formed."""
    monkeypatch.setattr("repr_probe.metrics.cosine_pairs._largest_gram", lambda rows: 100)
    x, codes = cloud(collapsed=collapsed)
    kept = np.flatnonzero((codes >= 0) & (np.abs(x).sum(axis=1) > 0))
    groups = delete_groups(int(codes.max()) + 1, limit)[codes[kept]]
    order = np.lexsort((codes[kept], groups))
    rows, codes, groups = Rows(x, kept[order], unit=True), codes[kept][order], groups[order]
    found, expected = cosine_pair_sums(rows, codes, groups, algebra=TorchAlgebra(device)), cosine_pair_sums(rows, codes, groups)
    for name in ("all_1", "all_2", "same_1", "same_2", "within_1", "within_2"):
        assert_near(getattr(found, name), getattr(expected, name))
    found, expected = cosine_pair_totals(rows, codes, algebra=TorchAlgebra(device)), cosine_pair_totals(rows, codes)
    for name in ("same_n", "same_1", "same_2", "all_n", "all_1", "all_2"):
        assert_near(getattr(found, name), getattr(expected, name))


@DEVICES
def test_row_pass_and_lengths(device, small_blocks):
    rows, algebra = Rows(cloud(dtype=np.float32)[0]), TorchAlgebra(device)
    vectors = np.random.default_rng(1).normal(size=(3, 9))
    found, expected = row_pass(rows, *vectors, algebra), row_pass(rows, *vectors)
    for name, value in vars(expected).items():
        assert_near(getattr(found, name), value)
    assert_near(algebra.lengths(rows), rows.norms())
    assert_near(algebra.lengths(Rows(rows.values, np.array([60, 3, 2]))), rows.norms()[[60, 3, 2]])


@DEVICES
def test_reports(device):
    """Every measure with its interval."""
    x, codes = cloud(n=300, n_classes=12)
    features = as_features(x, codes)
    found, expected = GeometryStates(features, Options()), GeometryStates(features, Options())
    found.__dict__["algebra"] = TorchAlgebra(device)
    keys = report_keys("full", features)
    ours, theirs = measure_all(found, keys), measure_all(expected, keys)
    for key in keys:
        assert (ours[key].reason, ours[key].ci_reason) == (theirs[key].reason, theirs[key].ci_reason), key
        for one, other, tolerance in ((ours[key].value, theirs[key].value, 1e-9), (ours[key].ci, theirs[key].ci, 1e-6)):
            assert (one is other is None) or one == pytest.approx(other, rel=tolerance, abs=tolerance), key


def test_a_read_only_map_is_not_written_to(tmp_path):
    np.save(tmp_path / "x.npy", cloud(dtype=np.float32)[0])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    block = TorchAlgebra("cpu").read(Rows(mapped), 0, 4)
    block += 1.0
    np.testing.assert_array_equal(mapped, cloud(dtype=np.float32)[0])


def test_devices_without_float64_leave_it_to_the_processor():
    assert [algebra_on(name) is HOST for name in ("cpu", "mps", "mps:0")] == [True] * 3


def test_no_room_is_one_line():
    line = r"^device must have 403.8 MB free for 2048 features in float64; got cpu without; use --device cpu$"
    with pytest.raises(InputError, match=line), TorchAlgebra("cpu").room(2048, 100_000):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    with pytest.raises(RuntimeError, match="another"), TorchAlgebra("cpu").room(2048):
        raise RuntimeError("another")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_small_share_of_a_gpu_has_no_room():
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2**24 / total)
    try:
        states = GeometryStates(as_features(np.random.default_rng(0).normal(size=(3000, 2048)).astype(np.float32)), Options(device="cuda"))
        with pytest.raises(InputError, match=r"device must have .* free for 2048 features in float64; got cuda without; use --device cpu"):
            _ = states.moments
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_memory_on_a_gpu_stays_within_what_is_counted():
    x, codes = np.random.default_rng(0).normal(size=(20_000, 1024)).astype(np.float32), np.repeat(np.arange(100), 200)
    states = GeometryStates(as_features(x, codes), Options(device="cuda"))
    torch.cuda.reset_peak_memory_stats()
    _ = states.moments, states.spectrum(), states.cosine_sums
    assert torch.cuda.max_memory_allocated() <= bytes_needed(1024, 2 * 100 * 1025 + 4 * 20_000)
