"""What is known of the programs that write checkpoints: how their files can be told, which weights they evaluate, on which images.

A row is matched by the names in a file alone: keys at its top, components of tensor names, words its arguments say. The first row that
fits counts, so rows that ask for more stand before rows that ask for less, and rows about mere wrappers stand last.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from repr_probe.encoders.pixel_numbers import (
    CIFAR10,
    CIFAR10_SOLO,
    CIFAR100_SUPCON,
    CIFAR100_WEI,
    CLIP,
    HALVES,
    IMAGENET,
    STL10_SOLO,
    UNSCALED,
    Numbers,
)
from repr_probe.encoders.source_signs import EMA, ONLINE, RoleRule, Seen, Sign, Source, first_said, said_text, said_word
from repr_probe.files.printable import printable
from repr_probe.preprocessing import InputSpec


def spec(values: Numbers, size: int = 224, interpolation: str = "bilinear", resize: int = 256) -> InputSpec:
    """The shorter side to `resize`, the centre `size`; where sources stays empty the row's name is filled in."""
    return InputSpec((size, size), values[0], values[1], interpolation, size / resize)


def small(values: Numbers, size: int = 32) -> InputSpec:
    """Small images as they are."""
    return spec(values, size, resize=size)


USUAL = spec(IMAGENET)
USUAL_BICUBIC = spec(IMAGENET, interpolation="bicubic")


def _solo_input(seen: Seen) -> InputSpec | None:
    dataset = said_text(seen.said, "data.dataset", "dataset").lower()
    known = {"stl10": small(STL10_SOLO, 96), "imagenet": USUAL, "imagenet100": USUAL, "cifar10": small(CIFAR10_SOLO), "cifar100": small(CIFAR10_SOLO)}
    return known[dataset].override(f"solo-learn's evaluation of {dataset}") if dataset in known else None


def _solo_clues(seen: Seen) -> dict[str, Any]:
    dataset = said_text(seen.said, "data.dataset", "dataset").lower()
    return {"stem": "solo"} if dataset in ("cifar10", "cifar100") or said_word(seen.said, "cifar") is True else {}


def _supcon_input(seen: Seen) -> InputSpec | None:
    dataset = said_text(seen.said, "opt.dataset", "dataset")
    if dataset == "path":
        try:
            mean, std = (ast.literal_eval(printable(first_said(seen.said, f"opt.{name}", name), limit=100)) for name in ("mean", "std"))
            return small((tuple(map(float, mean)), tuple(map(float, std)))) if len(mean) == len(std) == 3 else None
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return {"cifar10": small(CIFAR10), "cifar100": small(CIFAR100_SUPCON)}.get(dataset)


def _torchvision_input(seen: Seen) -> InputSpec:
    """torchvision's reference scripts write the evaluation sizes into their arguments."""
    crop, resize = first_said(seen.said, "val_crop_size"), first_said(seen.said, "val_resize_size")
    interpolation = first_said(seen.said, "interpolation")
    if not (isinstance(crop, int) and isinstance(resize, int) and 8 <= crop <= resize <= min(4096, 8 * crop)):
        return USUAL
    return spec(IMAGENET, crop, interpolation if interpolation in ("bilinear", "bicubic") else "bilinear", resize)


def _patch_clue(seen: Seen) -> dict[str, Any]:
    patch = said_word(seen.said, "patch_size")
    return {"patch_size": patch} if isinstance(patch, int) and not isinstance(patch, bool) else {}


def _moco3_clues(seen: Seen) -> dict[str, Any]:
    """Its small network has 12 heads at width 384, where everybody else has 6."""
    heads = {12: 12, 24: 16, 32: 16}.get(seen.depth())
    return {"heads": heads} if heads else {}


def _ijepa_clues(seen: Seen) -> dict[str, Any]:
    heads = {24: 16, 32: 16, 40: 16}.get(seen.depth())
    return {"pool": "mean", **({"heads": heads} if heads else {})}


