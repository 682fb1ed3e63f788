from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from repr_probe.cli.localise import localise_command, parse_ids
from repr_probe.errors import UsageError

app = typer.Typer()
app.command()(localise_command)


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def run(photos, *options):
    return CliRunner().invoke(app, ["timm:test_resnet", str(photos), "--image-size", "64", "--checks", "composite", "--quiet", *options])


def test_it_prints_one_table(photos, tmp_path):
    result = run(photos, "--against", "timm:test_vit", "--out", str(tmp_path / "r.json"))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "timm:test_resnet" in lines[0] and "timm:test_vit" in lines[1]
    assert sum(line.strip().startswith(("energy", "pointing")) or " energy " in line for line in lines) >= 6
    assert [network["name"] for network in json.loads((tmp_path / "r.json").read_text())["networks"]] == ["timm:test_resnet", "timm:test_vit"]


@pytest.mark.parametrize("kind", ["--json", "--csv", "--markdown", "--latex"])
def test_stdout_in_every_format(photos, kind):
    result = run(photos, kind)
    assert result.exit_code == 0, result.output
    if kind == "--json":
        assert json.loads(result.stdout)["kind"] == "localise"
    elif kind == "--csv":
        assert len(list(csv.DictReader(io.StringIO(result.stdout)))) == 6
    else:
        assert "composite" in result.stdout


def test_bad_options_end_before_any_work(photos):
    assert isinstance(run(photos, "--foreground", "a").exception, UsageError)
    with pytest.raises(UsageError, match="--foreground must be class ids with commas, such as 8,9; got 'a'"):
        parse_ids("a")
    with pytest.raises(UsageError, match=r"the result file must end in"):
        raise run(photos, "--out", "x.pdf").exception
