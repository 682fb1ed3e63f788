"""Whose names a vision transformer has: one table of patterns for each program that writes such files, all leading to timm's names."""

from __future__ import annotations

import re
from dataclasses import dataclass

PAIR = r"\.(weight|bias)"
NUMBER = r"([0-9]{1,4})"


@dataclass(frozen=True)
class Scheme:
    """name: for people.  landmark: a name that every such file has.  rules: (pattern on the whole name, timm's name), the first that fits.

    needed: another name without which the file has other tensors under the same landmark.
    spare: patterns of what belongs to pre-training, the classifier or the projection after the features.
    eps, activation: what the program uses where the file does not say.
    """

    name: str
    landmark: str
    rules: tuple[tuple[str, str], ...]
    spare: tuple[str, ...] = ()
    needed: str = ""
    eps: float = 1e-6
    activation: str = "gelu"
    source: str = ""

    def timm_name(self, name: str) -> str | None:
        """timm's name of a tensor, or None for one that is not part of the network.

        >>> SCHEMES["torchvision"].timm_name("encoder.layers.encoder_layer_3.mlp.0.weight")
        'blocks.3.mlp.fc1.weight'
        """
        for pattern, target in self.rules:
            found = re.fullmatch(pattern, name)
            if found:
                return found.expand(target)
        return None


