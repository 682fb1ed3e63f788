"""A vision transformer told from its tensors: by the names of timm, torchvision, Hugging Face, OpenCLIP, mmpretrain, DINO, DINOv2, DINOv3, MAE
and I-JEPA. What is no plain vision transformer (windows, relative positions, convolutions, pooling by attention) is left to others."""

from __future__ import annotations

from repr_probe.encoders.architectures import Architecture, Option
from repr_probe.encoders.reading import Assumption, Clues, Piece, Reading, Shapes
from repr_probe.encoders.vits.families import Family, family_of, input_of_family
from repr_probe.encoders.vits.heads import heads_of
from repr_probe.encoders.vits.names import NamedTensors, timm_names
from repr_probe.encoders.vits.network import WORDS
from repr_probe.encoders.vits.schemes import HF_CLIP, HF_DINOV3, OPEN_CLIP, SCHEMES, TIMM, TORCHVISION
from repr_probe.encoders.vits.sizes import Sizes, sizes_of
from repr_probe.encoders.vits.standard import own_architecture, timm_name, torchvision_name
from repr_probe.errors import CheckpointError

LANDMARKS: tuple[str, ...] = tuple(dict.fromkeys(scheme.landmark for scheme in SCHEMES.values()))
POOLS = {"cls": "class token", "mean": "mean over the patches", "both": "mean of class and distillation token"}
# Hugging Face's defaults that differ among networks with the same names.
HF_EPS = {"vit_msn": 1e-6, "vit_mae": 1e-12, "ijepa": 1e-12}


def read_vit(shapes: Shapes, clues: Clues) -> Reading | None:
    """None: no plain vision transformer. Raises CheckpointError where it is one and something decisive is not in the file."""
    named = timm_names(shapes)
    sizes = sizes_of(named, clues) if named is not None else None
    if named is None or sizes is None or _belongs_to_others(sizes, named):
        return None
    family = family_of(sizes, named, shapes, clues)
    heads = heads_of(sizes, clues, family.name)
    eps, activation = _eps(named, family, sizes, clues), _activation(named, family, sizes, clues)
    pool, pooling = _pool(sizes, named, clues)
    options: dict[str, Option] = {
        **sizes.options(), "heads": int(heads.value), "eps": float(eps.value), "activation": activation.value, "pool": pool,
        "norm": _norm_place(sizes, named, pool),
    }  # fmt: skip
    architecture = _architecture(options, sizes, named)
    assumptions = [heads, eps, activation, pooling, *_more(family)]
    return Reading(
        scheme=named.scheme.name, architecture=architecture, pieces=_pieces(architecture, sizes, options), assumptions=tuple(assumptions),
        channels=sizes.channels, image_size=_image_size(architecture, sizes), spare=named.scheme.spare,
        input=None if architecture.library == "torchvision" else input_of_family(family, sizes),
        also=_also(options, activation, sizes),
    )  # fmt: skip


def _belongs_to_others(sizes: Sizes, named: NamedTensors) -> bool:
    """Networks with the same tensors that compute something else, told by what they have together; timm names them."""
    if named.scheme is OPEN_CLIP and not sizes.pre_norm:  # CLIPA pools by the mean, others do not
        return False
    if sizes.class_token:  # one register, layer scale and patches of 14: TIPS, whose images are not normalised
        return sizes.registers > 0 and (sizes.norm == "after" or (sizes.registers == 1 and sizes.layer_scale and sizes.patch == (14, 14)))
    siglip = not sizes.layer_scale and sizes.qkv_bias and sizes.norm == "before" and not sizes.registers
    tanh = (sizes.width in (768, 1024) and (sizes.patch == (32, 32) or sizes.grid == (32, 32))) or sizes.width in (1152, 1536)
    residual_norm = sizes.norm == "after" and not sizes.registers  # timm's "rpn" networks normalise after the attention
    return (siglip and tanh) or residual_norm


def _eps(named: NamedTensors, family: Family, sizes: Sizes, clues: Clues) -> Assumption:
    if "eps" in clues:
        return Assumption("eps", f"{_positive(clues['eps'].value):g}", clues["eps"].source, "--arch")
    model = str(clues["model_type"].value) if "model_type" in clues else ""
    if model in HF_EPS and "Hugging Face" in named.scheme.name:
        return Assumption("eps", f"{HF_EPS[model]:g}", f"Hugging Face's default for {model}", "--arch")
    if family.name in ("CLIP", "DINOv3"):
        return Assumption("eps", "1e-05", f"usual for {family.name}", "--arch")
    return Assumption("eps", f"{named.scheme.eps:g}", named.scheme.source or f"usual for {family.name} networks", "--arch")


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise CheckpointError(f"eps must be a number between 0 and 1; got {value}")
    return float(value)


def _activation(named: NamedTensors, family: Family, sizes: Sizes, clues: Clues) -> Assumption:
    if sizes.swiglu:
        return _gate(named, clues)
    if "activation" in clues:
        value = {"gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh", "quickgelu": "quick_gelu"}.get(
            str(clues["activation"].value), str(clues["activation"].value)
        )
        if value not in WORDS["activation"]:
            raise CheckpointError(f"activation must be one of {', '.join(WORDS['activation'])}; got {value} ({clues['activation'].source})")
        return Assumption("activation", value, clues["activation"].source, "--arch")
    value, source = named.scheme.activation, "usual for vision transformers"
    if family.name == "CLIP":
        source = named.scheme.source if named.scheme is HF_CLIP else "OpenCLIP's default; OpenAI's own weights need quick_gelu"
    return Assumption("activation", value, source, "--arch")