def _mae_clues(seen: Seen) -> dict[str, Any]:
    heads = {24: 16, 32: 16}.get(seen.depth())
    pooled = re.search(r"^fc_norm\.", seen.text, re.MULTILINE) is not None or said_word(seen.said, "global_pool") is True
    return {"pool": "mean" if pooled and "decoder_embed" not in seen.parts else "cls", **({"heads": heads} if heads else {})}


def _numbered_small(seen: Seen) -> InputSpec:
    """Lightly's own ResNetGenerator has stages 2 to 5 and is made for CIFAR-10; torchvision's numbered children have 4 to 7."""
    return small(IMAGENET) if re.search(r"backbone(?:_momentum)?\.[23]\.\d+\.", seen.text) else USUAL


def _hugging_face_input(seen: Seen) -> InputSpec:
    """Google's networks take halves; those of MAE, I-JEPA, MSN and DeiT have the same names and take ImageNet's values."""
    family = said_text(seen.said, "model_type")
    if family == "vit_mae" or "decoder_embed" in seen.parts:
        return spec(IMAGENET, 224, "bicubic", 224)
    if family in ("ijepa", "vit_msn", "deit") or (not family and not re.search(r"embeddings\.cls_token$", seen.text, re.MULTILINE)):
        return USUAL_BICUBIC
    return spec(HALVES, 224, "bilinear", 224)


def _openclip_clues(seen: Seen) -> dict[str, Any]:
    name = said_text(seen.said, "name").lower()
    return {"activation": "quick_gelu" if "quickgelu" in name else "gelu"} if name else {}


RESNET_STEM = r"^(?:backbone\.)?conv1\.weight$"
NUMBERED = r"^(?:.*\.)?(?:teacher_|student_)?backbone(?:_momentum)?\.\d+\."
KEY_BACKBONE = RoleRule("backbone", "key_backbone", ONLINE, "beside key_backbone, backbone is the network that was trained (Lightly's MoCo)")

