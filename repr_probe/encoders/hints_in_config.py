"""What the JSON files beside weights say: timm's, Hugging Face's and OpenCLIP's configurations, and Hugging Face's image processors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from repr_probe.encoders.architectures import Architecture, resolve_architecture
from repr_probe.encoders.input_spec import spec_from_file, stated_size, timm_config_input
from repr_probe.encoders.pixel_numbers import CLIP, HALVES, UNSCALED, Numbers
from repr_probe.encoders.reading import Clue
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import printable
from repr_probe.preprocessing import InputSpec

Config = Mapping[str, Any]
# What timm's model_args may say of a vision transformer: nothing that evaluation feels, what its tensors show, what a clue can say.
WITHOUT_EFFECT = ("num_classes", "drop_rate", "drop_path_rate", "proj_drop_rate", "attn_drop_rate", "pos_drop_rate", "patch_drop_rate", "pretrained")
SHOWN_BY_TENSORS = (
    "img_size", "patch_size", "embed_dim", "depth", "mlp_ratio", "reg_tokens", "qkv_bias", "init_values", "class_token", "no_embed_class",
    "in_chans", "weight_init", "dynamic_img_size",
)  # fmt: skip
SHOWN_BY_CLUES = {"num_heads": "heads", "global_pool": "pool"}
POOLS = {"token": "cls", "avg": "mean"}
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
# Numbers of PIL's filters.
OPENAI, WITHOUT_NORMALISATION = ("CLIP", "ChineseCLIP", "Bit", "Blip"), ("MobileViT",)  # beginnings of names of processors
FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}


def timm_config(config: Any, name: str) -> tuple[Architecture | None, InputSpec | None, dict[str, Clue]] | None:
    """Network, preprocessing and clues of timm's `config.json`; None for the configurations of other programs, which have no `architecture`.

    The network is None where `model_args` change it in ways that its tensors show; CheckpointError where they may not show.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("architecture"), str):
        return None
    stated, where = config.get("pretrained_cfg"), f"pretrained_cfg in {name}"
    if not isinstance(stated, Mapping) and any(key in config for key in ("input_size", "mean", "std")):
        stated, where = config, name  # older files have it flat
    spec = timm_config_input(stated, where) if isinstance(stated, Mapping) else None
    network = resolve_architecture(f"timm:{config['architecture']}")
    given = config.get("model_args") or {}
    changes = {key: value for key, value in given.items() if key not in WITHOUT_EFFECT} if isinstance(given, Mapping) else {"": given}
    if not changes:
        return network, spec, {}
    shown = network.name in _plain_transformers() and all(key in SHOWN_BY_TENSORS or key in SHOWN_BY_CLUES for key in changes)
    pool, heads = changes.get("global_pool", "token"), changes.get("num_heads", 1)
    if not shown or not isinstance(pool, str) or pool not in POOLS or not _is_count(heads):
        raise CheckpointError(f"checkpoint must be a plain timm network; {name} changes it by model_args {printable(changes)}")
    clues = {SHOWN_BY_CLUES[key]: value for key, value in changes.items() if key in SHOWN_BY_CLUES}
    if "pool" in clues:
        clues["pool"] = POOLS[clues["pool"]]
    if (size := _pair(changes.get("img_size"), f"model_args in {name}", "img_size")) is not None:
        clues["image_size"] = size
        spec = spec.override(f"model_args in {name}", size=size) if spec is not None else None
    return None, spec, {key: Clue(value, f"model_args in {name}") for key, value in clues.items()}


@cache
def _plain_transformers() -> frozenset[str]:
    import timm

    return frozenset(timm.list_models(module="vision_transformer")) | frozenset(timm.list_models(module="deit"))


def hugging_face_clues(config: Any, name: str) -> dict[str, Clue]:
    """Facts of the vision network in a Hugging Face `config.json`."""
    if not isinstance(config, Mapping) or "model_type" not in config:
        return {}
    inner = config.get("vision_config")
    vision = {**config, **inner} if isinstance(inner, Mapping) else config
    clues: dict[str, Any] = {"model_type": config["model_type"]} if isinstance(config["model_type"], str) else {}
    for clue, key in (("heads", "num_attention_heads"), ("patch_size", "patch_size")):
        if _is_count(vision.get(key)):
            clues[clue] = vision[key]
    if _is_number(vision.get("layer_norm_eps")) and 0 < vision["layer_norm_eps"] < 1:
        clues["eps"] = vision["layer_norm_eps"]
    if (size := _pair(vision.get("image_size"), name, "image_size")) is not None:
        clues["image_size"] = size
    if isinstance(vision.get("hidden_act"), str):
        clues["activation"] = vision["hidden_act"]
    if isinstance(config.get("downsample_in_bottleneck"), bool):
        clues["stride_place"] = "1x1" if config["downsample_in_bottleneck"] else "3x3"
    return {key: Clue(value, name) for key, value in clues.items()}


def open_clip_clues(config: Any, name: str) -> dict[str, Clue]:
    """Facts of the image tower in OpenCLIP's `open_clip_config.json`."""
    model = config.get("model_cfg") if isinstance(config, Mapping) else None
    vision = model.get("vision_cfg") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(vision, Mapping):
        return {}
    stages = isinstance(vision.get("layers"), list)  # a ResNet, whose attention pooling is 32 times as wide as its stem
    clues: dict[str, Any] = {} if stages else {"activation": "quick_gelu" if model.get("quick_gelu") is True else "gelu"}
    head_width = vision.get("head_width") or 64
    if _is_count(vision.get("width"), 16384) and _is_count(head_width, 16384):
        clues["heads"] = vision["width"] * (32 if stages else 1) // head_width
    if _is_count(vision.get("patch_size")):
        clues["patch_size"] = vision["patch_size"]
    if (size := _pair(vision.get("image_size"), name, "image_size")) is not None:
        clues["image_size"] = size
    return {key: Clue(value, name) for key, value in clues.items()}


