"""The layouts themselves: that they hold what they claim, read back by the libraries that wrote them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts.layout import SPOILED, Layout, content_of, cut
from layouts.registry import LAYOUTS
from layouts.saving import foreign_modules

HERE = Path(__file__).parent
READABLE = (".pth", ".th", ".bin", ".safetensors")


def maps_in(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict):
        yield content
        for inner in content.values():
            yield from maps_in(inner)


def read_by_its_library(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    with foreign_modules():
        return torch.load(path, weights_only=False)


def stored(path: Path) -> list[dict[str, Any]]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    maps = [found for file in files if file.suffix in READABLE for found in maps_in(read_by_its_library(file))]
    return [*maps, {name: value for found in maps for name, value in found.items()}] if path.is_dir() and maps else maps


def params(*, slow: bool) -> list[Any]:
    return [pytest.param(layout, id=layout.name, marks=[pytest.mark.slow] * (slow or layout.slow)) for layout in LAYOUTS]


def test_there_are_enough_and_each_has_its_own_name():
    assert len(LAYOUTS) >= 75
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)
    assert len({layout.row for layout in LAYOUTS}) >= 70


def test_they_know_nothing_of_the_package():
    for path in (HERE / "layouts").glob("*.py"):
        imported = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [name.name for node in imported for name in node.names] + [getattr(node, "module", "") or "" for node in imported]
        assert not [name for name in names if name.startswith("repr_probe")], path.name


@pytest.mark.parametrize("shape", [(64, 3, 7, 7), (1, 17, 32), (64,), (1, 1, 32), (1, 64)])
def test_a_cut_takes_one_channel(shape):
    tensor = torch.zeros(shape)
    assert cut(tensor).ndim == tensor.ndim
    assert cut(tensor).numel() not in (0, tensor.numel())


@pytest.mark.parametrize("layout", params(slow=True))
def test_the_file_holds_the_tensors_of_the_reference(layout: Layout, tmp_path: Path):
    if layout.missing():
        pytest.skip(f"{', '.join(layout.missing())} is not installed")
    features = layout.reference(layout.images())
    assert features.ndim == 2
    assert len(features) == layout.n_images
    assert np.isfinite(features).all()
    if layout.n_images > 1:  # constant features would hide every mistake
        assert np.abs(features - features.mean(0)).max() > 0.01 * np.abs(features).max()
    content = content_of(layout)
    path = layout.write(tmp_path)
    if content.own_write is None and path.suffix != ".msgpack" and (maps := stored(path)):
        same = [found for found in maps if all(name in found for name in content.tensors)]
        assert any(all(torch.equal(found[name], tensor) for name, tensor in content.tensors.items()) for found in same)


@pytest.mark.parametrize("layout", params(slow=True))
def test_each_way_to_spoil_it_changes_the_tensors(layout: Layout):
    if layout.missing():
        pytest.skip(f"{', '.join(layout.missing())} is not installed")
    content = content_of(layout)
    if content.own_write is not None:
        return
    whole = content.spoiled("", layout.name)
    removed, reshaped, rival = (content.spoiled(how, layout.name) for how in SPOILED)
    assert len(whole) - len(removed) == 1
    assert len([name for name in whole if whole[name].shape != reshaped[name].shape]) == 1
    assert len(rival) == 2 * len(whole)
