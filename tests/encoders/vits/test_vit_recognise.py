"""Which network a file is taken for, what is assumed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from vit_reference import HF_SMALL, THREE_HEADS, assumed, read, shapes_of, timm_vit

from repr_probe.encoders.reading import Clue
from repr_probe.encoders.vits.network import USUAL, build_vit, patch_of
from repr_probe.encoders.vits.recognise import LANDMARKS, read_vit
from repr_probe.encoders.vits.standard import (
    GIANT,
    GIANTS,
    KINDS,
    SIZE_FIELDS,
    SIZE_NAMES,
    TIMM_NAMES,
    TORCHVISION_VITS,
    timm_name,
    torchvision_name,
)
from repr_probe.errors import CheckpointError

ACTIVATIONS = {"GELU": "gelu", "QuickGELU": "quick_gelu", "SiLU": "gelu", "GELUTanh": "gelu_tanh"}  # SwiGLU's SiLU is no option
POOLINGS = {"token": "class token", "avg": "mean over the patches", "map": "?"}


def on_meta(name: str, **options: Any) -> Any:
    with torch.device("meta"):
        return timm.create_model(name, **options)


def shapes_of_timm(name: str, **options: Any) -> dict[str, tuple[int, ...]]:
    return shapes_of(on_meta(name, **options).state_dict())


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("vit_tiny_patch16_224", "timm:vit_tiny_patch16_224"),
        ("vit_tiny_patch16_384", "timm:vit_tiny_patch16_384"),
        ("vit_small_patch8_224", "timm:vit_small_patch8_224"),
        ("deit_tiny_distilled_patch16_224", "timm:deit_tiny_distilled_patch16_224"),
        ("deit3_small_patch16_224", "timm:deit3_small_patch16_224"),
        ("vit_small_patch14_dinov2", "timm:vit_small_patch14_dinov2"),
        ("vit_small_patch14_reg4_dinov2", "timm:vit_small_patch14_reg4_dinov2"),
        ("vit_base_patch32_clip_224", "timm:vit_base_patch32_clip_224"),
        ("vit_wee_patch16_reg1_gap_256", "repr_probe:vit(class_token=False, depth=14, heads=4, hidden=1280, layer_scale=True, norm=after, "
         "pool=mean, position=patches, registers=1, width=256)"),
    ],
)
def test_networks_of_timm_are_known_by_their_tensors(name: str, wanted: str) -> None:
    reading = read_vit(shapes_of_timm(name), {})
    assert reading is not None and str(reading.architecture) == wanted


def test_a_position_table_of_another_size_keeps_the_name() -> None:
    reading = read_vit(shapes_of_timm("vit_tiny_patch16_224", img_size=96), {})
    assert reading is not None and str(reading.architecture) == "timm:vit_tiny_patch16_224"
    assert reading.image_size == (96, 96) and reading.input is not None and reading.input.size == (96, 96)


def test_other_numbers_than_the_named_network_s_are_not_given_its_name() -> None:
    shapes = shapes_of_timm("vit_tiny_patch16_224")
    for key, value in (("heads", 4), ("eps", 1e-5), ("activation", "quick_gelu"), ("pool", "mean")):
        reading = read_vit(shapes, {key: Clue(value, "config.json")})
        assert reading is not None and reading.architecture.library == "repr_probe"
        assert reading.architecture.options[[name for name, _ in reading.architecture.options].index(key)] == (key, value)


@pytest.mark.parametrize("kind", sorted(TORCHVISION_VITS.values()))
def test_torchvision_names(kind: str) -> None:
    import torchvision

    with torch.device("meta"):
        module = torchvision.models.get_model_builder(kind)(weights=None)
    module.heads = torch.nn.Identity()
    tensors = shapes_of(module.state_dict())
    reading = read_vit(tensors, {})
    assert reading is not None and str(reading.architecture) == f"torchvision:{kind}" and reading.image_size is None
    assert {name: piece.shape for name, piece in reading.pieces.items()} == tensors
    assert {name: piece.keys for name, piece in reading.pieces.items()} == {name: (name,) for name in tensors}


def every_timm_name() -> dict[str, dict[str, Any]]:
    """Every timm name the tables can lead to, with the options that lead there."""
    found: dict[str, dict[str, Any]] = {name: {**USUAL, **GIANT, **special} for name, special in GIANTS.items()}
    for size in SIZE_NAMES:
        for kind in KINDS.values():
            for patch in (8, 14, 16, 32):
                for pixels in (224, 240, 256, 336, 378, 384, 448, 512):
                    options = {**USUAL, **dict(zip(SIZE_FIELDS, size)), **kind, "patch": patch}
                    name = timm_name(options, pixels)
                    if name is not None:
                        found[name] = options
    return found


def test_every_name_of_the_table_can_be_reached_and_exists() -> None:
    assert set(every_timm_name()) == TIMM_NAMES | set(GIANTS)
    assert set(timm.list_models()) >= TIMM_NAMES | set(GIANTS)


@pytest.mark.parametrize("name", sorted(TIMM_NAMES | set(GIANTS)))
def test_a_named_network_has_the_numbers_it_is_named_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block of each is built by timm and by us; timm's own depth is seen on the way."""
    depths: list[int] = []
    from timm.models import deit, vision_transformer

    for module, function in ((vision_transformer, "_create_vision_transformer"), (deit, "_create_deit")):
        real = getattr(module, function)

        def shortened(variant: str, pretrained: bool = False, real: Any = real, **options: Any) -> Any:
            depths.append(options.get("depth", 12))
            return real(variant, pretrained, **options | {"depth": 1})

        monkeypatch.setattr(module, function, shortened)
    options = every_timm_name()[name]
    theirs = on_meta(name, num_classes=0, img_size=2 * patch_of(options["patch"])[0])
    with torch.device("meta"):
        ours: Any = build_vit({**options, "depth": 1}, image_size=(2 * patch_of(options["patch"])[0],) * 2)
    assert depths == [options["depth"]]
    assert shapes_of(theirs.state_dict()) == shapes_of(ours.state_dict())
    assert theirs.blocks[0].attn.num_heads == ours.blocks[0].attn.num_heads and theirs.norm.eps == ours.norm.eps
    assert type(theirs.blocks[0].mlp.act) is type(ours.blocks[0].mlp.act) and theirs.global_pool == ours.global_pool
    assert theirs.num_prefix_tokens == ours.num_prefix_tokens


