"""Programs are told by the names in their files; of several encoders the one that the program evaluates is taken. Names only, no weights."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from repr_probe.encoders.source_signs import RoleRule, said_word
from repr_probe.encoders.source_table import IMAGENET, ROLE_RULES, SOURCES
from repr_probe.encoders.sources import Place, find_source, for_small_images, prefer
from repr_probe.errors import CheckpointError, UsageError

RESNET = ("conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer3.0.downsample.0.weight", "layer4.2.conv3.weight")
SMALL_A = ("conv1.weight", "layer1.0.conv1.weight", "layer3.2.bn2.weight", "linear.weight", "linear.bias")
SMALL_B = ("conv1.weight", "layer3.0.downsample.0.weight", "layer3.2.bn2.weight", "fc.weight")
KUANGLIU = ("conv1.weight", "layer4.1.shortcut.0.weight", "linear.weight")
NUMBERED = ("0.weight", "1.weight", "4.0.conv1.weight", "7.1.bn2.weight")
GENERATOR = ("0.weight", "1.weight", "2.0.conv1.weight", "5.1.shortcut.0.weight")
VIT = ("cls_token", "pos_embed", "patch_embed.proj.weight", *(f"blocks.{block}.attn.qkv.weight" for block in range(12)), "norm.weight")
LARGE = (*VIT, *(f"blocks.{block}.attn.qkv.weight" for block in range(12, 24)))
HEAD = ("head.mlp.0.weight", "head.last_layer.weight_g")
LIGHTNING = ["epoch", "global_step", "pytorch-lightning_version", "state_dict", "loops", "hyper_parameters"]
ONLINE_HEAD = ("projection_head.layers.0.weight", "online_classifier.classification_head.weight")


def under(*prefixes: str, names: tuple[str, ...] = RESNET) -> tuple[str, ...]:
    return tuple(f"{prefix}{name}" for prefix in prefixes for name in names)


def lightning(*names: str) -> dict[str, Any]:
    return {"held": {"state_dict": names}, "top": LIGHTNING}


# what: (name of the program, names in the file, size, interpolation, first of mean, first of SD)
FILES: list[tuple[str, dict[str, Any], tuple[int, str, float, float] | None]] = [
    ("this package", {"held": {"state_dict": under("backbone.")}, "top": ["repr_probe", "state_dict"]}, None),
    ("Lightly benchmark (SimCLR, Barlow Twins or VICReg)", lightning(*under("backbone."), *ONLINE_HEAD), (224, "bilinear", 0.485, 0.229)),
    ("Lightly benchmark, SwAV", lightning(*under("backbone."), *ONLINE_HEAD, "prototypes.heads.0.weight"), (224, "bilinear", 0.485, 0.229)),
    ("Lightly benchmark, DINO", lightning(*under("backbone.", "student_backbone."), *ONLINE_HEAD, "student_projection_head.last_layer.weight_g"),
     (224, "bilinear", 0.485, 0.229)),
    ("Lightly benchmark, BYOL", lightning(*under("backbone.", "teacher_backbone."), *ONLINE_HEAD, "prediction_head.layers.0.weight"),
     (224, "bilinear", 0.485, 0.229)),
    ("Lightly benchmark, BYOL before February 2024",
     lightning(*under("backbone.", "student_backbone."), *ONLINE_HEAD, "student_prediction_head.layers.0.weight"), (224, "bilinear", 0.485, 0.229)),
    ("Lightly benchmark, MoCo v2", lightning(*under("backbone.", "key_backbone."), *ONLINE_HEAD), (224, "bilinear", 0.485, 0.229)),
    ("Lightly benchmark, MoCo v2 before February 2024", lightning(*under("backbone.", "query_backbone."), *ONLINE_HEAD),
     (224, "bilinear", 0.485, 0.229)),
    ("Lightly examples (numbered backbone)", lightning(*under("backbone.", names=GENERATOR), "projection_head.layers.0.weight"),
     (32, "bilinear", 0.485, 0.229)),
    ("Lightly examples (numbered backbone)",
     lightning(*under("backbone.", "backbone_momentum.", names=NUMBERED), "prediction_head.layers.0.weight"), (224, "bilinear", 0.485, 0.229)),
    ("Lightly examples (numbered backbone)", lightning(*under("teacher_backbone.", "student_backbone.", names=NUMBERED), "student_head.x"),
     (224, "bilinear", 0.485, 0.229)),
    ("Lightly's older model zoo", lightning("model.features.0.weight", "model.features.1.0.conv1.weight", "model.projection_head.0.weight"), None),
    ("Lightly's older model zoo", lightning("model.features.conv1.weight", "model.features.layer1.0.conv1.weight", "model.projection_head.0.weight"),
     None),
    ("ReSA", {"held": {"state_dict": (*under("encoder.", "momentum_encoder."), "projector.0.weight", "momentum_projector.0.weight")},
              "top": ["epoch", "state_dict", "optimizer"]}, (224, "bilinear", 0.485, 0.229)),
    ("SwAV or DeepCluster-v2", {"held": {"": (*RESNET, "projection_head.0.weight", "prototypes.weight")}, "top": []}, (224, "bilinear", 0.485, 0.229)),
    ("SwAV or DeepCluster-v2", {"held": {"state_dict": (*RESNET, "projection_head.0.weight", "prototypes.prototypes0.weight")},
                                "top": ["epoch", "state_dict", "optimizer", "amp"]}, (224, "bilinear", 0.485, 0.229)),
    ("Barlow Twins", {"held": {"model": (*under("backbone."), "projector.0.weight", "bn.running_mean")}, "top": ["epoch", "model", "optimizer"]},
     (224, "bilinear", 0.485, 0.229)),
    ("VICReg", {"held": {"model": (*under("backbone."), "projector.0.weight")}, "top": ["epoch", "model", "optimizer"]},
     (224, "bilinear", 0.485, 0.229)),
    ("MoCo", {"held": {"state_dict": (*under("encoder_q.", "encoder_k."), "queue")}, "top": ["epoch", "arch", "state_dict", "optimizer"]},
     (224, "bilinear", 0.485, 0.229)),
    ("MoCo v3", {"held": {"state_dict": under("base_encoder.", "momentum_encoder.")}, "top": ["epoch", "arch", "state_dict"]},
     (224, "bilinear", 0.485, 0.229)),
    ("SimSiam", {"held": {"state_dict": (*under("encoder."), "encoder.fc.0.weight", "predictor.0.weight")}, "top": ["epoch", "arch", "state_dict"]},
     (224, "bilinear", 0.485, 0.229)),
    ("SimCLR of sthalles", {"held": {"state_dict": (*under("backbone."), "backbone.fc.0.weight", "backbone.fc.2.weight")},
                            "top": ["epoch", "arch", "state_dict", "optimizer"]}, (96, "bilinear", 0.0, 1.0)),
    ("SupContrast", {"held": {"model": (*under("encoder.", names=KUANGLIU), "head.0.weight")}, "top": ["opt", "model", "optimizer", "epoch"],
                     "said": {"opt": {"dataset": "cifar100"}}}, (32, "bilinear", 0.5071, 0.2675)),
    ("VISSL", {"held": {"classy_state_dict.base_model.model.trunk": under("_feature_blocks.")}, "top": ["classy_state_dict", "phase_idx"]},
     (224, "bilinear", 0.485, 0.229)),
    ("VISSL", {"held": {"": under("base_model._feature_blocks.")}, "top": []}, (224, "bilinear", 0.485, 0.229)),
    ("solo-learn", {**lightning(*under("backbone.", "momentum_backbone."), "projector.0.weight", "classifier.weight"),
                    "said": {"hyper_parameters": {"method": "byol", "backbone": {"name": "resnet18"}, "data": {"dataset": "cifar10"}}}},
     (32, "bilinear", 0.4914, 0.247)),
    ("solo-learn", {**lightning(*under("backbone."), "projector.0.weight", "classifier.weight"),
                    "said": {"args.json": {"method": "simclr", "backbone": {"name": "resnet50"}, "data": {"dataset": "stl10"}}}},
     (96, "bilinear", 0.4914, 0.247)),
    ("solo-learn", {**lightning(*under("encoder."), "classifier.weight"),
                    "said": {"hyper_parameters": {"method": "simclr", "encoder": "resnet50", "dataset": "imagenet100"}}},
     (224, "bilinear", 0.485, 0.229)),
    ("solo-learn", lightning(*under("encoder.", "momentum_encoder."), "classifier.weight", "momentum_projector.0.weight"), None),
    ("stable-pretraining", lightning(*under("backbone.student.", "backbone.teacher."), "backbone.ema_coefficient"), None),
    ("mmselfsup or mmpretrain", {"held": {"state_dict": (*under("backbone.", "target_net.0."), "neck.fc.weight")},
                                 "top": ["meta", "state_dict", "message_hub", "optimizer"]}, (224, "bilinear", 0.485, 0.229)),
    ("Google SimCLR v2, converted", {"held": {"resnet": ("net.0.0.weight", "net.1.blocks.0.net.0.weight"), "head": ("layers.0.weight",)},
                                     "top": ["resnet", "head"]}, (224, "bicubic", 0.0, 1.0)),
    ("Google SimCLR, TensorFlow", {"held": {"": ("base_model/conv2d/kernel", "base_model/batch_normalization/gamma")}, "top": []},
     (224, "bicubic", 0.0, 1.0)),
    ("lightly-train", {"held": {"state_dict": under("student_embedding_model.", "teacher_embedding_model.")}, "top": ["state_dict", "lightly_train"]},
     None),
    ("ResNets for CIFAR-10 of akamaster", {"held": {"state_dict": SMALL_A}, "top": ["state_dict", "best_prec1"]}, (32, "bilinear", 0.485, 0.229)),
    ("ResNets for CIFAR of chenyaofo", {"held": {"": SMALL_B}, "top": []}, (32, "bilinear", 0.4914, 0.2023)),
    ("CIFAR-10 networks of kuangliu", {"held": {"net": KUANGLIU}, "top": ["net", "acc", "epoch"]}, (32, "bilinear", 0.4914, 0.2023)),
    ("CIFAR-100 networks of weiaicunzai", {"held": {"": ("conv1.0.weight", "conv2_x.0.residual_function.0.weight")}, "top": []},
     (32, "bilinear", 0.5071, 0.2673)),
    ("DINO", {"held": {"student": under("backbone.", names=VIT) + HEAD, "teacher": under("backbone.", names=VIT) + HEAD},
              "top": ["student", "teacher", "optimizer", "epoch", "args", "dino_loss"]}, (224, "bicubic", 0.485, 0.229)),
    ("iBOT", {"held": {"student": under("backbone.", names=VIT), "teacher": under("backbone.", names=VIT)},
              "top": ["student", "teacher", "optimizer", "epoch", "args", "ibot_loss"]}, (224, "bicubic", 0.485, 0.229)),
    ("iBOT", {"held": {"student": ("backbone.masked_embed",), "teacher": under("backbone.", names=VIT)}, "top": ["student", "teacher", "args"]},
     (224, "bicubic", 0.485, 0.229)),
    ("MAE, fine-tuned", {"held": {"model": (*VIT, "fc_norm.weight")}, "top": ["model", "args"]}, (224, "bicubic", 0.485, 0.229)),
    ("Hugging Face ViT", {"held": {"": ("embeddings.patch_embeddings.projection.weight",)}, "top": []}, (224, "bicubic", 0.485, 0.229)),
    ("Hugging Face ViT", {"held": {"": ("embeddings.cls_token", "embeddings.patch_embeddings.projection.weight", "decoder.decoder_embed.weight")},
                          "top": []}, (224, "bicubic", 0.485, 0.229)),
    ("Hugging Face ViT", {"held": {"": ("vit.embeddings.cls_token", "vit.embeddings.patch_embeddings.projection.weight")}, "top": [],
                          "said": {"config.json": {"model_type": "deit"}}}, (224, "bicubic", 0.485, 0.229)),
    ("DINOv2", {"held": {"": (*VIT, "mask_token", "blocks.0.ls1.gamma", "register_tokens")}, "top": []}, (518, "bicubic", 0.485, 0.229)),
    ("DINOv2", {"held": {"": ("cls_token", "mask_token", "blocks.0.3.ls1.gamma")}, "top": []}, (518, "bicubic", 0.485, 0.229)),
    ("DINOv2, training", {"held": {"teacher": (*under("backbone.", names=VIT), "dino_head.mlp.0.weight")}, "top": ["teacher"]},
     (518, "bicubic", 0.485, 0.229)),
    ("DINOv3", {"held": {"teacher": ("backbone.storage_tokens", "backbone.rope_embed.periods")}, "top": ["teacher"]}, (256, "bicubic", 0.485, 0.229)),
    ("MAE", {"held": {"model": (*VIT, "mask_token", "decoder_embed.weight", "decoder_blocks.0.attn.qkv.weight")},
             "top": ["model", "optimizer", "epoch", "scaler", "args"]}, (224, "bicubic", 0.485, 0.229)),
    ("MAE, fine-tuned", {"held": {"model": (*VIT, "fc_norm.weight")}, "top": ["model", "args"], "said": {"args": {"blr": 1e-3, "global_pool": True}}},
     (224, "bicubic", 0.485, 0.229)),
    ("I-JEPA", {"held": dict.fromkeys(("encoder", "target_encoder"), LARGE), "top": ["encoder", "predictor", "target_encoder", "opt", "scaler"]},
     (224, "bicubic", 0.485, 0.229)),
    ("Lightly's masked transformer", lightning(*under("teacher_backbone.vit.", names=VIT), "teacher_backbone.mask_token"),
     (224, "bicubic", 0.485, 0.229)),
    ("OpenCLIP", {"held": {"state_dict": ("visual.class_embedding", "visual.transformer.resblocks.0.ln_1.weight", "text_projection")},
                  "top": ["epoch", "name", "state_dict"], "said": {"name": "ViT-B-32-quickgelu"}}, (224, "bicubic", 0.48145466, 0.26862954)),
    ("OpenCLIP", {"held": {"": under("visual.trunk.", names=VIT)}, "top": []}, (224, "bicubic", 0.48145466, 0.26862954)),
    ("OpenCLIP", {"held": {"": ("visual.conv1.weight", "visual.attnpool.k_proj.weight")}, "top": []}, (224, "bicubic", 0.48145466, 0.26862954)),
    ("OpenAI CLIP", {"held": {"": ("visual.conv1.weight", "visual.class_embedding", "input_resolution", "context_length", "vocab_size")},
                     "top": []}, (224, "bicubic", 0.48145466, 0.26862954)),
    ("Hugging Face CLIP", {"held": {"": ("vision_model.embeddings.class_embedding", "vision_model.pre_layrnorm.weight")}, "top": []},
     (224, "bicubic", 0.48145466, 0.26862954)),
    ("Hugging Face ViT", {"held": {"": ("vit.embeddings.cls_token", "vit.embeddings.patch_embeddings.projection.weight")}, "top": []},
     (224, "bilinear", 0.5, 0.5)),
    ("Hugging Face DINOv2", {"held": {"": ("embeddings.patch_embeddings.projection.weight", "encoder.layer.0.layer_scale1.lambda1")}, "top": []},
     (224, "bicubic", 0.485, 0.229)),
    ("Hugging Face ResNet", {"held": {"": ("resnet.embedder.embedder.convolution.weight",)}, "top": []}, (224, "bicubic", 0.485, 0.229)),
    ("torchvision vision transformer", {"held": {"": ("conv_proj.weight", "encoder.layers.encoder_layer_0.ln_1.weight")}, "top": []},
     (224, "bilinear", 0.485, 0.229)),
    ("sentence-transformers", {"held": {"": ("x.weight",)}, "top": [], "said": {"modules.json": [{"idx": 0}]}}, None),
    ("reference scripts of torchvision", {"held": {"model": RESNET}, "top": ["model", "optimizer", "args"],
                                          "said": {"args": {"val_crop_size": 224, "val_resize_size": 232, "interpolation": "bicubic"}}},
     (224, "bicubic", 0.485, 0.229)),
    ("DeiT", {"held": {"model": VIT, "model_ema": VIT}, "top": ["model", "model_ema", "optimizer", "scaler", "args", "epoch"]},
     (224, "bicubic", 0.485, 0.229)),
    ("timm's train.py", {"held": {"state_dict": RESNET, "state_dict_ema": RESNET},
                         "top": ["epoch", "arch", "state_dict", "optimizer", "version", "args", "state_dict_ema"]}, None),
    ("ImageNet example of PyTorch", {"held": {"state_dict": (*RESNET, "fc.weight")}, "top": ["epoch", "arch", "state_dict", "best_acc1"]},
     (224, "bilinear", 0.485, 0.229)),
    ("Lightning with weight averaging", {"held": {"state_dict": under("net."), "current_model_state": under("net.")},
                                         "top": [*LIGHTNING, "current_model_state", "averaging_state"]}, None),
    ("averaged weights", {"held": {"": (*RESNET, "n_averaged")}, "top": []}, None),
    ("averaged weights", {"held": {"params": RESNET, "params_ema": RESNET}, "top": ["params", "params_ema"]}, None),
    ("DeepSpeed", {"held": {"module": RESNET}, "top": ["module", "ds_version", "ds_config"]}, None),
    ("Lightning", lightning(*under("net.")), None),
]  # fmt: skip


def found(file: dict[str, Any]) -> Any:
    return find_source(file["held"], file["top"], file.get("said", {}))


@pytest.mark.parametrize(("name", "file", "wanted"), FILES, ids=[f"{number} {name}" for number, (name, _, _) in enumerate(FILES)])
def test_every_program_is_told_and_its_images_are_known(name: str, file: dict[str, Any], wanted: tuple[int, str, float, float] | None) -> None:
    facts = found(file)
    assert facts.name == name
    assert facts.reason or name == "this package"
    if wanted is None:
        assert facts.input is None
        return
    seen = (facts.input.size[0], facts.input.interpolation, facts.input.mean[0], facts.input.std[0])
    assert seen == wanted
    assert set(facts.input.sources) == {"size", "mean", "std", "interpolation", "crop_pct"}
    assert all(name in source or "solo-learn" in source for source in facts.input.sources.values())


def test_every_row_of_the_table_is_tested() -> None:
    assert {name for name, _, _ in FILES} == {source.name for source in SOURCES}


@pytest.mark.parametrize("names", [RESNET, VIT, (), ("features.0.weight", "classifier.6.weight"), ("bert.encoder.layer.0.output.dense.weight",)])
def test_plain_weights_have_no_source(names: tuple[str, ...]) -> None:
    assert find_source({"": names}, list(names), {}) is None


def test_small_images_are_not_cropped() -> None:
    for name, file, wanted in FILES:
        spec = found(file).input
        if wanted is not None and wanted[0] < 128:
            assert spec.crop_pct == 1.0, name
    assert found(FILES[1][1]).input.crop_pct == 224 / 256


def test_a_large_spec_for_a_small_stem() -> None:
    large = found(FILES[1][1]).input
    made = for_small_images(large)
    assert made.size == (32, 32) and made.crop_pct == 1.0 and made.mean == IMAGENET[0] and "3 x 3 stem" in made.sources["size"]
    small = found(next(file for name, file, _ in FILES if name.endswith("sthalles"))).input
    assert for_small_images(small) is small


class TestClues:
    def of(self, name: str, **more: Any) -> dict[str, Any]:
        file = next(file for known, file, _ in FILES if known == name)
        return {key: clue.value for key, clue in found({**file, **more}).clues.items()}

    def test_solo_learn_pads_by_two_for_cifar_only(self) -> None:
        assert self.of("solo-learn") == {"stem": "solo"}
        words = {"method": "byol", "backbone": {"name": "resnet18"}, "data": {"dataset": "stl10"}}
        assert self.of("solo-learn", said={"hyper_parameters": words}) == {}
        assert self.of("solo-learn", said={}) == {}
        assert self.of("solo-learn", said={"hyper_parameters": {"cifar": True}}) == {"stem": "solo"}

    def test_moco_v3_has_its_own_number_of_heads(self) -> None:
        assert self.of("MoCo v3") == {}
        small = {"held": {"state_dict": under("base_encoder.", names=VIT)}, "top": ["state_dict"]}
        assert {name: clue.value for name, clue in found(small).clues.items()} == {"heads": 12}
        assert found(small).clues["heads"].source == "usual for MoCo v3"
        large = {"held": {"state_dict": under("base_encoder.", names=LARGE)}, "top": ["state_dict"]}
        assert found(large).clues["heads"].value == 16

    def test_patches_and_pooling(self) -> None:
        assert self.of("DINO", said={"args": {"arch": "vit_small", "patch_size": 8}}) == {"patch_size": 8}
        assert self.of("DINO", said={"args": {"patch_size": True}}) == {}
        assert self.of("MAE") == {"pool": "cls"}
        assert self.of("MAE, fine-tuned") == {"pool": "mean"}
        assert self.of("I-JEPA") == {"pool": "mean", "heads": 16}
        assert self.of("DINOv3") == {"eps": 1e-5}

    def test_activation_of_clip(self) -> None:
        assert self.of("OpenCLIP") == {"activation": "quick_gelu"}
        assert self.of("OpenCLIP", said={"name": "ViT-B-32"}) == {"activation": "gelu"}
        assert self.of("OpenCLIP", said={}) == {}
        assert self.of("OpenAI CLIP") == {"activation": "quick_gelu"}


class TestArguments:
    def supcon(self, **opt: Any) -> Any:
        file = next(file for name, file, _ in FILES if name == "SupContrast")
        return found({**file, "said": {"opt": opt}}).input

    def test_mean_and_std_written_as_text(self) -> None:
        spec = self.supcon(dataset="path", mean="(0.1, 0.2, 0.3)", std="(0.4, 0.5, 0.6)")
        assert spec.mean == (0.1, 0.2, 0.3) and spec.std == (0.4, 0.5, 0.6)

    @pytest.mark.parametrize("text", ["__import__('os').getpid()", "(1, 2)", "", "((((", None, "(1, 2, 'x')"])
    def test_text_is_never_run(self, text: Any) -> None:
        assert self.supcon(dataset="path", mean=text, std=text) is None

    def test_unknown_data_sets(self) -> None:
        assert self.supcon(dataset="flowers") is None and self.supcon() is None

    def test_sizes_of_reference_scripts(self) -> None:
        file = next(file for name, file, _ in FILES if name.startswith("reference"))
        assert found(file).input.crop_pct == 224 / 232
        for odd in ({"val_crop_size": "224", "val_resize_size": 232}, {"val_crop_size": 224}, {"val_crop_size": 300, "val_resize_size": 200}):
            assert found({**file, "said": {"args": odd}}).input.crop_pct == 224 / 256

    def test_words_are_found_at_any_place(self) -> None:
        said = {"a": 1, "args": {"lr": {"x": 2}}, "modules.json": [1], "none": None}
        assert [said_word(said, word) for word in ("a", "lr.x", "args.lr.x", "modules.json", "none", "a.b", "b")] == [1, 2, 2, [1], None, None, None]


# --- which encoder


def places(*paths: str) -> list[Place]:
    """"state_dict:backbone" -> Place("state_dict", "backbone.")"""
    split = [path.partition(":") for path in paths]
    return [Place(container, f"{prefix}." if prefix else "") for container, _, prefix in split]


# (taken, passed over, role of the one taken)
PAIRS = [
    ("state_dict:backbone", "state_dict:student_backbone", "ema"),
    ("state_dict:backbone", "state_dict:query_backbone", "ema"),
    ("state_dict:backbone", "state_dict:teacher_backbone", "online"),
    ("state_dict:backbone", "state_dict:key_backbone", "online"),
    ("state_dict:backbone", "state_dict:backbone_momentum", "online"),
    ("state_dict:backbone", "state_dict:momentum_backbone", "online"),
    ("state_dict:backbone", "state_dict:target_net.0", "online"),
    ("state_dict:backbone", "state_dict:encoder_k.0", "online"),
    ("state_dict:backbone", "state_dict:momentum_encoder.0", "online"),
    ("state_dict:teacher_backbone", "state_dict:student_backbone", "ema"),
    ("state_dict:teacher_backbone.vit", "state_dict:student_backbone.vit", "ema"),
    ("state_dict:momentum_encoder", "state_dict:encoder", "ema"),
    ("state_dict:encoder_q", "state_dict:encoder_k", "online"),
    ("state_dict:base_encoder", "state_dict:momentum_encoder", "online"),
    ("teacher:backbone", "student:backbone", "ema"),
    ("state_dict:backbone.teacher", "state_dict:backbone.student", "ema"),
    ("state_dict:backbone.teacher.backbone", "state_dict:backbone.student.backbone", "ema"),
    ("target_encoder:", "encoder:", "ema"),
    ("state_dict_ema:", "state_dict:", "ema"),
    ("model_ema:", "model:", "ema"),
    ("ema:model", "model:model", "ema"),
    ("params_ema:", "params:", "ema"),
    ("averaged:", "model:", "ema"),
    ("ema_state_dict:net", "model_state_dict:net", "ema"),
    ("state_dict:net", "current_model_state:net", "ema"),
    ("state_dict:teacher_embedding_model.wrapped_model", "state_dict:student_embedding_model.wrapped_model", "ema"),
    ("online_network_state_dict:encoder", "target_network_state_dict:encoder", "online"),
    ("model:teacher.backbone", "model:student.backbone", "ema"),
    ("model:model_ema.backbone", "model:student.backbone", "ema"),
]
OTHER = {"ema": "online", "online": "ema"}


@pytest.mark.parametrize(("taken", "passed", "role"), PAIRS)
def test_of_two_encoders(taken: str, passed: str, role: str) -> None:
    for order in ((taken, passed), (passed, taken)):
        both = places(*order)
        choice = prefer(both)
        assert choice is not None and choice.place == places(taken)[0] and choice.role == role
        assert choice.roles[places(passed)[0]] == OTHER[role]
        assert choice.reason and "rule" not in choice.reason
        flipped = prefer(both, role=OTHER[role])
        assert flipped is not None and flipped.place == places(passed)[0] and flipped.reason.startswith(f"--role {OTHER[role]}")
        same = prefer(both, role=role)
        assert same is not None and same.place == choice.place


@pytest.mark.parametrize("rule", ROLE_RULES, ids=lambda rule: f"{rule.kept}+{rule.dropped}")
def test_every_rule_of_the_table(rule: RoleRule) -> None:
    """Whatever stands around them; with the sign beside them that a rule asks for."""
    for before, after in itertools.product(("", "net."), ("", "vit.")):
        kept, dropped = (Place("", f"{before}{part}.{after}", rule.beside[:1]) for part in (rule.kept, rule.dropped))
        choice = prefer([dropped, kept])
        assert choice is not None and choice.place == kept and choice.role == rule.role


def test_mmengine_swaps_its_averages() -> None:
    average, raw = Place("state_dict", "backbone.", ("meta",)), Place("ema_state_dict", "backbone.", ("steps",))
    choice = prefer([raw, average])
    assert choice is not None and choice.place == average and choice.role == "ema" and choice.roles[raw] == "online"
    assert prefer(places("state_dict:backbone", "ema_state_dict:backbone")) is None, "without mmengine's signs the names decide nothing"
    source = find_source({"state_dict": under("backbone."), "ema_state_dict": (*under("backbone."), "steps")}, ["meta", "state_dict"], {})
    decided = prefer(places("state_dict:backbone", "ema_state_dict:backbone"), source=source)
    assert decided is not None and decided.place.container_path == "state_dict"


def test_solo_learn_keeps_what_resa_drops() -> None:
    both = places("state_dict:encoder", "state_dict:momentum_encoder")
    source = find_source({"state_dict": (*under("encoder.", "momentum_encoder."), "classifier.weight", "projector.0.weight")}, ["state_dict"], {})
    assert prefer(both).place.prefix == "momentum_encoder."  # type: ignore[union-attr]
    assert prefer(both, source=source).place.prefix == "encoder."  # type: ignore[union-attr]
    beside = [place._replace(siblings=("classifier", "projector")) for place in both]
    assert prefer(beside).place.prefix == "encoder."  # type: ignore[union-attr]


def test_wrappers_in_a_path_do_not_matter() -> None:
    choice = prefer([Place("student.module", "backbone."), Place("teacher", "module.backbone.")])
    assert choice is not None and choice.place.container_path == "teacher"


def test_averages_of_a_teacher_and_of_a_student() -> None:
    four = places("state_dict:backbone", "state_dict:momentum_backbone", "state_dict_ema:backbone", "state_dict_ema:momentum_backbone")
    choice = prefer(four)
    assert choice is not None and choice.place == four[2] and "; " in choice.reason
    online = prefer(four, role="online")
    assert online is not None and online.place == four[0]


@pytest.mark.parametrize(
    "paths",
    [
        ("state_dict:left", "state_dict:right"),
        ("state_dict:net_a.backbone", "state_dict:net_b.backbone"),
        ("state_dict:backbone", "state_dict:student_backbone", "state_dict:teacher_backbone"),
        ("teacher:backbone", "student:backbone", "other:backbone"),
        ("model:left.teacher", "model:right.student"),
        ("backbone:", "student_backbones:"),
        (":", "encoder:"),
    ],
)
def test_no_rule_no_choice(paths: tuple[str, ...]) -> None:
    assert prefer(places(*paths)) is None


def test_a_contradiction_is_settled_by_the_user() -> None:
    three = places("state_dict:backbone", "state_dict:student_backbone", "state_dict:teacher_backbone")
    choice = prefer(three, role="online")
    assert choice is not None and choice.place == three[1]


def test_the_only_encoder() -> None:
    choice = prefer(places("state_dict:backbone"))
    assert choice is not None and choice.reason == "the only encoder of the file" and choice.role == "unknown"
    assert prefer([Place("state_dict", "backbone.", ("teacher_backbone", "projection_head"))]).role == "online"  # type: ignore[union-attr]
    assert prefer(places("state_dict:momentum_net")).role == "ema"  # type: ignore[union-attr]


def test_roles_that_are_not_there() -> None:
    message = r"role must be one that the file holds; got ema, and its encoders are state_dict\.net: unknown"
    with pytest.raises(CheckpointError, match=message) as caught:
        prefer(places("state_dict:net"), role="ema")
    assert caught.value.code == "E_NO_ENCODER"
    with pytest.raises(UsageError, match="role must be ema or online; got 'best'"):
        prefer(places("state_dict:net"), role="best")


def test_names_of_a_hostile_file() -> None:
    facts = find_source({"\x1b[2J": ("encoder_q.\x1b[2J" + "x" * 100_000, "a\nb")}, ["\x1b"], {})
    assert facts is not None and facts.name == "MoCo" and "\x1b" not in facts.reason and len(facts.reason) < 300
