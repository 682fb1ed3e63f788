from __future__ import annotations

from collections.abc import Callable

import pytest

from repr_probe.encoders.index.index_file import Index
from repr_probe.encoders.index.lookup import read_by_order

Shapes = dict[str, tuple[int, ...]]


def renamed(shapes: Shapes) -> Shapes:
    return {f"m{name.rpartition('.')[0].replace('.', '_')}.{name.rpartition('.')[2]}": shape for name, shape in shapes.items()}


def lukemelas(shapes: Shapes) -> Shapes:
    """timm's EfficientNet names as the PyTorch port of lukemelas writes them: its own numbering and names, the same order."""
    numbers: dict[str, int] = {}
    found: Shapes = {}
    for name, shape in shapes.items():
        module, _, role = name.rpartition(".")
        if module.startswith("blocks."):
            stage, block, *rest = module.split(".")[1:]
            module = f"_blocks.{numbers.setdefault(f'{stage}.{block}', len(numbers))}._{'_'.join(rest)}"
        else:
            module = {"classifier": "_fc"}.get(module, f"_{module}")
        found[f"{module}.{role}"] = shape
    return found


def test_a_network_under_foreign_names_is_matched_by_order(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    (reading,) = read_by_order(renamed(blocks(4)), {}, small_index)
    assert str(reading.architecture) == "timm:deep4"
    assert reading.scheme.startswith("matched by order")
    assert reading.pieces["blocks.3.fc.weight"].keys == ("mblocks_3_fc.weight",)


@pytest.mark.parametrize("width", [1, 10])
def test_a_classifier_of_any_width_may_stand_at_its_place(small_index: Index, blocks: Callable[..., Shapes], width: int) -> None:
    head: Shapes = {"last.weight": (width, 8), "last.bias": (width,)}
    (reading,) = read_by_order(renamed(blocks(4)) | head, {}, small_index)
    assert str(reading.architecture) == "timm:deep4"
    assert "head.weight" not in reading.pieces


def test_it_is_found_below_a_first_component(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    shapes = {f"net.{name}": shape for name, shape in renamed(blocks(4)).items()} | {"other.weight": (3, 3)}
    (reading,) = read_by_order(shapes, {}, small_index)
    assert reading.pieces["stem.weight"].keys == ("net.mstem.weight",)


def test_shapes_out_of_order_roles_and_modules_must_agree(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    shapes = renamed(blocks(4))
    assert read_by_order(dict(reversed(shapes.items())), {}, small_index) == []
    role = {name.replace("running_mean", "running_var"): shape for name, shape in shapes.items()}
    assert read_by_order(role, {}, small_index) == []
    merged = {name.replace("blocks_0_fc", "blocks_1_norm"): shape for name, shape in shapes.items()}
    assert len(merged) == len(shapes)
    assert read_by_order(merged, {}, small_index) == []
    assert read_by_order({"a.weight": (1,)}, {}, small_index) == []


def test_counters_of_the_file_go_along(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    shapes: Shapes = {}
    for name, shape in renamed(blocks(4)).items():
        shapes |= {name: shape} | ({name.replace("running_mean", "num_batches_tracked"): ()} if name.endswith("running_mean") else {})
    (reading,) = read_by_order(shapes, {}, small_index)
    assert reading.pieces["blocks.0.norm.num_batches_tracked"].keys == ("mblocks_0_norm.num_batches_tracked",)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0"])
def test_names_of_the_tensorflow_port_decide_for_tensorflow_padding(shapes_of_network: Callable[[str], Shapes], name: str) -> None:
    (reading,) = read_by_order(lukemelas(shapes_of_network(f"timm:{name}")), {})
    assert str(reading.architecture) == f"timm:tf_{name}"
    assert f"timm:{name}" in reading.also
    assert "lukemelas" in reading.scheme
    assert reading.assumptions[0].what == "network"
    assert reading.assumptions[0].flag == "--arch"


def test_without_such_names_both_are_given(shapes_of_network: Callable[[str], Shapes]) -> None:
    readings = read_by_order(renamed(shapes_of_network("timm:efficientnet_lite0")), {})
    assert [str(reading.architecture) for reading in readings] == ["timm:efficientnet_lite0", "timm:tf_efficientnet_lite0"]