LOOKALIKES = [
    "beit_base_patch16_224", "cait_xxs24_224", "convit_tiny", "eva02_tiny_patch14_224", "hiera_tiny_224", "pvt_v2_b0", "swin_tiny_patch4_window7_224",
    "vit_base_patch16_rpn_224", "vit_base_patch16_siglip_gap_512", "vit_relpos_small_patch16_224", "vit_small_patch16_18x2_224",
    "vit_small_patch16_rope_ape_224", "vit_small_patch16_rope_224", "vit_small_r26_s32_224", "vit_tiny_r_s16_p8_224", "volo_d1_224",
    "xcit_nano_12_p16_224", "vit_small_patch16_dinov3", "vit_dwee_patch16_reg1_gap_256", "visformer_tiny", "crossvit_9_240", "mixer_s32_224",
]  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_other_transformers_are_left_to_others(name: str) -> None:
    assert read_vit(shapes_of_timm(name), {}) is None


@pytest.mark.slow
def test_no_network_of_timm_is_taken_for_one_that_computes_something_else() -> None:
    mistaken = {}
    for name in timm.list_models():
        try:
            module = on_meta(name)
        except (NotImplementedError, RuntimeError):
            continue
        shapes = shapes_of(module.state_dict())
        if any(landmark in shapes for landmark in LANDMARKS) and (wrong := mistakes(module, shapes)):
            mistaken[name] = wrong
    # The same tensors as the network next to them; Reading.also names these.
    known = [name for name in mistaken if "quickgelu" not in name and name != "vit_base_patch16_gap_224"]
    assert {name: mistaken[name] for name in known} == {}