def _gate(named: NamedTensors, clues: Clues) -> Assumption:
    """The option keeps its usual value: SwiGLU has its own activation, except in Hugging Face's DINOv3, which takes the configured one."""
    if named.scheme is HF_DINOV3 and "activation" in clues and clues["activation"].value != "silu":
        raise CheckpointError(
            f"activation must be silu for DINOv3's gated MLP; got {clues['activation'].value} ({clues['activation'].source}); "
            "that network cannot be built here"
        )
    return Assumption("activation", "gelu", "not used: the gate of SwiGLU is SiLU")


def _pool(sizes: Sizes, named: NamedTensors, clues: Clues) -> tuple[str, Assumption]:
    if "pool" in clues and clues["pool"].value in ("cls", "mean", "avg"):
        pool, source = {"avg": "mean"}.get(clues["pool"].value, clues["pool"].value), clues["pool"].source
        if pool == "cls" and not sizes.class_token:
            raise CheckpointError(f"pool must be mean: the network of the file has no class token; got cls ({source})")
    elif not sizes.class_token:
        pool, source = "mean", "no class token in the file"
    elif sizes.norm == "after":
        pool, source = "mean", "fc_norm in the file stands after a mean"
    elif _is_clipa(sizes, named):
        pool, source = "mean", "CLIPA, the networks without ln_pre, take the mean"
    elif sizes.distilled and named.scheme is TIMM:
        pool, source = "both", "as timm and DeiT evaluate distilled networks"
    else:
        pool, source = "cls", "usual for networks with a class token"
    before = "; before the projection `proj`" if named.scheme is OPEN_CLIP else ""
    before = "; before visual_projection" if named.scheme is HF_CLIP else before
    return pool, Assumption("pooling", POOLS[pool], f"{source}{before}", "--pool")


def _is_clipa(sizes: Sizes, named: NamedTensors) -> bool:
    return named.scheme is OPEN_CLIP and not sizes.pre_norm


def _norm_place(sizes: Sizes, named: NamedTensors, pool: str) -> str:
    return "after" if _is_clipa(sizes, named) and pool == "mean" else sizes.norm


def _more(family: Family) -> list[Assumption]:
    if not family.doubt:
        return []
    mean, std = (" ".join(f"{value:.3g}" for value in values) for values in family.mean_std)
    return [Assumption("input normalised by", f"mean {mean}, std {std}", family.doubt, "--mean --std")]


def _architecture(options: dict[str, Option], sizes: Sizes, named: NamedTensors) -> Architecture:
    """torchvision's name for its own files, else timm's, else the parametric network."""
    known = torchvision_name(options, sizes.image_size) if named.scheme is TORCHVISION and sizes.channels == 3 else None
    if known is not None:
        return Architecture("torchvision", known)
    known = timm_name(options, sizes.image_size[0]) if sizes.image_size is not None else None
    return Architecture("timm", known) if known is not None else own_architecture(options)


def _image_size(architecture: Architecture, sizes: Sizes) -> tuple[int, int] | None:
    return None if architecture.library == "torchvision" else sizes.image_size


def _also(options: dict[str, Option], activation: Assumption, sizes: Sizes) -> tuple[str, ...]:
    """The same tensors with the other activation of CLIP, and the one timm network of unusual heads."""
    if options["pre_norm"] and activation.source.startswith(("OpenCLIP's default", "Hugging Face's default")):
        other = {**options, "activation": "gelu" if options["activation"] == "quick_gelu" else "quick_gelu"}
        known = timm_name(other, sizes.image_size[0]) if sizes.image_size is not None else None
        return (f"timm:{known}" if known else str(own_architecture(other)),)
    if not sizes.class_token and (sizes.width, sizes.depth, sizes.patch, sizes.grid) == (768, 12, (16, 16), (14, 14)):
        return ("timm:vit_base_patch16_gap_224",)
    return ()


def _pieces(architecture: Architecture, sizes: Sizes, options: dict[str, Option]) -> dict[str, Piece]:
    """The tensors under the names of the network that is built."""
    pieces = dict(sizes.pieces)
    if options["norm"] != sizes.norm:
        pieces = {f"fc_{name}" if name.startswith("norm.") else name: piece for name, piece in pieces.items()}
    if options["position"] == "rope":
        return {name.replace(".ls1.gamma", ".gamma_1").replace(".ls2.gamma", ".gamma_2"): piece for name, piece in pieces.items()}
    return {_torchvision_name(name): piece for name, piece in pieces.items()} if architecture.library == "torchvision" else pieces


def _torchvision_name(name: str) -> str:
    tops = {"patch_embed.proj": "conv_proj", "norm": "encoder.ln", "cls_token": "class_token", "pos_embed": "encoder.pos_embedding"}
    if not name.startswith("blocks."):
        layer, _, kind = name.rpartition(".")
        return tops.get(name) or f"{tops[layer]}.{kind}"
    number, rest = name.split(".", 2)[1:]
    start = f"encoder.layers.encoder_layer_{number}."
    layers = {
        "norm1.": "ln_1.", "norm2.": "ln_2.", "attn.qkv.": "self_attention.in_proj_", "attn.proj.": "self_attention.out_proj.",
        "mlp.fc1.": "mlp.0.", "mlp.fc2.": "mlp.3.",
    }  # fmt: skip
    layer = next(layer for layer in layers if rest.startswith(layer))
    return start + layers[layer] + rest.removeprefix(layer)