SELF_SUPERVISED_RESNETS: tuple[Source, ...] = (
    Source("this package", (Sign(top=("repr_probe",)),)),
    Source(
        "solo-learn",
        (
            Sign(parts=("backbone|encoder",), said=("method", "data.dataset|dataset", "backbone|encoder")),
            Sign(parts=("backbone|encoder", "classifier", "projector|momentum_projector|momentum_classifier")),
        ),
        use=RoleRule("encoder", "momentum_encoder", ONLINE, "solo-learn evaluates the trained encoder, not momentum_encoder"),
        input=_solo_input, clues=_solo_clues,
        notes=(
            "solo-learn normalises CIFAR otherwise in pre-training than in evaluation; its evaluation is followed where the file names the data set",
            "solo-learn's stem for CIFAR pads by 2: --stem solo, unless the file says so itself",
        ),
    ),
    Source(
        "Lightly examples (numbered backbone)",
        (Sign(parts=("projection_head|projection_mlp|prediction_head|prediction_mlp|head|teacher_head|student_head|prototypes",),
              names=(NUMBERED,)),),
        input=_numbered_small,
        notes=("Lightly's CIFAR-10 benchmark takes 32 pixels with ImageNet's mean and SD, its imagenette benchmark 128: --image-size",),
    ),
    Source(
        "Lightly benchmark, MoCo v2 before February 2024", (Sign(parts=("backbone", "query_backbone")),), input=USUAL,
        use=RoleRule("backbone", "query_backbone", EMA, "beside query_backbone, backbone is its moving average (Lightly's older MoCo)"),
    ),
    Source("Lightly benchmark, MoCo v2", (Sign(parts=("backbone", "key_backbone")),), use=KEY_BACKBONE, input=USUAL),
    Source(
        "Lightly benchmark, BYOL before February 2024",
        (Sign(parts=("backbone", "student_backbone", "student_prediction_head|prediction_head")),), input=USUAL,
        use=RoleRule("backbone", "student_backbone", EMA, "beside student_backbone, backbone is its moving average (Lightly's older BYOL)"),
    ),
    Source(
        "Lightly benchmark, DINO", (Sign(parts=("backbone", "student_backbone")),), input=USUAL,
        use=RoleRule("backbone", "student_backbone", EMA, "beside student_backbone, backbone is its moving average (Lightly's DINO)"),
    ),
    Source(
        "Lightly benchmark, BYOL", (Sign(parts=("backbone", "teacher_backbone", "prediction_head")),), input=USUAL,
        use=RoleRule("backbone", "teacher_backbone", ONLINE, "beside teacher_backbone, backbone is the network that was trained (Lightly's BYOL)"),
    ),
    Source("Lightly benchmark, SwAV", (Sign(parts=("backbone", "projection_head", "prototypes", "online_classifier")),), input=USUAL),
    Source(
        "Lightly benchmark (SimCLR, Barlow Twins or VICReg)", (Sign(parts=("backbone", "projection_head", "online_classifier")),), input=USUAL,
    ),
    Source("Lightly's older model zoo", (Sign(parts=("projection_head|features",), names=(r"(?:^|\.)features\.(?:layer)?\d+\.\d+\.conv1\.weight$",)),)),
    Source(
        "ReSA", (Sign(parts=("encoder", "momentum_encoder", "projector|momentum_projector"), absent=("classifier",)),), input=USUAL,
        use=RoleRule("momentum_encoder", "encoder", EMA, "ReSA evaluates momentum_encoder, the moving average of encoder"),
        notes=("ReSA resizes bilinearly for its linear evaluation and bicubically for kNN: --interp bicubic",),
    ),
    Source(
        "SwAV or DeepCluster-v2", (Sign(names=(r"^projection_head\.", r"^prototypes", r"^layer1\.0\.conv1\.weight$")),), input=USUAL,
    ),
    Source("Barlow Twins", (Sign(top=("model",), parts=("backbone", "projector"), names=(r"^bn\.running_mean$",)),), input=USUAL),
    Source(
        "VICReg", (Sign(top=("model", "optimizer"), parts=("backbone", "projector"), absent=("classifier", "online_classifier")),), input=USUAL,
    ),
    Source(
        "MoCo", (Sign(parts=("encoder_q",)),), input=USUAL,
        use=RoleRule("encoder_q", "encoder_k", ONLINE, "MoCo evaluates the query encoder encoder_q"),
    ),
    Source(
        "MoCo v3", (Sign(parts=("base_encoder",)),), input=USUAL, clues=_moco3_clues,
        use=RoleRule("base_encoder", "momentum_encoder", ONLINE, "MoCo v3 evaluates base_encoder, the network that was trained"),
    ),
    Source("SimSiam", (Sign(names=(r"^encoder\.fc\.\d+\.", r"^predictor\.\d+\.")),), input=USUAL),
    Source(
        "SimCLR of sthalles", (Sign(top=("state_dict",), names=(r"^backbone\.fc\.[02]\.weight$",)),), input=small(UNSCALED, 96),
        notes=("its images have 96 pixels (STL-10) or 32 (CIFAR-10), and neither mean nor SD is taken off: --image-size 32 for CIFAR-10",),
    ),
    Source("SupContrast", (Sign(top=("opt", "model"), names=(r"^encoder\.", r"^(?:head|fc)\.")),), input=_supcon_input),
    Source("VISSL", (Sign(top=("classy_state_dict",)), Sign(parts=("_feature_blocks",))), input=USUAL),
    Source(
        "stable-pretraining",
        (Sign(parts=("student", "teacher"), names=(r"ema_coefficient$",)),
         Sign(names=(r"backbone\.student\.", r"backbone\.teacher\."))),
        use=RoleRule("teacher", "student", EMA, "stable-pretraining evaluates the teacher, the moving average of the student"),
    ),
    Source(
        "mmselfsup or mmpretrain",
        (Sign(top=("meta", "state_dict"), names=(r"^backbone\.",)), Sign(top=("message_hub", "state_dict")),
         Sign(top=("state_dict", "ema_state_dict"), parts=("steps",))),
        use=RoleRule("state_dict", "ema_state_dict", EMA, "mmengine swaps on saving: state_dict already holds the moving average"),
        input=USUAL,
    ),
    Source(
        "Google SimCLR v2, converted", (Sign(top=("resnet", "head")), Sign(names=(r"^net\.0\.0\.weight$", r"^net\.\d+\.blocks\."))),
        input=spec(UNSCALED, interpolation="bicubic"), notes=("SimCLR's TensorFlow weights take pixels between 0 and 1 without mean and SD",),
    ),
    Source(
        "Google SimCLR, TensorFlow", (Sign(names=(r"(?:^|[./])base_model[./]conv2d(?:_\d+)?[./]kernel",)),),
        input=spec(UNSCALED, interpolation="bicubic"), notes=("SimCLR's TensorFlow weights take pixels between 0 and 1 without mean and SD",),
    ),
    Source(
        "lightly-train", (Sign(top=("lightly_train",)),),
        use=RoleRule("teacher_embedding_model", "student_embedding_model", EMA, "lightly-train exports the teacher"),
    ),
)  # fmt: skip

