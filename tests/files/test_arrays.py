"""Features from array files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from repr_probe.errors import FileFormatError
from repr_probe.files.arrays import read_arrays

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
LABELS = np.array([0, 1, 1, 0])
IDS = ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]


def write(path: Path, kind: str) -> Path:
    """The same features, labels, ids and class names in one of the formats that hold them all."""
    path = path / "feats.any"
    if kind == "npz":
        with path.open("wb") as file:
            np.savez(file, features=VALUES, labels=LABELS, ids=np.array(IDS), classes=np.array(["cat", "dog"]))
    elif kind == "pt":
        import torch

        content = {"embeddings": torch.tensor(VALUES), "targets": torch.tensor(LABELS), "filenames": IDS, "class_names": ["cat", "dog"]}
        torch.save(content, path)
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        metadata = {"ids": '["a/1.png", "a/2.png", "b/1.png", "b/2.png"]', "class_names": '["cat", "dog"]'}
        save_file({"Z": VALUES, "y": LABELS}, path, metadata=metadata)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["x"], file["labels"], file["paths"], file["classes"] = VALUES, LABELS, IDS, ["cat", "dog"]
    return path


@pytest.mark.parametrize("kind", ["npz", "pt", "safetensors", "h5"])
def test_everything_comes_back(tmp_path: Path, kind: str) -> None:
    read = read_arrays(write(tmp_path, kind))
    np.testing.assert_array_equal(read.values, VALUES)
    assert read.labels is not None
    np.testing.assert_array_equal(read.labels, LABELS)
    assert read.ids == tuple(IDS) and read.class_names == ("cat", "dog") and read.notes == ()


def test_npy_is_memory_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VALUES)
    read = read_arrays(tmp_path / "x.npy")
    assert isinstance(read.values, np.memmap) and not read.values.flags.writeable
    assert read.labels is None and read.ids is None and read.provenance["format"] == "npy"


def test_wide_matrices_are_not_transposed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VALUES.T)
    assert read_arrays(tmp_path / "x.npy").values.shape == (3, 4)


def test_two_candidates_are_not_guessed_between(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", features=VALUES, x=VALUES + 1, labels=LABELS, y=LABELS + 1)
    with pytest.raises(FileFormatError, match="features and x; choose with --features-key"):
        read_arrays(tmp_path / "x.npz")
    with pytest.raises(FileFormatError, match="labels and y; choose with --labels-key"):
        read_arrays(tmp_path / "x.npz", features_key="x")
    read = read_arrays(tmp_path / "x.npz", features_key="x", labels_key="y")
    np.testing.assert_array_equal(read.values, VALUES + 1)
    np.testing.assert_array_equal(read.labels, LABELS + 1)


def test_keys_that_are_not_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", features=VALUES)
    with pytest.raises(FileFormatError, match=r"--features-key must name an array of .* there are: features"):
        read_arrays(tmp_path / "x.npz", features_key="nope")


def test_the_only_matrix_is_taken_and_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", arr_0=VALUES, counts=LABELS)
    read = read_arrays(tmp_path / "x.npz")
    assert read.notes == ("features are 'arr_0', the only matrix in x.npz",) and read.labels is None
    np.savez(tmp_path / "x.npz", arr_0=VALUES, arr_1=VALUES)
    with pytest.raises(FileFormatError, match="name them with --features-key"):
        read_arrays(tmp_path / "x.npz")


def test_a_checkpoint_is_no_feature_file(tmp_path: Path) -> None:
    import torch

    torch.save({"conv.weight": torch.zeros(4, 3, 3, 3), "fc.weight": torch.zeros(10, 4)}, tmp_path / "x.pt")
    with pytest.raises(FileFormatError, match="must hold features under one of"):
        read_arrays(tmp_path / "x.pt")
    torch.save([1, 2], tmp_path / "x.pt")
    with pytest.raises(FileFormatError, match="got a list"):
        read_arrays(tmp_path / "x.pt")


def test_features_must_be_a_matrix(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", features=np.zeros((2, 3, 4)))
    with pytest.raises(FileFormatError, match=r"'features' in .* has shape \(2, 3, 4\)"):
        read_arrays(tmp_path / "x.npz")


def test_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", features=VALUES, labels=np.array([{}, 1, 2, 3], dtype=object))
    with pytest.raises(FileFormatError, match=r"array 'labels' holds Python objects.*nothing was run"):
        read_arrays(tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object))
    with pytest.raises(FileFormatError, match="its array holds Python objects"):
        read_arrays(tmp_path / "x.npy")


def test_cut_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VALUES)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-4])
    with pytest.raises(FileFormatError, match="its array cannot be read"):
        read_arrays(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", features=np.random.default_rng(0).normal(size=(50, 50)))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[5000] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(FileFormatError, match="array 'features' cannot be read"):
        read_arrays(tmp_path / "x.npz")


def test_bfloat16_is_read_as_float32_and_said(tmp_path: Path) -> None:
    import torch

    torch.save(torch.tensor(VALUES).bfloat16(), tmp_path / "x.pt")
    read = read_arrays(tmp_path / "x.pt")
    assert read.values.dtype == np.float32 and read.notes == ("the tensor is stored as bfloat16; read as float32",)


def test_sparse_tensors_are_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"features": torch.eye(3).to_sparse()}, tmp_path / "x.pt")
    with pytest.raises(FileFormatError, match="features must be dense; 'features' is sparse_coo"):
        read_arrays(tmp_path / "x.pt")


def test_stores_and_other_things(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(FileFormatError, match=r"of kind store; open the folder with FeatureStore\.open"):
        read_arrays(tmp_path)
    with pytest.raises(FileFormatError, match=r"of kind json; give \.npy"):
        read_arrays(tmp_path / "meta.json")


class TestCsv:
    def test_numbered_columns_in_their_order(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("filename,embedding_1,embedding_0,embedding_10,label\na.png,1,0,10,cat\n'b.png',3,2,12,dog\n")
        read = read_arrays(tmp_path / "x.csv")
        np.testing.assert_array_equal(read.values, [[0, 1, 10], [2, 3, 12]])
        assert read.labels is not None and read.labels.tolist() == ["cat", "dog"] and read.ids == ("a.png", "'b.png'")

    def test_quoted_separators(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text('path,f0,f1\n"a,1#.png",1,2\n"b.png",3,4\n')
        read = read_arrays(tmp_path / "x.csv")
        assert read.ids == ("a,1#.png", "b.png")
        np.testing.assert_array_equal(read.values, [[1, 2], [3, 4]])

    def test_without_column_names(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("0.5;1.5\n2;3\n")
        read = read_arrays(tmp_path / "x.csv")
        np.testing.assert_array_equal(read.values, [[0.5, 1.5], [2, 3]])
        assert "no line of column names" in read.notes[0]

    def test_integer_labels_and_missing_ones(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("f0,f1,y\n1,2,7\n3,4,8\n")
        assert read_arrays(tmp_path / "x.csv").labels.tolist() == [7, 8]
        (tmp_path / "x.csv").write_text("f0,f1,y\n1,2,cat\n3,4,\n")
        assert read_arrays(tmp_path / "x.csv").labels.tolist() == ["cat", None]
        (tmp_path / "x.csv").write_text("f0,f1,y\n1,2,\n3,4,\n")
        assert read_arrays(tmp_path / "x.csv").labels is None

    def test_labels_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("f0,f1,species\n1,2,cat\n3,4,dog\n")
        read = read_arrays(tmp_path / "x.csv", labels_key="species")
        assert read.labels is not None and read.labels.tolist() == ["cat", "dog"]
        with pytest.raises(FileFormatError, match=r"--labels-key must name a column of .* got 'race'"):
            read_arrays(tmp_path / "x.csv", labels_key="race")

    def test_trouble_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("f0,f1\n1,2\n3\n")
        with pytest.raises(FileFormatError, match="must be a table of numbers, the same columns in every row"):
            read_arrays(tmp_path / "x.csv")
        (tmp_path / "x.csv").write_text("f0,f0\n1,2\n")
        with pytest.raises(FileFormatError, match=r"name every column once; got some twice \(f0\)"):
            read_arrays(tmp_path / "x.csv")
        (tmp_path / "x.csv").write_text("f0,label,class\n1,2,3\n")
        with pytest.raises(FileFormatError, match="one column of labels; got label and class; choose with --labels-key"):
            read_arrays(tmp_path / "x.csv")


class TestParquet:
    def test_columns_and_lists(self, tmp_path: Path) -> None:
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        table = pyarrow.table({"feature_0": [1.0, 3.0], "feature_1": [2.0, 4.0], "label": ["cat", None], "id": ["a", "b"]})
        parquet.write_table(table, tmp_path / "x")
        read = read_arrays(tmp_path / "x")
        np.testing.assert_array_equal(read.values, [[1, 2], [3, 4]])
        assert read.labels is not None and read.labels.tolist() == ["cat", None] and read.ids == ("a", "b")
        parquet.write_table(pyarrow.table({"embeddings": [[1.0, 2.0], [3.0, 4.0]], "labels": [5, 6]}), tmp_path / "x")
        read = read_arrays(tmp_path / "x")
        np.testing.assert_array_equal(read.values, [[1, 2], [3, 4]])
        assert read.labels is not None and read.labels.tolist() == [5, 6]

    def test_trouble_is_named(self, tmp_path: Path) -> None:
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({"embeddings": [[1.0, 2.0], [3.0]]}), tmp_path / "x")
        with pytest.raises(FileFormatError, match=r"equally long lists; column 'embeddings' has lengths \[1, 2\]"):
            read_arrays(tmp_path / "x")
        parquet.write_table(pyarrow.table({"feature_0": ["a", "b"]}), tmp_path / "x")
        with pytest.raises(FileFormatError, match="must hold numbers in its feature columns"):
            read_arrays(tmp_path / "x")
        (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-10])
        with pytest.raises(FileFormatError, match="complete Parquet file"):
            read_arrays(tmp_path / "x")


@pytest.mark.parametrize(("library", "content", "extra"), [("h5py", b"\x89HDF\r\n\x1a\n..", "h5"), ("pyarrow", b"PAR1....", "parquet")])
def test_a_missing_library_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, content: bytes, extra: str
) -> None:
    (tmp_path / "x").write_bytes(content)
    for name in [name for name in sys.modules if name == library or name.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(FileFormatError, match=rf'pip install "repr-probe\[{extra}\]"'):
        read_arrays(tmp_path / "x")


def test_array_files_are_read_without_torch(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VALUES)
    np.savez(tmp_path / "x.npz", features=VALUES)
    (tmp_path / "x.csv").write_text("f0,f1\n1,2\n")
    program = (
        "import sys; from repr_probe.files.arrays import read_arrays\n"
        "for name in sys.argv[1:]: read_arrays(name)\n"
        "sys.exit('torch' in sys.modules)"
    )
    names = [str(tmp_path / f"x.{kind}") for kind in ("npy", "npz", "csv")]
    root = str(Path(__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", program, *names], cwd=root, check=False).returncode == 0
