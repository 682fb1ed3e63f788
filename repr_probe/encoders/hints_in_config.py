"""What the JSON files beside weights say: timm's, Hugging Face's and OpenCLIP's configurations, and Hugging Face's image processors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from repr_probe.encoders.architectures import Architecture, resolve_architecture
from repr_probe.encoders.input_spec import FIELDS, timm_config_input
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
FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}


def timm_config(config: Any, name: str) -> tuple[Architecture | None, InputSpec | None, dict[str, Clue]] | None:
    """Network, preprocessing and clues of timm's `config.json`; None for the configurations of other programs, which have no `architecture`.

    The network is None where `model_args` change it in ways that its tensors show; CheckpointError where they may not show.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("architecture"), str):
        return None
    stated = config.get("pretrained_cfg")
    spec = timm_config_input(stated, f"pretrained_cfg in {name}") if isinstance(stated, Mapping) else None
    network = resolve_architecture(f"timm:{config['architecture']}")
    given = config.get("model_args") or {}
    changes = {key: value for key, value in given.items() if key not in WITHOUT_EFFECT} if isinstance(given, Mapping) else {"": given}
    if not changes:
        return network, spec, {}
    shown = network.name in _plain_transformers() and all(key in SHOWN_BY_TENSORS or key in SHOWN_BY_CLUES for key in changes)
    if not shown or changes.get("global_pool", "token") not in POOLS:
        raise CheckpointError(f"checkpoint must be a plain timm network; {name} changes it by model_args {printable(changes)}")
    clues = {SHOWN_BY_CLUES[key]: value for key, value in changes.items() if key in SHOWN_BY_CLUES}
    if "pool" in clues:
        clues["pool"] = POOLS[clues["pool"]]
    if (size := _pair(changes.get("img_size"))) is not None:
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
    clues: dict[str, Any] = {"model_type": config["model_type"]}
    for clue, key in (("heads", "num_attention_heads"), ("eps", "layer_norm_eps"), ("patch_size", "patch_size")):
        if _is_number(vision.get(key)):
            clues[clue] = vision[key]
    if (size := _pair(vision.get("image_size"))) is not None:
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
    if _is_number(vision.get("width")):
        clues["heads"] = int(vision["width"]) * (32 if stages else 1) // int(vision.get("head_width") or 64)
    if _is_number(vision.get("patch_size")):
        clues["patch_size"] = vision["patch_size"]
    if (size := _pair(vision.get("image_size"))) is not None:
        clues["image_size"] = size
    return {key: Clue(value, name) for key, value in clues.items()}


def open_clip_input(config: Any, name: str) -> InputSpec | None:
    stated = config.get("preprocess_cfg") if isinstance(config, Mapping) else None
    if not isinstance(stated, Mapping) or not all(_is_triple(stated.get(key)) for key in ("mean", "std")):
        return None
    clue = open_clip_clues(config, name).get("image_size")
    size = _pair(stated.get("size")) or (clue.value if clue is not None else (224, 224))
    return _spec(size, stated["mean"], stated["std"], str(stated.get("interpolation") or "bicubic"), 1.0, name)


def processor_input(config: Any, name: str) -> tuple[InputSpec, tuple[str, ...]] | None:
    """The preprocessing of a Hugging Face image processor, in our words, and what it does otherwise.

    Raises CheckpointError for a filter that this package does not have.
    """
    inner = config.get("image_processor") if isinstance(config, Mapping) else None
    stated = inner if isinstance(inner, Mapping) else config
    if not isinstance(stated, Mapping) or not ("image_mean" in stated or "do_normalize" in stated or "size" in stated):
        return None
    size, crop_pct, notes = _processor_size(stated, name)
    mean, std = _processor_values(stated)
    chosen = stated.get("resample", 2)
    if chosen not in FILTERS:
        raise CheckpointError(f"{name} must name a filter of {', '.join(FILTERS.values())}; got resample {printable(chosen)}; give --interp")
    return _spec(size, mean, std, FILTERS[chosen], crop_pct, name), notes


def _processor_size(stated: Config, name: str) -> tuple[tuple[int, int], float, tuple[str, ...]]:
    given, crop = stated.get("size"), stated.get("crop_size")
    edge = given.get("shortest_edge") if isinstance(given, Mapping) else None
    crop_pct = stated.get("crop_pct")
    if isinstance(edge, int) and _is_number(crop_pct) and crop_pct:  # ConvNeXt's processor: size is what comes out
        return (edge, edge), float(crop_pct) if edge < 384 else 1.0, ()
    if stated.get("do_center_crop") and (cut := _pair(crop)) is not None:
        resized = edge if isinstance(edge, int) else min(_pair(given) or cut)
        return cut, min(cut) / resized, ()
    out = (edge, edge) if isinstance(edge, int) else _pair(given) or (224, 224)
    note = f"{name} stretches images to {out[0]} x {out[1]}; here the shorter side is resized and the centre is cut"
    return out, 1.0, (note,) if stated.get("do_resize", True) and not isinstance(edge, int) else ()


def _processor_values(stated: Config) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and SD for pixels in [0, 1], whatever range the processor brings them to first."""
    factor = stated.get("rescale_factor", 1 / 255) if stated.get("do_rescale", True) else 1.0
    scale = 255 * float(factor)
    means, stds = stated.get("image_mean"), stated.get("image_std")
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    if stated.get("do_normalize", True) and _is_triple(means) and _is_triple(stds):
        mean, std = tuple(map(float, means or ())), tuple(map(float, stds or ()))
    if abs(scale - 1) < 1e-9:
        return mean, std
    return tuple(value / scale for value in mean), tuple(value / scale for value in std)


def _spec(size: tuple[int, int], mean: Any, std: Any, interpolation: str, crop_pct: float, source: str) -> InputSpec:
    return InputSpec(
        size=size, mean=tuple(map(float, mean)), std=tuple(map(float, std)), interpolation=interpolation, crop_pct=crop_pct,
        sources=dict.fromkeys(FIELDS, source),
    )  # fmt: skip


def _pair(value: Any) -> tuple[int, int] | None:
    """Height and width out of 224, [224, 224] or {"height": 224, "width": 224}."""
    if isinstance(value, Mapping):
        value = (value.get("height"), value.get("width"))
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value, value)
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(side, int) and side > 0 for side in value):
        return value[0], value[1]
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_triple(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) in (1, 3) and all(_is_number(part) for part in value)
