from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from repr_probe.encoders.index.index_file import Index
from repr_probe.encoders.index.lookup import MOST_PREFIXES, index_prefixes, nearest, read_index
from repr_probe.encoders.reading import Clue
from repr_probe.errors import CheckpointError

Shapes = dict[str, tuple[int, ...]]


def named(shapes: Shapes, index: Index, **clues: Clue) -> list[str]:
    return [str(reading.architecture) for reading in read_index(shapes, clues, index)]


def test_a_network_is_found_by_its_names_and_shapes(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    (reading,) = read_index(blocks(2), {}, small_index)
    assert str(reading.architecture) == "timm:deep2"
    assert set(reading.pieces) == set(blocks(2))
    assert all(piece.keys == (name,) and piece.shape == blocks(2)[name] for name, piece in reading.pieces.items())
    assert (reading.channels, reading.image_size, reading.also, reading.assumptions) == (3, None, (), ())


def test_a_network_inside_a_larger_one_is_not_named(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    assert named(blocks(4), small_index) == ["timm:deep4"]


@pytest.mark.parametrize("depth", [3, 5, 9])
def test_a_deeper_network_than_any_known_is_refused(small_index: Index, blocks: Callable[..., Shapes], depth: int) -> None:
    with pytest.raises(CheckpointError, match=r"arch must be given: the file holds all .* of timm:deep[24] and \d+ more .* larger network") as caught:
        read_index(blocks(depth), {}, small_index)
    assert caught.value.code == "E_STRANGERS"


@pytest.mark.parametrize("change", ["missing", "misshaped"])
def test_a_network_without_one_of_its_tensors_is_not_named(small_index: Index, blocks: Callable[..., Shapes], change: str) -> None:
    shapes = blocks(2)
    for name in blocks(2):
        changed = {key: shape for key, shape in shapes.items() if key != name}
        if change == "misshaped":
            changed[name] = (*shapes[name][:-1], shapes[name][-1] + 1)
        assert read_index(changed, {}, small_index) == []


def test_heads_projectors_and_counters_beside_the_network_do_not_matter(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    beside: Shapes = {
        "head.weight": (10, 8), "head.bias": (10,), "head.3.weight": (5, 5), "projector.0.weight": (4, 4), "queue": (8, 100), "mask_token": (1, 8),
        "decoder.blocks.0.conv.weight": (8, 8, 3, 3), "blocks.0.norm.num_batches_tracked": (),
    }  # fmt: skip
    (reading,) = read_index(blocks(2) | beside, {}, small_index)
    assert str(reading.architecture) == "timm:deep2"
    assert set(reading.pieces) == {*blocks(2), "blocks.0.norm.num_batches_tracked"}


@pytest.mark.parametrize(
    "name", ["blocks.7.fc.weight", "blocks.0.fc.bias", "stem.bias", "cls_token", "final_conv.weight", "pos"], ids=lambda name: str(name)
)
def test_tensors_that_belong_to_an_encoder_and_have_no_place_are_refused(small_index: Index, blocks: Callable[..., Shapes], name: str) -> None:
    with pytest.raises(CheckpointError, match="belong to a larger network"):
        read_index(blocks(2) | {name: (8, 8, 1, 1)}, {}, small_index)


def test_a_second_copy_of_the_network_beside_it_is_no_stranger(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    shapes = blocks(2) | {f"slow.backbone.{name}": shape for name, shape in blocks(2).items()}
    assert named(shapes, small_index) == ["timm:deep2"]


@pytest.mark.parametrize("channels", [1, 4, 12])
def test_a_stem_for_other_colours_is_read(small_index: Index, blocks: Callable[..., Shapes], channels: int) -> None:
    (reading,) = read_index(blocks(2) | {"stem.weight": (8, channels, 4, 4)}, {}, small_index)
    assert reading.channels == channels
    assert reading.pieces["stem.weight"].shape == (8, channels, 4, 4)


@pytest.mark.parametrize(("tokens", "image_size"), [(197, None), (577, (384, 384)), (50, (112, 112))])
def test_a_table_for_another_image_size_gives_the_image_size(
    small_index: Index, blocks: Callable[..., Shapes], tokens: int, image_size: tuple[int, int] | None
) -> None:
    (reading,) = read_index(blocks(2, 16) | {"pos": (1, tokens, 16)}, {}, small_index)
    assert (str(reading.architecture), reading.image_size) == ("timm:wide_224", image_size)
    assert reading.pieces["pos"].shape == (1, tokens, 16)


def test_a_table_that_no_image_size_gives_is_no_match(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    assert read_index(blocks(2, 16) | {"pos": (1, 200, 16)}, {}, small_index) == []


def test_architectures_that_compute_different_features_are_all_given(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    assert named(blocks(2, 12), small_index) == ["timm:wide_tall", "timm:tf_wide_tall"]


def test_preprocessing_that_two_names_of_one_network_state_differently_is_an_assumption(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    reading = read_index(blocks(2, 12), {}, small_index)[0]
    (assumption,) = reading.assumptions
    assert (assumption.what, assumption.value, assumption.flag) == ("mean and std", "mean 0", "--mean --std")
    assert "timm:wide_tall_too, the same network, states mean 1" in assumption.source


def test_the_plain_network_is_taken_before_its_anti_aliased_variant_and_says_so(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    (reading,) = read_index(blocks(3, 20), {}, small_index)
    assert (str(reading.architecture), reading.also) == ("timm:plain50", ("timm:plainblur50",))
    assert reading.assumptions[0].flag == "--arch"
    assert "timm:plainblur50 has the same tensors and other features" in reading.assumptions[0].source


def test_the_real_index_prefers_torchvision_and_knows_the_blurred_variant(shapes_of_network: Callable[[str], Shapes]) -> None:
    (reading,) = read_index(shapes_of_network("timm:resnet50"), {})
    assert str(reading.architecture) == "torchvision:resnet50"
    assert set(reading.also) == {"timm:resnetaa50", "timm:resnetblur50"}


def test_the_activation_decides_where_a_clue_names_it(shapes_of_network: Callable[[str], Shapes]) -> None:
    shapes = shapes_of_network("timm:vit_base_patch32_clip_224")
    for activation, name in (("quick_gelu", "timm:vit_base_patch32_clip_quickgelu_224"), ("gelu", "timm:vit_base_patch32_clip_224")):
        (reading,) = read_index(shapes, {"activation": Clue(activation, "config.json")})
        assert str(reading.architecture) == name
        assert "config.json" in reading.assumptions[0].source


def test_prefixes_are_found_wherever_the_network_stands(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    shapes = {f"a.b.{name}": shape for name, shape in blocks(2).items()} | {f"c.{name}": shape for name, shape in blocks(4).items()}
    assert index_prefixes(shapes, small_index) == ["c.", "a.b."]
    assert index_prefixes(blocks(2), small_index) == [""]
    assert index_prefixes({"x.weight": (1, 1)}, small_index) == []


def test_prefixes_of_a_hostile_file_are_few_and_quick(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    many = {f"p{number}.{name}": shape for number in range(9000) for name, shape in blocks(2).items()}
    deep = {".".join(["blocks"] * 4000) + f".{number}": (1,) for number in range(20)}
    start = time.perf_counter()
    assert len(index_prefixes(many | deep, small_index)) == MOST_PREFIXES
    assert time.perf_counter() - start < 3


def test_the_nearest_architectures_say_how_much_of_them_is_there(small_index: Index, blocks: Callable[..., Shapes]) -> None:
    shapes = blocks(4)
    del shapes["norm.weight"]
    best = nearest(shapes, index=small_index)
    assert best[0] == ("timm:deep4", 9, 10)
    assert nearest({f"some.prefix.{name}": shape for name, shape in shapes.items()}, index=small_index)[0] == best[0]
    assert nearest({"nothing": (1,)}, index=small_index) == []
    assert nearest({}, index=small_index) == []


def test_a_lookup_takes_about_a_millisecond(shapes_of_network: Callable[[str], Shapes]) -> None:
    shapes = shapes_of_network("timm:regnety_032")
    read_index(shapes, {})
    times = []
    for _ in range(20):
        start = time.perf_counter()
        read_index(shapes, {})
        times.append(time.perf_counter() - start)
    assert min(times) < 0.01
