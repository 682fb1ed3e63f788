from __future__ import annotations


def test_list_names_splits_sizes_and_places(run, tmp_path):
    done = run("datasets")
    assert (done.code, done.err) == (0, "")
    head, *rows = done.out.splitlines()
    assert head.split() == ["name", "images", "per", "split", "classes", "image", "download", "here", "place"]
    table = {row.split()[0]: row for row in rows}
    for name in ("cifar10", "cifar100", "stl10", "food101", "imagenet", "imagenet100", "fashion-mnist", "digits"):
        assert name in table
    assert "train 1,347, test 450" in table["digits"]
    assert "embedded" in table["digits"]
    assert str(tmp_path / "home" / "data") in table["food101"]


def test_data_root_is_obeyed(run, tmp_path):
    assert str(tmp_path / "elsewhere") in run("datasets", "--data-root", str(tmp_path / "elsewhere")).out


def test_an_unknown_name_gets_the_nearest(run):
    done = run("datasets", "get", "fod101")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: dataset must be a known name")
    assert "food101" in done.err
    assert done.err.count("\n") == 1
