"""Features in several files: thingsvision's folders, DINO's pairs, lightly-train's tables; with and without what lies beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repr_probe.errors import FileFormatError, InputError
from repr_probe.features.door import as_features
from repr_probe.files import array_sources
from repr_probe.files.arrays import feature_kind, read_arrays
from repr_probe.files.feature_folders import is_feature_folder

VALUES = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = np.array([0, 1, 1, 0, 2, 2])
NAMES = [f"dog/{number}.jpg" for number in range(6)]


def write(path: Path, values: np.ndarray) -> Path:
    """A lone matrix as thingsvision and others write it, by suffix."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".txt":
        np.savetxt(path, values)
    elif path.suffix in (".pt", ".pth"):
        import torch

        torch.save(torch.from_numpy(np.array(values)), path)
    elif path.suffix == ".hdf5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["features"] = values
    else:
        import scipy.io

        scipy.io.savemat(path, {"features": values})
    return path


class TestThingsvision:
    @pytest.mark.parametrize("suffix", [".npy", ".txt", ".pt", ".hdf5", ".mat"])
    def test_folder(self, tmp_path: Path, suffix: str) -> None:
        write(tmp_path / f"features{suffix}", VALUES)
        (tmp_path / "file_names.txt").write_text("\n".join(NAMES) + "\n")
        assert feature_kind(tmp_path) == "feature-folder"
        read = read_arrays(tmp_path)
        np.testing.assert_allclose(read.values, VALUES, rtol=1e-7)
        assert read.ids == tuple(NAMES) and read.labels is None and read.provenance["folder"] == tmp_path.name
        np.save(tmp_path / "labels.npy", LABELS)
        features = as_features(tmp_path)
        assert features.ids == tuple(NAMES) and features.n_classes == 3
        assert features.provenance["labels_file"] == "labels.npy" and "labels are those of labels.npy" in features.notes[0]

    @pytest.mark.parametrize("suffix", [".npy", ".txt", ".pt"])
    def test_parts_in_the_order_of_their_numbers(self, tmp_path: Path, suffix: str) -> None:
        for number, part in enumerate(np.split(VALUES, 3), 9):
            write(tmp_path / f"features_{number:02d}{suffix}", part)
        (tmp_path / "file_names.txt").write_text("\n".join(NAMES))
        (tmp_path / "labels.txt").write_text("cat\ndog\ndog\ncat\nant\nant\n")
        read = read_arrays(tmp_path)
        np.testing.assert_allclose(read.values, VALUES, rtol=1e-7)
        assert read.ids == tuple(NAMES) and read.labels is not None and read.labels.tolist() == ["cat", "dog", "dog", "cat", "ant", "ant"]
        assert f"the 3 parts features_09{suffix} to features_11{suffix}" in read.notes[0]

    def test_parts_inside_one_file(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "features.hdf5", "w") as file:
            file["features_01"], file["features_02"] = VALUES[:2], VALUES[2:]
        read = read_arrays(tmp_path)
        np.testing.assert_array_equal(read.values, VALUES)
        assert "the 2 parts features_01 to features_02" in read.notes[0]

    def test_a_row_an_image_in_a_matlab_file(self, tmp_path: Path) -> None:
        import scipy.io

        scipy.io.savemat(tmp_path / "features.mat", {f"img_{number}": row for number, row in enumerate(VALUES)})
        read = read_arrays(tmp_path)
        np.testing.assert_array_equal(read.values, VALUES)
        assert read.ids == tuple(f"img_{number}" for number in range(6))

    def test_trouble_is_named(self, tmp_path: Path) -> None:
        write(tmp_path / "features.npy", VALUES)
        (tmp_path / "file_names.txt").write_text("\n".join(NAMES[:4]))
        with pytest.raises(FileFormatError, match=r"file_names.txt must have one name a row .* got 4 for 6 rows") as refusal:
            read_arrays(tmp_path)
        assert refusal.value.code == "E_LABELS"
        write(tmp_path / "features.txt", VALUES)
        with pytest.raises(FileFormatError, match=r"one file of features; got features.npy, features.txt; give the file"):
            read_arrays(tmp_path)
        (tmp_path / "meta.json").write_text("{}")
        assert not is_feature_folder(tmp_path)

    def test_parts_of_several_widths(self, tmp_path: Path) -> None:
        write(tmp_path / "features_01.npy", VALUES)
        write(tmp_path / "features_02.npy", VALUES[:, :2])
        with pytest.raises(FileFormatError, match="must hold parts of one width"):
            read_arrays(tmp_path)