SMALL_RESNETS: tuple[Source, ...] = (
    Source(
        "ResNets for CIFAR-10 of akamaster",
        (Sign(top=("best_prec1", "state_dict"), names=(r"^linear\.weight$", r"^layer3\."), absent=("layer4",)),), input=small(IMAGENET),
    ),
    Source(
        "ResNets for CIFAR of chenyaofo",
        (Sign(names=(RESNET_STEM, r"^layer3\.0\.downsample\.0\.weight$", r"^fc\.weight$"), absent=("layer4",)),), input=small(CIFAR10),
        notes=("weights for CIFAR-100 want --mean 0.507 0.4865 0.4409 --std 0.2673 0.2564 0.2761",),
    ),
    Source("CIFAR-10 networks of kuangliu", (Sign(top=("net", "acc", "epoch"),),), input=small(CIFAR10)),
    Source("CIFAR-100 networks of weiaicunzai", (Sign(names=(r"^conv2_x\.\d+\.residual_function\.0\.weight$",)),), input=small(CIFAR100_WEI)),
)  # fmt: skip

TEACHER = RoleRule("teacher", "student", EMA, "the teacher, the moving average of the student, is what its authors evaluate")
TARGET = RoleRule("target_encoder", "encoder", EMA, "I-JEPA evaluates target_encoder, the moving average of encoder")
TRANSFORMERS: tuple[Source, ...] = (
    Source(
        "iBOT", (Sign(top=("student", "teacher", "ibot_loss")), Sign(top=("student", "teacher"), parts=("masked_embed",))), use=TEACHER,
        input=USUAL_BICUBIC, clues=_patch_clue,
    ),
    Source(
        "DINOv3", (Sign(names=(r"(?:^|\.)storage_tokens$",)), Sign(names=(r"(?:^|\.)rope_embed\.periods$",))), use=TEACHER,
        input=spec(IMAGENET, 256, "bicubic", 256), clues=lambda seen: {"eps": 1e-5},
        notes=("DINOv3 weights trained on satellite images have the same shapes and want --mean 0.430 0.411 0.296 --std 0.213 0.156 0.143",),
    ),
    Source("DINO", (Sign(top=("student", "teacher", "args|dino_loss")),), use=TEACHER, input=USUAL_BICUBIC, clues=_patch_clue),
    Source("DINOv2, training", (Sign(parts=("teacher", "dino_head")),), use=TEACHER, input=spec(IMAGENET, 518, "bicubic", 518)),
    Source("MAE", (Sign(parts=("decoder_embed", "mask_token"), names=(r"^decoder_blocks\.0\.",)),), input=USUAL_BICUBIC, clues=_mae_clues),
    Source(
        "MAE, fine-tuned",
        (Sign(top=("model", "args"), names=(r"^blocks\.0\.attn\.",), said=("blr", "global_pool|cls_token")),
         Sign(top=("model", "args"), names=(r"^blocks\.0\.attn\.", r"^fc_norm\."))),
        input=USUAL_BICUBIC, clues=_mae_clues,
    ),
    Source("I-JEPA", (Sign(top=("encoder", "target_encoder", "predictor")),), use=TARGET, input=USUAL_BICUBIC, clues=_ijepa_clues),
    Source(
        "Lightly's masked transformer", (Sign(names=(r"(?:^|\.)vit\.blocks\.0\.", r"(?:^|\.)mask_token$")),), input=USUAL_BICUBIC,
        use=RoleRule("teacher_backbone", "student_backbone", EMA, "the teacher is the moving average of the student"),
    ),
    Source(
        "DINOv2", (Sign(names=(r"(?:^|\.)mask_token$", r"(?:^|\.)blocks\.(?:\d+\.)?\d+\.ls1\.gamma$")),), use=TEACHER,
        input=spec(IMAGENET, 518, "bicubic", 518), notes=("DINOv2 takes any multiple of 14 pixels: --image-size 224",),
    ),
    Source(
        "OpenAI CLIP", (Sign(parts=("visual", "input_resolution", "context_length", "vocab_size")),), input=spec(CLIP, 224, "bicubic", 224),
        clues=lambda seen: {"activation": "quick_gelu"},
    ),
    Source(
        "OpenCLIP",
        (Sign(parts=("visual",), names=(r"^visual\.(?:class_embedding$|trunk\.|transformer\.resblocks\.|attnpool\.)",)),),
        input=spec(CLIP, 224, "bicubic", 224), clues=_openclip_clues,
        notes=("OpenCLIP: features are those before visual.proj",),
    ),
    Source(
        "Hugging Face CLIP", (Sign(names=(r"(?:^|\.)embeddings\.class_embedding$", r"(?:^|\.)pre_layrnorm\.")),),
        input=spec(CLIP, 224, "bicubic", 224),
    ),
    Source(
        "Hugging Face DINOv2", (Sign(names=(r"(?:^|\.)embeddings\.patch_embeddings\.projection\.weight$", r"\.layer_scale1\.lambda1$")),),
        input=USUAL_BICUBIC,
    ),
    Source(
        "Hugging Face ViT", (Sign(names=(r"(?:^|\.)embeddings\.patch_embeddings\.projection\.weight$",)),), input=_hugging_face_input,
    ),
    Source("Hugging Face ResNet", (Sign(names=(r"(?:^|\.)embedder\.embedder\.convolution\.weight$",)),), input=USUAL_BICUBIC),
    Source("torchvision vision transformer", (Sign(names=(r"(?:^|\.)conv_proj\.weight$", r"encoder_layer_0\.")),), input=USUAL),
    Source("sentence-transformers", (Sign(said=("modules.json",)),)),
)  # fmt: skip