def _blocks(start: str, inner: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Rules for the blocks: `inner` maps names of layers with weight and bias inside a block to timm's."""
    return tuple((rf"{start}\.{NUMBER}\.{old}{PAIR}", rf"blocks.\1.{new}.\2") for old, new in inner.items())


def _pairs(names: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((rf"{old}{PAIR}", rf"{new}.\1") for old, new in names.items())


TIMM_BLOCK = {name.replace(".", r"\."): name for name in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")}
DINO_MLP = {r"mlp\.w12": "mlp.w12", r"mlp\.w1": "mlp.w1", r"mlp\.w2": "mlp.w2", r"mlp\.w3": "mlp.fc2"}
# Chunks of DINOv2's sharded training: blocks.<chunk>.<number>, the number counts through all chunks.
TIMM_START = r"blocks(?:\.[0-9]{1,4})?"
TIMM = Scheme(
    "timm's ViT names",
    "patch_embed.proj.weight",
    (
        *_blocks(TIMM_START, TIMM_BLOCK | DINO_MLP),
        (rf"{TIMM_START}\.{NUMBER}\.ls([12])\.gamma", r"blocks.\1.ls\2.gamma"),
        (rf"{TIMM_START}\.{NUMBER}\.attn\.qkv\.bias_mask", r"blocks.\1.attn.qkv.bias_mask"),
        (rf"(norm|fc_norm|norm_pre|patch_embed\.proj){PAIR}", r"\1.\2"),
        (r"(cls_token|dist_token|reg_token|pos_embed)", r"\1"),
        (r"(?:register_tokens|storage_tokens)", "reg_token"),
        (r"rope_embed\.periods", "rope.periods"),
    ),
    # local_cls_norm: DINOv3's, for small crops of its training only.
    spare=(
        r"(?:head|head_dist|pre_logits|fc|projectors)\..*", r"mask_token", r"masked_embed", r"decoder_.*", r"decoder\..*",
        r"local_cls_norm\..*",
    ),
)  # fmt: skip

TORCHVISION = Scheme(
    "torchvision's ViT names",
    "conv_proj.weight",
    (
        (rf"encoder\.layers\.encoder_layer_{NUMBER}\.ln_([12]){PAIR}", r"blocks.\1.norm\2.\3"),
        (r"encoder\.layers\.encoder_layer_([0-9]{1,4})\.self_attention\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
        (rf"encoder\.layers\.encoder_layer_{NUMBER}\.self_attention\.out_proj{PAIR}", r"blocks.\1.attn.proj.\2"),
        (rf"encoder\.layers\.encoder_layer_{NUMBER}\.mlp\.(?:0|linear_1){PAIR}", r"blocks.\1.mlp.fc1.\2"),
        (rf"encoder\.layers\.encoder_layer_{NUMBER}\.mlp\.(?:3|linear_2){PAIR}", r"blocks.\1.mlp.fc2.\2"),
        *_pairs({"conv_proj": "patch_embed.proj", r"encoder\.ln": "norm"}),
        (r"class_token", "cls_token"),
        (r"encoder\.pos_embedding", "pos_embed"),
    ),
    spare=(r"heads\..*", r"mask_token"),
)

HF_BLOCK = r"(?:encoder\.|model\.)?layers?"
HF_ATTENTION = {
    r"attention\.attention\.query": "attn.q", r"attention\.attention\.key": "attn.k", r"attention\.attention\.value": "attn.v",
    r"attention\.output\.dense": "attn.proj", r"attention\.q_proj": "attn.q", r"attention\.k_proj": "attn.k", r"attention\.v_proj": "attn.v",
    r"attention\.o_proj": "attn.proj",
}  # fmt: skip
HF_MLP = {r"mlp\.fc1": "mlp.fc1", r"mlp\.fc2": "mlp.fc2"}
HF_GATED = {r"mlp\.gate_proj": "mlp.w1", r"mlp\.up_proj": "mlp.w2", r"mlp\.down_proj": "mlp.fc2"}
HF_EMBEDDINGS = (
    *_pairs({r"embeddings\.patch_embeddings\.projection": "patch_embed.proj"}),
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.distillation_token", "dist_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.register_tokens", "reg_token"),
)
HF_SPARE = (r"embeddings\.mask_token", r"pooler\..*", r"(?:cls_|distillation_)?classifier\..*", r"decoder\..*")
HF_VIT = Scheme(
    "Hugging Face's ViT names",
    "embeddings.patch_embeddings.projection.weight",
    (
        *HF_EMBEDDINGS,
        *_blocks(HF_BLOCK, HF_ATTENTION | HF_MLP | {r"intermediate\.dense": "mlp.fc1", r"output\.dense": "mlp.fc2"}),
        *_blocks(HF_BLOCK, {"layernorm_before": "norm1", "layernorm_after": "norm2"}),
        *_pairs({"layernorm": "norm"}),
    ),
    spare=HF_SPARE,
    eps=1e-12,
    source="Hugging Face's default for ViT, DeiT and MAE",
)
HF_DINOV2 = Scheme(
    "Hugging Face's DINOv2 names",
    "embeddings.patch_embeddings.projection.weight",
    (
        *HF_EMBEDDINGS,
        *_blocks(HF_BLOCK, HF_ATTENTION | HF_MLP | HF_GATED | {r"mlp\.weights_in": "mlp.w12", r"mlp\.weights_out": "mlp.fc2"}),
        *_blocks(HF_BLOCK, {"norm1": "norm1", "norm2": "norm2"}),
        (rf"{HF_BLOCK}\.{NUMBER}\.layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
        *_pairs({"layernorm": "norm"}),
    ),
    spare=HF_SPARE,
)
HF_DINOV3 = Scheme(
    "Hugging Face's DINOv3 names",
    "embeddings.patch_embeddings.weight",
    (
        *_pairs({r"embeddings\.patch_embeddings": "patch_embed.proj", "norm": "norm"}),
        *HF_EMBEDDINGS,
        *_blocks(HF_BLOCK, HF_ATTENTION | {r"mlp\.gate_proj": "mlp.w1", r"mlp\.up_proj": "mlp.up", r"mlp\.down_proj": "mlp.fc2"}),
        *_blocks(HF_BLOCK, {"norm1": "norm1", "norm2": "norm2"}),
        (rf"{HF_BLOCK}\.{NUMBER}\.layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
    ),
    spare=HF_SPARE,
    eps=1e-5,
)
HF_CLIP = Scheme(
    "Hugging Face's CLIP names",
    "embeddings.patch_embedding.weight",
    (
        *_pairs({r"embeddings\.patch_embedding": "patch_embed.proj", r"pre_layr?norm": "norm_pre", "post_layernorm": "norm"}),
        (r"embeddings\.class_embedding", "cls_token"),
        (r"embeddings\.position_embedding\.weight", "pos_embed"),
        *_blocks(
            r"encoder\.layers",
            {r"self_attn\.q_proj": "attn.q", r"self_attn\.k_proj": "attn.k", r"self_attn\.v_proj": "attn.v", r"self_attn\.out_proj": "attn.proj"}
            | {"layer_norm1": "norm1", "layer_norm2": "norm2"}
            | HF_MLP,
        ),
    ),
    spare=(r"embeddings\.position_ids", r"(?:visual_projection|text_projection|text_model|logit_scale|classifier)(?:\..*)?"),
    needed="embeddings.class_embedding",
    eps=1e-5,
    activation="quick_gelu",
    source="Hugging Face's default for CLIP",
)
OPEN_CLIP = Scheme(
    "OpenCLIP's names",
    "class_embedding",
    (
        *_pairs({"conv1": "patch_embed.proj", "ln_pre": "norm_pre", "ln_post": "norm"}),
        (r"class_embedding", "cls_token"),
        (r"positional_embedding", "pos_embed"),
        (rf"transformer\.resblocks\.{NUMBER}\.ln_([12]){PAIR}", r"blocks.\1.norm\2.\3"),
        (r"transformer\.resblocks\.([0-9]{1,4})\.attn\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
        *_blocks(r"transformer\.resblocks", {r"attn\.out_proj": "attn.proj", r"mlp\.c_fc": "mlp.fc1", r"mlp\.c_proj": "mlp.fc2"}),
    ),
    spare=(r"proj", r"head\..*"),
    needed="conv1.weight",
    eps=1e-5,
    source="usual for CLIP",
)
MMPRETRAIN = Scheme(
    "mmpretrain's ViT names",
    "patch_embed.projection.weight",
    (
        *_pairs({r"patch_embed\.projection": "patch_embed.proj", "ln1": "norm", "ln2": "fc_norm", "pre_norm": "norm_pre"}),
        (r"(cls_token|dist_token|pos_embed)", r"\1"),
        *_blocks("layers", {"ln1": "norm1", "ln2": "norm2", r"attn\.qkv": "attn.qkv", r"attn\.proj": "attn.proj"}),
        *_blocks("layers", {r"ffn\.layers\.0\.0": "mlp.fc1", r"ffn\.layers\.1": "mlp.fc2", r"ffn\.w12": "mlp.w12", r"ffn\.w3": "mlp.fc2"}),
        (r"layers\.([0-9]{1,4})\.(?:attn|ffn)\.gamma([12])\.weight", r"blocks.\1.ls\2.gamma"),
    ),
    spare=(r"head\..*", r"mask_token", r"neck\..*"),
)
SCHEMES = {
    "timm": TIMM, "torchvision": TORCHVISION, "hf_vit": HF_VIT, "hf_dinov2": HF_DINOV2, "hf_dinov3": HF_DINOV3, "hf_clip": HF_CLIP,
    "open_clip": OPEN_CLIP, "mmpretrain": MMPRETRAIN,
}  # fmt: skip