class TestPairs:
    @pytest.mark.parametrize(
        ("features", "labels"),
        [
            ("trainfeat.pth", "trainlabels.pth"), ("testfeat.pth", "testlabels.pth"), ("X.npy", "y.npy"), ("X_test.npy", "y_test.npy"),
            ("train_features.npy", "train_labels.npy"), ("dino_embeddings.pt", "dino_targets.npy"), ("features.txt", "labels.txt"),
            ("vit.npy", "vit_labels.pt"), ("feats/feature_feats.npy", "feats/feature_labels.npy"),
        ],
    )  # fmt: skip
    def test_labels_beside(self, tmp_path: Path, features: str, labels: str) -> None:
        for name in (features, labels):
            (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / features, VALUES)
        if labels.endswith(".txt"):
            (tmp_path / labels).write_text("".join(f"{label}\n" for label in LABELS))
        else:
            write(tmp_path / labels, LABELS)
        read = read_arrays(tmp_path / features)
        assert read.labels is not None and read.labels.tolist() == LABELS.tolist()
        assert f"labels are those of {Path(labels).name}, which lies beside {Path(features).name}" in read.notes

    def test_a_column_of_labels_or_a_list(self, tmp_path: Path) -> None:
        import torch

        write(tmp_path / "trainfeat.pth", VALUES)
        for content in (torch.tensor(LABELS)[:, None], LABELS.tolist(), {"labels": torch.tensor(LABELS)}):
            torch.save(content, tmp_path / "trainlabels.pth")
            assert as_features(tmp_path / "trainfeat.pth").n_classes == 3
        torch.save(torch.nn.functional.one_hot(torch.tensor(LABELS)), tmp_path / "trainlabels.pth")
        with pytest.raises(FileFormatError, match=r"must hold one label a row; got an array \(6, 3\)"):
            read_arrays(tmp_path / "trainfeat.pth")

    def test_as_many_labels_as_rows(self, tmp_path: Path) -> None:
        write(tmp_path / "trainfeat.pth", VALUES)
        write(tmp_path / "trainlabels.pth", LABELS[:5])
        with pytest.raises(FileFormatError, match=r"one label a row .* got 5 for 6 rows; name the right file with --labels-key FILE") as refusal:
            read_arrays(tmp_path / "trainfeat.pth")
        assert refusal.value.code == "E_LABELS"
        write(tmp_path / "other.pth", LABELS)
        read = read_arrays(tmp_path / "trainfeat.pth", labels_key="other.pth")
        assert read.provenance["labels_file"] == "other.pth"
        with pytest.raises(FileFormatError, match="--labels-key must name an array"):
            read_arrays(tmp_path / "trainfeat.pth", labels_key="../other.pth")

    def test_two_files_of_labels(self, tmp_path: Path) -> None:
        write(tmp_path / "features.npy", VALUES)
        write(tmp_path / "labels.pt", LABELS)
        (tmp_path / "labels.txt").write_text("a\n")
        with pytest.raises(FileFormatError, match=r"got labels.pt, labels.txt; choose with --labels-key FILE"):
            read_arrays(tmp_path / "features.npy")
        np.save(tmp_path / "labels.npy", LABELS)
        assert read_arrays(tmp_path / "features.npy").provenance["labels_file"] == "labels.npy"

    def test_labels_inside_win(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "features.npz", features=VALUES, labels=LABELS)
        np.save(tmp_path / "labels.npy", LABELS + 1)
        assert read_arrays(tmp_path / "features.npz").labels.tolist() == LABELS.tolist()  # type: ignore[union-attr]