WRAPPERS: tuple[Source, ...] = (
    Source(
        "reference scripts of torchvision", (Sign(top=("model", "args"), said=("val_crop_size",)),), input=_torchvision_input,
        use=RoleRule("model_ema", "model", EMA, "torchvision's scripts evaluate model_ema, the moving average of model"),
    ),
    Source(
        "DeiT", (Sign(top=("model", "model_ema|scaler"), names=(r"^blocks\.0\.attn\.qkv\.weight$",)),), input=USUAL_BICUBIC,
        use=RoleRule("model_ema", "model", EMA, "DeiT keeps the moving average of model in model_ema"),
    ),
    Source(
        "timm's train.py", (Sign(top=("state_dict", "arch", "state_dict_ema|amp_scaler|metric|version")),),
        use=RoleRule("state_dict_ema", "state_dict", EMA, "timm evaluates state_dict_ema, the moving average of state_dict"),
    ),
    Source("ImageNet example of PyTorch", (Sign(top=("arch", "state_dict", "best_acc1")),), input=USUAL),
    Source(
        "Lightning with weight averaging", (Sign(top=("state_dict", "current_model_state|averaging_state")),),
        use=RoleRule("state_dict", "current_model_state", EMA, "Lightning's WeightAveraging saves the average as state_dict"),
    ),
    Source("averaged weights", (Sign(parts=("n_averaged",)), Sign(top=("state_dict_ema|model_ema|ema_state_dict|ema|averaged|params_ema",)))),
    Source("DeepSpeed", (Sign(top=("module", "ds_version|ds_config")),)),
    Source("Lightning", (Sign(top=("state_dict", "pytorch-lightning_version")),)),
)  # fmt: skip