def mistakes(module: Any, shapes: dict[str, tuple[int, ...]]) -> list[str]:
    try:
        reading = read_vit(shapes, {})
    except CheckpointError:
        return []
    if reading is None:
        return []
    if type(module).__name__ not in ("VisionTransformer", "VisionTransformerDistilled"):
        return [type(module).__name__]
    block, said = module.blocks[0], assumed(reading)
    pooling = "mean of class and distillation token" if hasattr(module, "dist_token") else POOLINGS[module.global_pool]
    theirs = {
        "heads": str(block.attn.num_heads), "eps": f"{block.norm1.eps:g}", "activation": ACTIVATIONS[type(block.mlp.act).__name__],
        "pooling": pooling, "block": type(block).__name__, "norm": type(block.norm1).__name__,
    }  # fmt: skip
    ours = {**said, "block": "Block", "norm": "LayerNorm"}
    return [key for key in theirs if ours[key] != theirs[key]]


def test_what_weights_do_not_show_is_an_assumption() -> None:
    reading = read_vit(shapes_of_timm("vit_tiny_patch16_224"), {})
    assert reading is not None
    assert assumed(reading) == {
        "heads": "3", "eps": "1e-06", "activation": "gelu", "pooling": "class token",
        "input normalised by": "mean 0.485 0.456 0.406, std 0.229 0.224 0.225",
    }  # fmt: skip
    assert [assumption.flag for assumption in reading.assumptions] == ["--heads", "--arch", "--arch", "--pool", "--mean --std"]
    assert "timm's augreg uses 0.5" in str(reading.assumptions[-1])


def test_no_heads_are_guessed_for_a_width_without_usual_number() -> None:
    tensors = timm_vit().state_dict()
    with pytest.raises(CheckpointError, match=r"heads must be given for a vision transformer of width 48, depth 2, patch 8 x 8.*--heads"):
        read(tensors, {})
    with pytest.raises(CheckpointError, match=r"heads must divide the width 48; got 5 \(--heads\); give --heads"):
        read(tensors, {"heads": Clue(5, "--heads")})


def test_a_table_that_is_no_square_asks_for_the_image_size() -> None:
    tensors = timm_vit(img_size=(16, 48)).state_dict()
    with pytest.raises(CheckpointError, match=r"image_size must be given for .* 13 rows, which are no square; give --image-size"):
        read(tensors)


@pytest.mark.parametrize(
    ("clues", "message"),
    [
        ({"eps": Clue("small", "config.json")}, "eps must be a number between 0 and 1; got small"),
        ({"activation": Clue("mish", "config.json")}, r"activation must be one of gelu, .*; got mish \(config.json\)"),
    ],
)
def test_clues_that_cannot_be_built(clues: dict[str, Clue], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read(timm_vit().state_dict(), {**THREE_HEADS, **clues})


def test_a_class_token_that_is_not_there_cannot_be_the_features() -> None:
    tensors = timm_vit(class_token=False, global_pool="avg", fc_norm=False).state_dict()
    with pytest.raises(CheckpointError, match=r"pool must be mean: the network of the file has no class token; got cls \(--pool\)"):
        read(tensors, {**THREE_HEADS, "pool": Clue("cls", "--pool")})


def test_dinov3_whose_gate_is_not_silu_is_refused() -> None:
    transformers = pytest.importorskip("transformers")
    module = transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**HF_SMALL, use_gated_mlp=True))
    with pytest.raises(CheckpointError, match="activation must be silu for DINOv3's gated MLP; got gelu"):
        read(module.state_dict(), {**THREE_HEADS, "activation": Clue("gelu", "config.json")})