class TestLightlyTrain:
    def test_dictionary(self, tmp_path: Path) -> None:
        import torch

        torch.save({"filenames": NAMES, "embeddings": torch.from_numpy(VALUES)}, tmp_path / "embeddings.pt")
        read = read_arrays(tmp_path / "embeddings.pt")
        np.testing.assert_array_equal(read.values, VALUES)
        assert read.ids == tuple(NAMES)

    @pytest.mark.parametrize("word", ["filename", "filenames"])
    def test_tables(self, tmp_path: Path, word: str) -> None:
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(VALUES, columns=[f"embedding_{column}" for column in range(4)])
        frame.insert(0, word, NAMES)
        frame["labels"] = LABELS
        frame.to_csv(tmp_path / "a.csv", index=False)
        frame.to_parquet(tmp_path / "a.parquet")
        for name in ("a.csv", "a.parquet"):
            read = read_arrays(tmp_path / name)
            np.testing.assert_allclose(read.values, VALUES, rtol=1e-6)
            assert read.ids == tuple(NAMES) and read.labels is not None and read.labels.tolist() == LABELS.tolist()
            assert read.notes == ()


class TestRules:
    def test_images_and_texts_in_one_archive(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", image_features=VALUES, text_features=VALUES[:3], labels=LABELS)
        np.testing.assert_array_equal(read_arrays(tmp_path / "x.npz").values, VALUES)

    def test_wide_matrices_are_noted_where_nothing_proves_them(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", VALUES.T)
        assert "4 rows of 6 features: every row is taken as a sample; a matrix is never transposed" in read_arrays(tmp_path / "x.npy").notes
        np.savez(tmp_path / "x.npz", features=VALUES.T, labels=np.arange(4))
        assert read_arrays(tmp_path / "x.npz").notes == ()

    def test_rows_of_numbers(self, tmp_path: Path) -> None:
        np.savetxt(tmp_path / "x.txt", VALUES, header="made elsewhere")
        np.testing.assert_allclose(read_arrays(tmp_path / "x.txt").values, VALUES, rtol=1e-7)
        (tmp_path / "x.txt").write_text("1 2 3\n4 5\n")
        with pytest.raises(FileFormatError, match="rows of equally many numbers"):
            read_arrays(tmp_path / "x.txt")

    def test_rows_that_are_not_finite_are_counted(self, tmp_path: Path) -> None:
        broken = VALUES.copy()
        broken[[2, 4]] = np.nan
        np.save(tmp_path / "x.npy", broken)
        with pytest.raises(InputError, match="2 of 6 rows are not, first row 2"):
            as_features(tmp_path / "x.npy")
        assert as_features(tmp_path / "x.npy", nan_policy="omit").n_dropped == 2

    @pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
    def test_integers_are_cast_and_noted(self, tmp_path: Path, dtype: str) -> None:
        np.save(tmp_path / "x.npy", np.eye(4).astype(dtype))
        assert f"{dtype} features were cast to float64" in as_features(tmp_path / "x.npy").notes

    def test_python_objects_have_a_code(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", features=np.array([{}], dtype=object))
        np.save(tmp_path / "x.npy", np.array([{}], dtype=object))
        for name in ("x.npz", "x.npy"):
            with pytest.raises(FileFormatError, match="nothing was run") as refusal:
                read_arrays(tmp_path / name)
            assert refusal.value.code == "E_OBJECT_ARRAY"

    def test_labels_without_codes_in_a_table(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("f0,f1,class_name\n1,2,cat\n3,4,dog\n")
        assert read_arrays(tmp_path / "x.csv").labels.tolist() == ["cat", "dog"]  # type: ignore[union-attr]
        (tmp_path / "x.csv").write_text("f0,f1,label,class_name\n1,2,0,cat\n3,4,0,dog\n")
        assert read_arrays(tmp_path / "x.csv").class_names == ()
        (tmp_path / "x.csv").write_text("f0,f1,label,class_name\n1,2,2,cat\n3,4,0,dog\n")
        assert read_arrays(tmp_path / "x.csv").class_names == ("dog", "1", "cat")


class TestHostile:
    def test_archives_that_would_fill_the_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        np.savez_compressed(tmp_path / "x.npz", features=np.zeros((1000, 800), np.float32))
        assert read_arrays(tmp_path / "x.npz").values.shape == (1000, 800)
        monkeypatch.setattr(array_sources, "FREE_BYTES", 1 << 20)
        with pytest.raises(FileFormatError, match=r"would unpack to .* nothing was unpacked") as refusal:
            read_arrays(tmp_path / "x.npz")
        assert refusal.value.code == "E_ZIP_COMPRESSED"

    def test_datasets_nobody_wrote(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("features", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(1024, 1024))
        with pytest.raises(FileFormatError, match="would unpack to") as refusal:
            read_arrays(tmp_path / "x.h5")
        assert refusal.value.code == "E_ZIP_COMPRESSED"

    def test_data_in_other_files_is_not_read(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        (tmp_path / "secret").write_bytes(VALUES.tobytes())
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["features"] = VALUES
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("features", VALUES.shape, "f4", external=[(str(tmp_path / "secret"), 0, VALUES.nbytes)])
        with pytest.raises(FileFormatError, match="'features' lies in other files") as refusal:
            read_arrays(tmp_path / "x.h5")
        assert refusal.value.code == "E_EXTERNAL_DATA"
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["features"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "features")
        with pytest.raises(FileFormatError, match=r"must hold features under one of .* got no array"):
            read_arrays(tmp_path / "x.h5")
        layout = h5py.VirtualLayout(VALUES.shape, "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "features", VALUES.shape)
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_virtual_dataset("features", layout)
        with pytest.raises(FileFormatError, match="'features' lies in other files"):
            read_arrays(tmp_path / "x.h5")

    def test_tables_that_would_fill_the_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(array_sources, "FREE_BYTES", 1 << 20)
        pyarrow: Any = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        column = pyarrow.array(np.zeros(1_000_000, np.float32))
        parquet.write_table(pyarrow.table({"feature_0": column, "feature_1": column}), tmp_path / "x", row_group_size=1_000_000)
        with pytest.raises(FileFormatError, match="would unpack to"):
            read_arrays(tmp_path / "x")

    def test_damaged_matlab_files(self, tmp_path: Path) -> None:
        write(tmp_path / "features.mat", VALUES)
        content = (tmp_path / "features.mat").read_bytes()
        (tmp_path / "features.mat").write_bytes(content[:150])
        with pytest.raises(FileFormatError, match="complete MATLAB file of version 5 to 7"):
            read_arrays(tmp_path / "features.mat")
        (tmp_path / "features.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(600))
        with pytest.raises(FileFormatError, match="save it with -v7"):
            read_arrays(tmp_path / "features.mat")


def test_read_without_torch(tmp_path: Path) -> None:
    for name in ("a.npy", "b.txt"):
        write(tmp_path / name, VALUES)
        np.save(tmp_path / f"{name[0]}_labels.npy", LABELS)
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "features.txt", VALUES)
    (tmp_path / "folder" / "labels.txt").write_text("\n".join(map(str, LABELS)))
    (tmp_path / "folder" / "file_names.txt").write_text("\n".join(NAMES))
    program = (
        "import sys; from repr_probe.files.arrays import read_arrays\n"
        "for name in sys.argv[1:]: assert read_arrays(name).labels is not None\n"
        "sys.exit('torch' in sys.modules)"
    )
    names = [str(tmp_path / name) for name in ("a.npy", "b.txt", "folder")]
    root = str(Path(__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", program, *names], cwd=root, check=False).returncode == 0