SOURCES: tuple[Source, ...] = (*SELF_SUPERVISED_RESNETS, *SMALL_RESNETS, *TRANSFORMERS, *WRAPPERS)


def _pairs_of_teachers() -> tuple[RoleRule, ...]:
    pairs = [("teacher", "student")]
    for word in ("model", "encoder", "network", "net", "embedding_model", "vit"):
        pairs += [(f"teacher_{word}", f"student_{word}"), (f"{word}_teacher", f"{word}_student")]
    return tuple(RoleRule(kept, dropped, EMA, f"{kept} is the moving average of {dropped}") for kept, dropped in pairs)


def _pairs_of_averages() -> tuple[RoleRule, ...]:
    """Averaged weights beside raw ones, under the names programs give them."""
    rules = []
    for raw in ("model", "state_dict", "model_state_dict", "params", "net", "network", "student"):
        averages = [f"{raw}_ema", f"ema_{raw}", f"{raw}_averaged", f"averaged_{raw}", f"swa_{raw}", "ema", "averaged", "model_ema", "ema_model"]
        averages += ["ema_state_dict", "state_dict_ema"] if raw in ("model", "model_state_dict") else []
        rules += [RoleRule(average, raw, EMA, f"{average} is the moving average of {raw}") for average in dict.fromkeys(averages)]
    # In mmengine's files, and only there, state_dict is the average; elsewhere the two names alone decide nothing.
    return tuple(rule for rule in rules if (rule.kept, rule.dropped) != ("ema_state_dict", "state_dict"))


def _trained(kept: str, dropped: str, whose: str) -> RoleRule:
    return RoleRule(kept, dropped, ONLINE, f"beside {dropped}, {kept} is the network that was trained ({whose})")


ROLE_RULES: tuple[RoleRule, ...] = (
    RoleRule("backbone", "student_backbone", EMA, "beside student_backbone, backbone is its moving average (Lightly's DINO and older BYOL)"),
    RoleRule("backbone", "query_backbone", EMA, "beside query_backbone, backbone is its moving average (Lightly's older MoCo)"),
    _trained("backbone", "teacher_backbone", "Lightly's BYOL"),
    KEY_BACKBONE,
    _trained("backbone", "backbone_momentum", "Lightly's examples"),
    _trained("backbone", "momentum_backbone", "solo-learn"),
    _trained("backbone", "target_net", "mmselfsup's BYOL"),
    _trained("backbone", "encoder_k", "mmselfsup's MoCo"),
    _trained("backbone", "momentum_encoder", "mmselfsup's MoCo v3"),
    RoleRule("teacher_backbone", "student_backbone", EMA, "teacher_backbone is the moving average of student_backbone"),
    RoleRule("encoder", "momentum_encoder", ONLINE, "solo-learn evaluates the trained encoder, not momentum_encoder", ("classifier",)),
    RoleRule("momentum_encoder", "encoder", EMA, "momentum_encoder is the moving average of encoder (ReSA)"),
    RoleRule("encoder_q", "encoder_k", ONLINE, "the query encoder is what MoCo evaluates"),
    RoleRule("base_encoder", "momentum_encoder", ONLINE, "base_encoder is what MoCo v3 evaluates"),
    TARGET,
    RoleRule("target_encoder", "context_encoder", EMA, "target_encoder is the moving average of context_encoder"),
    _trained("online_encoder", "target_encoder", "BYOL"),
    _trained("online_network", "target_network", "BYOL"),
    _trained("online_network_state_dict", "target_network_state_dict", "BYOL"),
    RoleRule(
        "state_dict", "ema_state_dict", EMA, "mmengine swaps on saving: state_dict already holds the moving average",
        ("message_hub", "param_schedulers", "meta", "steps"),
    ),
    RoleRule("state_dict", "current_model_state", EMA, "Lightning's WeightAveraging saves the average as state_dict"),
    *_pairs_of_teachers(),
    *_pairs_of_averages(),
)  # fmt: skip