def test_periods_that_do_not_divide_the_width() -> None:
    shapes = shapes_of(timm_vit(no_embed_class=True).state_dict()) | {"rope_embed.periods": (5,)}
    del shapes["pos_embed"]
    with pytest.raises(CheckpointError, match=r"heads must be given for .*its rotation periods are for heads of 20; give --heads"):
        read_vit(shapes, {})


def test_a_few_tensors_missing_or_of_another_shape_are_for_the_next_step_to_name() -> None:
    shapes = shapes_of_timm("vit_tiny_patch16_224")
    del shapes["blocks.3.norm1.bias"]
    shapes["blocks.4.attn.proj.weight"] = (192, 191)
    reading = read_vit(shapes, {})
    assert reading is not None and "blocks.3.norm1.bias" not in reading.pieces
    assert read_vit(shapes | {"blocks.0.attn.rel_pos": (3, 3)}, {}) is None
    assert read_vit({name: shape for name, shape in shapes.items() if not name.startswith(("blocks.5", "blocks.0"))}, {}) is None


def test_heads_that_width_alone_does_not_tell() -> None:
    tensors = shapes_of(build_meta(width=768, depth=8, heads=8, hidden=2304))
    assert assumed(read_of(tensors))["heads"] == "8"
    rotating = shapes_of(build_meta(width=1280, depth=1, heads=20, position="rope", registers=4))
    swapped = {name.replace("gamma_", "ls").replace("reg_token", "storage_tokens"): shape for name, shape in rotating.items()}
    assert assumed(read_of(swapped))["heads"] == "20"
    clip = shapes_of(build_meta(width=128, heads=2, depth=1, pre_norm=True, patch_bias=False))
    assert assumed(read_of(clip))["heads"] == "2"


def build_meta(**options: Any) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return build_vit(options).state_dict()


def read_of(shapes: dict[str, tuple[int, ...]]) -> Any:
    reading = read_vit(shapes, {})
    assert reading is not None
    return reading


def test_torchvision_s_name_only_for_its_own_numbers() -> None:
    assert torchvision_name(dict(USUAL), (224, 224)) == "vit_b_16"
    assert torchvision_name(dict(USUAL), (384, 384)) is None
    assert torchvision_name({**USUAL, "eps": 1e-5}, (224, 224)) is None


@pytest.mark.parametrize("name", ["blocks.0.attn.qkv.weight", "patch_embed.proj.weight", "pos_embed", "cls_token", "blocks.0.mlp.fc1.weight"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 0, 0, 0), (3, 0), (1, 0, 48), (2**40, 3, 8, 8)])
def test_shapes_that_make_no_sense(name: str, shape: tuple[int, ...]) -> None:
    shapes = shapes_of(timm_vit().state_dict())
    answer = None
    try:
        answer = read_vit(shapes | {name: shape}, THREE_HEADS)
    except CheckpointError:
        return
    assert answer is None or any(piece.shape == shape for piece in answer.pieces.values()) or answer.pieces[name].shape != shapes[name]


def test_names_that_make_no_sense() -> None:
    shapes = shapes_of(timm_vit().state_dict())
    assert read_vit(shapes | {f"blocks.{'9' * 5000}.norm1.weight": (48,)}, THREE_HEADS) is None
    assert read_vit(shapes | {"blocks.\u0663.norm1.weight": (48,)}, THREE_HEADS) is None
    hf = {"embeddings.patch_embeddings.projection.weight": (48, 3, 8, 8), **{
        f"layers.0.attention.{letter}_proj.{kind}": () for letter in "qkv" for kind in ("weight", "bias")}}
    assert read_vit(hf, THREE_HEADS) is None
    assert read_vit(dict.fromkeys(LANDMARKS, ()), {}) is None and read_vit({}, {}) is None