def open_clip_input(config: Any, name: str) -> InputSpec | None:
    stated = config.get("preprocess_cfg") if isinstance(config, Mapping) else None
    if not isinstance(stated, Mapping) or not all(_is_triple(stated.get(key)) for key in ("mean", "std")):
        return None
    clue = open_clip_clues(config, name).get("image_size")
    size = _pair(stated.get("size"), name, "size") or (clue.value if clue is not None else (224, 224))
    interpolation = stated.get("interpolation") or "bicubic"
    return spec_from_file(name, size=size, mean=stated["mean"], std=stated["std"], interpolation=interpolation, crop_pct=1.0)


def processor_input(config: Any, name: str) -> tuple[InputSpec, tuple[str, ...]] | None:
    """The preprocessing of a Hugging Face image processor, in our words, and what it does otherwise.

    Raises CheckpointError for a filter that this package does not have, and for values no image can have.
    """
    inner = config.get("image_processor") if isinstance(config, Mapping) else None
    stated = inner if isinstance(inner, Mapping) else config
    if not isinstance(stated, Mapping) or not ("image_mean" in stated or "do_normalize" in stated or "size" in stated):
        return None
    size, crop_pct, notes = _processor_size(stated, name)
    mean, std, usual = _processor_values(stated, name)
    chosen = stated.get("resample", 2)
    if type(chosen) is not int or chosen not in FILTERS:
        raise CheckpointError(f"{name} must name a filter of {', '.join(FILTERS.values())}; got resample {printable(chosen)}; give --interp")
    order = "bgr" if stated.get("do_flip_channel_order") is True and len(mean) == 3 else "rgb"
    spec = spec_from_file(name, size=size, mean=mean, std=std, interpolation=FILTERS[chosen], crop_pct=crop_pct, order=order)
    return replace(spec, sources={**spec.sources, **dict.fromkeys(("mean", "std"), usual)} if usual else spec.sources), notes


def _processor_size(stated: Config, name: str) -> tuple[tuple[int, int], float, tuple[str, ...]]:
    given, crop = stated.get("size"), stated.get("crop_size")
    short = given.get("shortest_edge") if isinstance(given, Mapping) else None
    edge = None if short is None else stated_size(short, name, "shortest_edge")[0]
    crop_pct = stated.get("crop_pct")
    if edge is not None and crop_pct is not None:  # ConvNeXt's processor: size is what comes out
        return (edge, edge), crop_pct if edge < 384 else 1.0, ()
    if stated.get("do_center_crop") and (cut := _pair(crop, name, "crop_size")) is not None:
        resized = edge if edge is not None else min(_pair(given, name, "size") or cut)
        return cut, min(cut) / resized, ()
    out = (edge, edge) if edge is not None else _pair(given, name, "size") or (224, 224)
    note = f"{name} stretches images to {out[0]} x {out[1]}; here the shorter side is resized and the centre is cut"
    return out, 1.0, (note,) if stated.get("do_resize", True) and edge is None else ()


def _processor_values(stated: Config, name: str) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Mean and SD for pixels in [0, 1], whatever range the processor brings them to first, and where they are from if not from the file."""
    factor = stated.get("rescale_factor", 1 / 255) if stated.get("do_rescale", True) else 1.0
    if not _is_number(factor) or not 1e-6 < factor < 1e6:
        raise CheckpointError(f"{name} must have rescale_factor as a number above 0; got {printable(factor)}; correct it there")
    scale = 255 * float(factor)
    (mean, std), usual = _normalisation(stated, name)
    if abs(scale - 1) < 1e-9 or usual:
        return mean, std, usual
    return tuple(value / scale for value in mean), tuple(value / scale for value in std), usual


def _normalisation(stated: Config, name: str) -> tuple[Numbers, str]:
    """As the file says, else as transformers has it where a processor is silent: halves, OpenAI's numbers or none, by its class."""
    kind = str(stated.get("image_processor_type") or stated.get("feature_extractor_type") or "")[:100]
    means, stds = stated.get("image_mean"), stated.get("image_std")
    if not stated.get("do_normalize", True):
        return UNSCALED, ""
    if means is None and stds is None:
        if kind.startswith(WITHOUT_NORMALISATION) or "do_flip_channel_order" in stated:
            return UNSCALED, f"{name} without normalisation"
        if kind.startswith(OPENAI):
            return CLIP, f"{name} without image_mean: OpenAI's, as transformers has it for {kind}"
        return HALVES, f"{name} without image_mean: 0.5, as transformers has it for {printable(kind) or 'ViTImageProcessor'}"
    if not _is_triple(means) or not _is_triple(stds):
        got = f"image_mean {printable(means)} and image_std {printable(stds)}"
        raise CheckpointError(f"{name} must have image_mean and image_std as one or three numbers; got {got}; correct it there")
    return (tuple(map(float, means or ())), tuple(map(float, stds or ()))), ""


def _pair(value: Any, source: str, field: str) -> tuple[int, int] | None:
    """Height and width out of 224, [224, 224] or {"height": 224, "width": 224}; None where there is nothing of the kind."""
    if isinstance(value, Mapping):
        value = [value["height"], value["width"]] if "height" in value and "width" in value else None
    return None if value is None else stated_size(value, source, field)


def _is_count(value: Any, largest: int = 1024) -> bool:
    return type(value) is int and 0 < value <= largest


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _is_triple(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) in (1, 3) and all(_is_number(part) for part in value)
