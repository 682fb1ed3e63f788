from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from repr_probe.errors import InputError, ReprProbeError
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features

X = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
Y = ["b", "a", None, "b", "a", "c", "b"]
CODES = [1, 0, -1, 1, 0, 2, 1]


class ByDLPack:
    """As other array libraries come: no `__array__`."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class ByArray:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)


SOURCES = {
    "numpy": lambda tmp: X,
    "float64": lambda tmp: X.astype(np.float64),
    "big-endian": lambda tmp: X.astype(">f4"),
    "fortran": lambda tmp: np.asfortranarray(X),
    "strided": lambda tmp: np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": lambda tmp: np.frombuffer(X.tobytes(), np.float32).reshape(X.shape),
    "unmasked": lambda tmp: np.ma.masked_array(X, mask=False),
    "list": lambda tmp: X.tolist(),
    "list of rows": lambda tmp: list(X),
    "torch": lambda tmp: torch.tensor(X),
    "torch with gradient": lambda tmp: torch.tensor(X, requires_grad=True),
    "DLPack": lambda tmp: ByDLPack(X),
    "__array__": lambda tmp: ByArray(X),
    "DataFrame": lambda tmp: pd.DataFrame(X),
    "Features": lambda tmp: Features(X),
    "list of Features": lambda tmp: [Features(X[:3]), Features(X[3:])],
    "chunks": lambda tmp: iter([X[:3], X[3:4], X[4:]]),
    "torch chunks": lambda tmp: (torch.tensor(part) for part in (X[:3], X[3:])),
    "npy": lambda tmp: saved(tmp / "x.npy", lambda path: np.save(path, X)),
    "npy as text": lambda tmp: str(saved(tmp / "x.npy", lambda path: np.save(path, X))),
    "npz": lambda tmp: saved(tmp / "x.npz", lambda path: np.savez(path, features=X)),
    "pt": lambda tmp: saved(tmp / "x.pt", lambda path: torch.save(torch.tensor(X), path)),
    "memmap": lambda tmp: np.load(saved(tmp / "x.npy", lambda path: np.save(path, X)), mmap_mode="r"),
}


def saved(path, write):
    write(path)
    return path


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_input_gives_the_same_features(kind, tmp_path):
    source = SOURCES[kind](tmp_path)
    features = as_features(source, Y)
    assert isinstance(features, Features)
    np.testing.assert_array_equal(np.asarray(features.values, np.float64), X.astype(np.float64))
    assert features.labels.tolist() == CODES
    assert features.class_names == ("a", "b", "c")
    assert (features.n_samples, features.n_features, features.n_classes) == (7, 3, 3)


@pytest.mark.parametrize("kind", ["numpy", "memmap", "float64", "strided", "npy"])
def test_no_copy_of_a_float_array(kind, tmp_path):
    source = SOURCES[kind](tmp_path)
    values = as_features(source).values
    assert isinstance(values, np.memmap) if kind in ("memmap", "npy") else np.shares_memory(values, source)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int64", "uint8", "bool"])
def test_torch_types(dtype):
    tensor = (torch.arange(12).reshape(6, 2) % 2).to(getattr(torch, dtype))
    features = as_features(tensor)
    np.testing.assert_array_equal(features.values, tensor.double().numpy())
    assert features.values.dtype == {"float16": np.float16, "bfloat16": np.float32}.get(dtype, np.float64)
    casts = ("int64", "uint8", "bool")
    expected = f"{dtype} features were {'cast to float64' if dtype in casts else 'read as float32'}"
    assert [note.startswith(expected) for note in features.notes] == [True] * (dtype in (*casts, "bfloat16"))


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, bool])
def test_integers_and_bool_are_cast_and_noted(dtype):
    features = as_features(np.array([[1, 0], [0, 1]], dtype))
    assert features.values.dtype == np.float64
    assert features.notes == (f"{np.dtype(dtype)} features were cast to float64",)


def test_half_precision_is_kept_as_stored():
    assert as_features(X.astype(np.float16)).values.dtype == np.float16


def test_data_frame_with_a_column_of_labels():
    frame = pd.DataFrame({"a": [1.0, 2.0], "kind": ["x", "y"], "b": [3, 4]})
    features = as_features(frame, "kind")
    np.testing.assert_array_equal(features.values, [[1.0, 3.0], [2.0, 4.0]])
    assert features.class_names == ("x", "y")
    assert list(frame.columns) == ["a", "kind", "b"]
    with pytest.raises(InputError, match="labels must name a column; got 'nope', columns are a, kind, b"):
        as_features(frame, "nope")
    with pytest.raises(InputError, match=r"features must be numeric columns; got \w+ in column 'kind'; drop it or name it in labels="):
        as_features(frame)
    with pytest.raises(InputError, match="labels must be one value per row unless features is a DataFrame; got the text 'k'"):
        as_features(np.eye(2), "k")


def test_labels_in_a_file_are_found_and_can_be_replaced(tmp_path):
    np.savez(tmp_path / "x.npz", features=X, labels=np.arange(7) % 2, class_names=np.array(["cat", "dog"]))
    assert as_features(tmp_path / "x.npz").class_names == ("cat", "dog")
    assert as_features(tmp_path / "x.npz", Y).labels.tolist() == CODES
    assert as_features(tmp_path / "x.npz", class_names=["hen", "owl"]).class_names == ("hen", "owl")
    assert as_features(tmp_path / "x.npz").provenance


def test_features_go_through_again_unchanged():
    views = np.ones((7, 2, 3))
    once = Features(X, np.array(CODES), ("a", "b", "c"), tuple("pqrstuv"), views, {"name": "net"}, ("a note",), 2)
    again = as_features(once)
    assert again.values is once.values
    assert again.views is views
    assert again.labels.tolist() == CODES
    assert (again.class_names, again.ids, again.provenance, again.notes, again.n_dropped) == (
        once.class_names, once.ids, {"name": "net"}, ("a note",), 2)  # fmt: skip


def test_joined_features_match_classes_by_name():
    first = as_features(X[:3], ["b", "a", None], ids=["p", "q", "r"])
    second = as_features(X[3:], ["b", "a", "c", "b"], ids=["s", "t", "u", "v"])
    joined = as_features([first, second])
    assert joined.labels.tolist() == CODES
    assert joined.class_names == ("a", "b", "c")
    assert joined.ids == tuple("pqrstuv")
    np.testing.assert_array_equal(joined.values, X)
    with pytest.raises(InputError, match=r"features to join must have one width; got \[2, 3\]"):
        as_features([first, as_features(np.eye(2))])


# --- streams ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [tuple, list])
def test_chunks_may_carry_labels(pair):
    chunks = (pair((torch.tensor(X[part]), Y[part])) for part in (slice(0, 3), slice(3, 7)))
    features = as_features(chunks)
    assert features.labels.tolist() == CODES
    assert features.notes[-1].startswith("7 rows of the stream were written to a temporary file")


def test_labels_beside_a_stream():
    assert as_features(iter([X[:2], X[2:]]), Y).labels.tolist() == CODES


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        ([], "features must have at least one row; got an empty iterator"),
        ([X, X[:, :2]], "chunks must have one width; got 2 in chunk 1, 3 before"),
        ([X, X.astype(np.float64)], "chunks must have one dtype; got float64 in chunk 1, float32 before"),
        ([(X, Y), X], "chunks must all have labels or none; chunk 1 differs from those before"),
        ([X, (X, Y)], "chunks must all have labels or none; chunk 1 differs from those before"),
        ([(X, Y[:4])], "labels must match the rows; got 4 labels for 7 rows in chunk 0"),
        ([X[0]], r"features must be \(n_samples, n_features\); got 1 dimension\(s\), shape \(3,\)"),
    ],
)
def test_streams_that_do_not_fit_together(chunks, text):
    with pytest.raises(InputError, match=text):
        as_features(iter(chunks))


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (np.zeros((2, 3, 4, 4)), r"got \(2, 3, 4, 4\); pool the feature maps first, e.g. features.mean\(\(2, 3\)\)"),
        (np.zeros((2, 5, 3)), r"got \(2, 5, 3\); pool the tokens first, e.g. features\[:, 0\] or features.mean\(1\)"),
        (np.zeros(4), r"features must be \(n_samples, n_features\); got 1 dimension\(s\), shape \(4,\)"),
        (3.0, r"got 0 dimension\(s\), shape \(\)"),
        (np.zeros((0, 3)), r"features must have at least one row and one column; got shape \(0, 3\)"),
        (np.zeros((3, 0)), r"features must have at least one row and one column; got shape \(3, 0\)"),
        (np.zeros((3, 2), complex), "features must be real numbers; got dtype complex128"),
        ([["a", "b"]], "features must be real numbers; got dtype <U1"),
        (None, "features must be real numbers; got dtype object"),
        ([[1.0, 2.0], [3.0]], "rows of different lengths"),
        (np.array([[1.0, 1.0], [2e30, 1.0]]), r"features must not exceed 1e\+30 in magnitude; got 2e\+30 in row 1"),
        (np.array([[1.0, -3e38]], np.float32), r"features must not exceed 1e\+30 in magnitude; got 3e\+38 in row 0"),
        (np.ma.masked_array(np.eye(2), mask=[[1, 0], [0, 0]]), "features must not be masked; 1 entries are"),
    ],
)
def test_what_features_may_not_be(features, text):
    with pytest.raises(InputError, match=text):
        as_features(features)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_non_finite_rows_are_an_error_with_count_and_first_row(bad, dtype):
    broken = X.astype(dtype)
    broken[2, 1] = broken[5, 0] = broken[5, 2] = bad
    with pytest.raises(InputError, match="features must be finite; 2 of 7 rows are not, first row 2; nan_policy='omit' drops them"):
        as_features(broken)


@pytest.mark.parametrize("through", [lambda x: x, torch.tensor, Features, lambda x: iter([x[:3], x[3:]])])
def test_omit_drops_rows_with_everything_that_belongs_to_them(through):
    broken = X.copy()
    broken[1, 0] = np.nan
    features = as_features(through(broken), Y, ids=list("pqrstuv"), nan_policy="omit")
    np.testing.assert_array_equal(features.values, np.delete(X, 1, axis=0))
    assert features.labels.tolist() == [1, -1, 1, 0, 2, 1]
    assert features.ids == tuple("prstuv")
    assert features.n_dropped == 1
    assert "1 rows with NaN or infinity were dropped (nan_policy='omit')" in features.notes
    assert as_features(features).n_dropped == 1


def test_omit_drops_the_views_too():
    broken = X.copy()
    broken[3] = np.inf
    views = np.arange(14.0).reshape(7, 2, 1)
    kept = as_features(Features(broken, views=views), nan_policy="omit").views
    np.testing.assert_array_equal(kept, np.delete(views, 3, axis=0))


def test_omit_leaves_no_label_behind():
    broken = X[:3].copy()
    broken[0] = np.nan
    assert as_features(broken, ["a", None, None], nan_policy="omit").labels is None


def test_nothing_finite():
    with pytest.raises(InputError, match="features must have a finite row; all 2 rows hold NaN or infinity"):
        as_features(np.full((2, 2), np.nan), nan_policy="omit")


@pytest.mark.parametrize("wrap", [np.asarray, Features])
def test_lengths_must_match(wrap):
    with pytest.raises(InputError, match="labels must match the rows; got 3 labels for 7 rows"):
        as_features(wrap(X), [1, 2, 3])
    with pytest.raises(InputError, match="labels must match the rows; got 3 labels for 7 rows"):
        as_features(wrap(X), [None, None, None])
    with pytest.raises(InputError, match="ids must match the rows; got 1 ids for 7 rows"):
        as_features(wrap(X), ids=["a"])


def test_unknown_policy():
    with pytest.raises(InputError, match="nan_policy must be 'raise' or 'omit'; got 'drop'"):
        as_features(X, nan_policy="drop")


def test_a_missing_file_is_one_of_our_errors():
    with pytest.raises(ReprProbeError, match=r"nowhere\.npy must be an existing file"):
        as_features("nowhere.npy")


# --- manners ----------------------------------------------------------------------------------------------------


def test_the_caller_keeps_its_array_and_its_tensor():
    array, tensor = X.copy(), torch.tensor(X, requires_grad=True)
    array.flags.writeable = False
    as_features(array, Y)
    as_features(tensor, Y)
    np.testing.assert_array_equal(array, X)
    assert tensor.requires_grad
    np.testing.assert_array_equal(tensor.detach(), X)
