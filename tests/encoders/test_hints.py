"""What files, and the JSON beside them, say about their network and their images: each read from the place that programs write it to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from repr_probe.encoders.checkpoint_file import CheckpointFile, read_checkpoint
from repr_probe.encoders.hints import Hint, find_hint
from repr_probe.encoders.hints_in_arguments import mmengine_facts, said_in
from repr_probe.encoders.hints_in_config import hugging_face_clues, open_clip_clues, open_clip_input, processor_input
from repr_probe.encoders.hints_in_modules import module_clues
from repr_probe.encoders.input_spec import stated_input
from repr_probe.errors import CheckpointError
from repr_probe.files.dead import Dead
from repr_probe.preprocessing import InputSpec

Save = Callable[[Any], Path]
WEIGHTS = {"conv1.weight": torch.ones(2, 3, 3, 3), "bn1.weight": torch.ones(2)}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SPEC = InputSpec((224, 224), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def hint_of(save: Save, **beside: Any) -> Hint:
    return find_hint(read_checkpoint(save({"state_dict": WEIGHTS, **beside})))


def with_config(**config: Any) -> Hint:
    return find_hint(CheckpointFile(Path("x"), "safetensors", WEIGHTS, False, config=config))


def values(clues: Any) -> dict[str, Any]:
    return {name: clue.value for name, clue in clues.items()}


class TestWords:
    @pytest.mark.parametrize(
        ("beside", "source"),
        [
            ({"arch": "resnet18"}, "arch in the file"),
            ({"args": {"arch": "resnet18"}}, "args.arch in the file"),
            ({"args": argparse.Namespace(model="resnet18")}, "args.model in the file"),
            ({"args": SimpleNamespace(model="resnet18")}, "args.model in the file"),
            ({"hyper_parameters": {"model": "resnet18"}}, "hyper_parameters.model in the file"),
            ({"arch": "resnet18", "args": {"arch": "resnet50"}}, "arch in the file"),
        ],
    )
    def test_places_of_a_network(self, save: Save, beside: dict[str, Any], source: str) -> None:
        hint = hint_of(save, **beside)
        assert str(hint.architecture) == "torchvision:resnet18" and hint.source == source and not hint.certain

    def test_the_script_of_timm_means_its_own_networks(self, save: Save) -> None:
        assert str(hint_of(save, arch="resnet50", args={"crop_pct": None, "model": "resnet50"}).architecture) == "timm:resnet50"
        assert str(hint_of(save, arch="resnet50", args={"model": "resnet50"}).architecture) == "torchvision:resnet50"

    def test_words_that_name_nothing(self, save: Save) -> None:
        hint = hint_of(save, arch="my_net\x1b[2J", args={"model": 3, "arch": "other"})
        assert hint.architecture is None and hint.unknown == ("arch 'my_net\\x1b[2J'", "args.arch 'other'")

    @pytest.mark.parametrize(
        ("args", "clues"),
        [
            ({"arch": "vit_small", "patch_size": 8}, {"patch_size": 8, "heads": 6}),
            ({"arch": "vit_tiny", "patch_size": 16}, {"patch_size": 16, "heads": 3}),
            ({"arch": "vit_giant2", "patch_size": 14}, {"patch_size": 14, "heads": 24}),
            ({"model": "mae_vit_large_patch16"}, {"heads": 16}),
            ({"model": "mae_vit_base_patch16_dec512d8b"}, {"heads": 12}),
            ({"model": "vit_huge_patch14"}, {"heads": 16}),
            ({"arch": "vit_small"}, {}),  # MoCo v3 says it, too, and means 12 heads
            ({"patch_size": True, "arch": "vit_base"}, {}),
            ({"patch_size": "16"}, {}),
        ],
    )
    def test_words_of_transformers(self, save: Save, args: dict[str, Any], clues: dict[str, Any]) -> None:
        hint = hint_of(save, args=argparse.Namespace(**args))
        assert hint.architecture is None and hint.unknown == () and {k: v for k, v in values(hint.clues).items() if k != "width"} == clues
        assert all("in the file" in clue.source for clue in hint.clues.values())

    def test_metadata_is_certain(self, tmp_path: Path) -> None:
        save_file(WEIGHTS, tmp_path / "x", metadata={"architecture": "resnet18", "arch": "nothing"})
        hint = find_hint(read_checkpoint(tmp_path / "x"))
        assert str(hint.architecture) == "torchvision:resnet18" and hint.certain and hint.unknown == ("metadata 'nothing'",)

    def test_own_block(self, tmp_path: Path) -> None:
        size = {"size": [8, 8], "mean": [0.3], "std": [0.4], "interpolation": "nearest", "crop_pct": 1.0}
        block = {"format": "repr-probe/1", "arch": "repr_probe:digits_net", "input": size}
        save_file(WEIGHTS, tmp_path / "mine", metadata={"repr_probe": json.dumps(block)})
        hint = find_hint(read_checkpoint(tmp_path / "mine"))
        assert hint.certain and hint.input is not None and hint.input.mean == (0.3,) and hint.source == "metadata of mine"


    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("size", "abc"), ("size", None), ("size", [5000, 5000]), ("mean", None), ("mean", "x"), ("mean", [10**400]), ("std", [0]), ("std", [-1.0]),
            ("std", [1, 1, 1]), ("interpolation", "evil"), ("interpolation", [1]), ("crop_pct", "x"), ("crop_pct", 0), ("crop_pct", 1e-9),
        ],
    )  # fmt: skip
    def test_own_block_of_impossible_input(self, name: str, value: Any) -> None:
        block = {"size": [8, 8], "mean": [0.3], "std": [0.4], "interpolation": "nearest", "crop_pct": 1.0, name: value}
        with pytest.raises(CheckpointError, match=rf"^metadata of mine must .*{name} .*; got .*; correct it there$"):
            stated_input(block, "metadata of mine")

    def test_own_block_of_blue_first(self) -> None:
        block = {"size": [8, 8], "mean": [0.3] * 3, "std": [0.4] * 3, "interpolation": "nearest", "crop_pct": 1, "order": "bgr"}
        assert stated_input(block, "mine").order == "bgr" and stated_input(block, "mine").sources["order"] == "mine"


class TestSaid:
    def test_everything_in_words(self, save: Save) -> None:
        content = {
            "epoch": 3, "name": "ViT-B-32", "args": argparse.Namespace(lr=0.1, inner=argparse.Namespace(a=1)), "meta": {"cfg": "x = 1"},
            "optimizer": {"state": {}}, "lightly_train": {"normalize_args": {"mean": [0.1]}},
        }  # fmt: skip
        said = said_in(read_checkpoint(save({"state_dict": WEIGHTS, **content})))
        assert said["epoch"] == 3 and said["name"] == "ViT-B-32" and said["args"]["inner"]["a"] == 1 and said["meta"]["cfg"] == "x = 1"
        assert said["lightly_train"]["normalize_args"]["mean"] == [0.1] and "optimizer" not in said and "state_dict" not in said

    def test_files_that_say_nothing(self) -> None:
        for content in ([WEIGHTS], WEIGHTS["bn1.weight"], {1: 2}, None):
            file = CheckpointFile(Path("x"), "torch-zip", content, True)
            assert said_in(file) == {} and find_hint(file) == Hint(None)


class TestSingleValues:
    def test_arguments_of_timm(self, save: Save) -> None:
        args = {"crop_pct": 0.9, "interpolation": "bicubic", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "img_size": 192, "input_size": None}
        spec = hint_of(save, args=argparse.Namespace(**args)).adjusted(SPEC)
        assert spec.to_dict() == {"size": [192, 192], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bicubic", "crop_pct": 0.9}
        assert spec.sources["mean"] == "args.mean in the file" and spec.sources["size"] == "args.img_size in the file"

    def test_input_size_of_mae_and_deit(self, save: Save) -> None:
        assert hint_of(save, args={"input_size": 384}).adjusted(SPEC).size == (384, 384)
        assert hint_of(save, args={"input_size": [3, 96, 128], "crop_pct": None}).adjusted(SPEC).size == (96, 128)

    @pytest.mark.parametrize(
        "args",
        [
            {"input_size": True}, {"input_size": 5}, {"input_size": "224"}, {"img_size": [1, 2, 3, 4]}, {"img_size": 10**9}, {"mean": [1, 2, 3]},
            {"mean": [1, 2], "std": [1, 2]}, {"mean": [0, 0, 0], "std": [0, 0, 0]}, {"mean": "(1,1,1)", "std": "(1,1,1)"},
            {"interpolation": "bicubic"}, {"crop_pct": 7, "interpolation": "random"}, {"mean": [0.5], "std": [0.5]},
        ],
    )  # fmt: skip
    def test_values_that_are_not_used(self, save: Save, args: dict[str, Any]) -> None:
        assert hint_of(save, args=args).adjusted(SPEC) == SPEC

    def test_values_of_lightly_train(self, save: Save) -> None:
        stated = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
        hint = hint_of(save, lightly_train={"normalize_args": stated, "version": "1"})
        assert hint.adjusted(SPEC).mean == (0.1, 0.2, 0.3)
        assert hint.adjusted(SPEC).sources["std"] == "lightly_train.normalize_args.std in the file"


class TestMmengine:
    text = """model = dict(backbone=dict(type='ResNet', depth=50, style='caffe'),
data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))"""

    def test_numbers_over_255(self, save: Save) -> None:
        hint = hint_of(save, meta={"cfg": self.text})
        spec = hint.adjusted(SPEC)
        assert spec.mean == pytest.approx((0.485, 0.456, 0.406)) and spec.std == pytest.approx((0.229, 0.224, 0.225)) and spec.order == "rgb"
        assert "meta.cfg" in spec.sources["mean"] and values(hint.clues) == {"stride_place": "1x1"}

    def test_blue_first(self) -> None:
        clues, stated, _ = mmengine_facts(self.text.replace("True", "False").replace("caffe", "pytorch"))
        assert stated["order"][0] == "bgr" and clues["stride_place"].value == "3x3"

    @pytest.mark.parametrize(
        "text",
        [
            "", "x" * 2000, text + "\nmean=[0.0, 0.0, 0.0]", "mean=[1.0, 2.0], std=[1, 2]", "mean=[__import__('os'), 1, 2], std=[1, 2, 3]",
            "mean=[1..2, 3, 4], std=[1, 2, 3]",
        ],
    )  # fmt: skip
    def test_texts_without_one_answer(self, text: str) -> None:
        _, stated, notes = mmengine_facts(text)
        assert stated == {} and "states no single mean and SD" in notes[0]

    def test_other_things_in_its_place(self, save: Save) -> None:
        assert mmengine_facts(None) == mmengine_facts("y" * 2_000_000) == ({}, {}, ())
        assert hint_of(save, meta={"cfg": 7}).notes == ()


class TestHuggingFace:
    def test_vision_transformer(self) -> None:
        config = {"model_type": "vit", "num_attention_heads": 3, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "patch_size": 16, "image_size": 224}
        clues = hugging_face_clues(config, "config.json")
        assert values(clues) == {"model_type": "vit", "heads": 3, "eps": 1e-12, "activation": "gelu", "patch_size": 16, "image_size": (224, 224)}
        assert {clue.source for clue in clues.values()} == {"config.json"}

    def test_the_vision_half_of_clip(self) -> None:
        config = {"model_type": "clip", "num_attention_heads": 99, "vision_config": {"num_attention_heads": 12, "hidden_act": "quick_gelu"}}
        assert values(hugging_face_clues(config, "config.json")) == {"model_type": "clip", "heads": 12, "activation": "quick_gelu"}

    def test_where_a_resnet_strides(self) -> None:
        for word, place in ((True, "1x1"), (False, "3x3")):
            config = {"model_type": "resnet", "downsample_in_bottleneck": word, "hidden_act": "relu"}
            assert values(hugging_face_clues(config, "c"))["stride_place"] == place

    @pytest.mark.parametrize("config", [None, [], {}, {"num_attention_heads": 3}, {"model_type": "vit", "num_attention_heads": True}])
    def test_other_configurations(self, config: Any) -> None:
        assert "heads" not in hugging_face_clues(config, "config.json")

    def test_through_the_file(self) -> None:
        processor = {"size": {"height": 224, "width": 224}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3}
        hint = with_config(**{"config.json": {"model_type": "vit", "num_attention_heads": 3}, "preprocessor_config.json": processor})
        assert values(hint.clues) == {"model_type": "vit", "heads": 3} and hint.input is not None and hint.input.interpolation == "bicubic"
        assert hint.architecture is None and "stretches images" in hint.notes[0]

    def test_configuration_before_arguments(self) -> None:
        content = {"args": {"arch": "vit_base", "patch_size": 16}, **WEIGHTS}
        file = CheckpointFile(Path("x"), "torch-zip", content, True, config={"config.json": {"model_type": "vit", "num_attention_heads": 3}})
        assert find_hint(file).clues["heads"].value == 3


class TestProcessors:
    def spec(self, **config: Any) -> InputSpec:
        found = processor_input({**IMAGENET, **config}, "preprocessor_config.json")
        assert found is not None
        return found[0]

    def test_resize_and_crop(self) -> None:
        config = {"do_center_crop": True, "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "resample": 3}
        spec = self.spec(**config)
        assert (spec.size, spec.crop_pct, spec.interpolation) == ((224, 224), 0.875, "bicubic")
        assert spec.mean == (0.485, 0.456, 0.406) and spec.sources["crop_pct"] == "preprocessor_config.json"

    def test_convnext(self) -> None:
        assert self.spec(size={"shortest_edge": 224}, crop_pct=0.875).crop_pct == 0.875
        assert self.spec(size={"shortest_edge": 384}, crop_pct=0.875).crop_pct == 1.0

    def test_old_forms_of_size(self) -> None:
        assert self.spec(size=224).size == (224, 224)
        assert self.spec(size=256, do_center_crop=True, crop_size=224).crop_pct == 0.875
        assert self.spec(size={"shortest_edge": 518}).size == (518, 518)
        assert self.spec().size == (224, 224)

    def test_other_ranges_of_pixels(self) -> None:
        plain = self.spec(do_normalize=False)
        assert plain.mean == (0, 0, 0) and plain.std == (1, 1, 1)
        halves = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3, "rescale_factor": 1 / 127.5}
        assert self.spec(**halves).std == pytest.approx((0.5, 0.5, 0.5))
        raw = {"image_mean": [123.675, 116.28, 103.53], "image_std": [58.395, 57.12, 57.375], "do_rescale": False}
        assert self.spec(**raw).mean == pytest.approx((0.485, 0.456, 0.406)) and self.spec(**raw).std == pytest.approx((0.229, 0.224, 0.225))

    def test_inside_a_processor_of_two(self) -> None:
        found = processor_input({"image_processor": {**IMAGENET, "size": 96}, "tokenizer": {}}, "processor_config.json")
        assert found is not None and found[0].size == (96, 96)

    def test_filters_that_are_not_here(self) -> None:
        with pytest.raises(CheckpointError, match=r"preprocessor_config\.json must name a filter of nearest, .*; got resample 5; give --interp"):
            self.spec(resample=5)

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"rescale_factor": 0}, "rescale_factor as a number above 0; got 0"),
            ({"rescale_factor": "x"}, "rescale_factor as a number above 0; got x"),
            ({"rescale_factor": None}, "rescale_factor as a number above 0; got None"),
            ({"resample": [1]}, r"must name a filter of .*; got resample \[1\]"),
            ({"size": {"shortest_edge": 0}}, "shortest_edge as whole numbers of pixels up to 4096; got 0"),
            ({"size": 10**30}, "size as whole numbers of pixels up to 4096"),
            ({"do_center_crop": True, "crop_size": 0}, "crop_size as whole numbers of pixels up to 4096; got 0"),
            ({"size": {"shortest_edge": 224}, "crop_pct": 0}, "crop_pct must be between 0.01 and 2; got 0"),
            ({"image_mean": ["a"]}, r"image_mean and image_std as one or three numbers; got image_mean \['a'\]"),
        ],
    )
    def test_values_no_image_can_have(self, config: dict[str, Any], message: str) -> None:
        with pytest.raises(CheckpointError, match=message):
            self.spec(**config)

    @pytest.mark.parametrize(
        ("config", "mean", "source"),
        [
            ({}, 0.5, "without image_mean: 0.5, as transformers has it for ViTImageProcessor"),
            ({"image_processor_type": "CLIPImageProcessor"}, 0.48145466, "without image_mean: OpenAI's, as transformers has it for CLIPImageProcessor"),
            ({"image_processor_type": "MobileViTImageProcessor"}, 0.0, "without normalisation"),
            ({"do_normalize": False}, 0.0, "preprocessor_config.json"),
        ],
    )
    def test_without_mean(self, config: dict[str, Any], mean: float, source: str) -> None:
        found = processor_input({"size": 224, **config}, "preprocessor_config.json")
        assert found is not None and found[0].mean[0] == mean and found[0].sources["mean"].endswith(source)

    def test_blue_first(self) -> None:
        assert self.spec(do_flip_channel_order=True).order == "bgr" and self.spec(do_flip_channel_order=False).order == "rgb"

    @pytest.mark.parametrize("config", [None, [], {}, {"feature_size": 80}])
    def test_processors_of_other_things(self, config: Any) -> None:
        assert processor_input(config, "x") is None

    def test_as_transformers_writes_it(self, tmp_path: Path) -> None:
        transformers = pytest.importorskip("transformers")
        for kind in ("ViTImageProcessor", "BitImageProcessor", "ConvNextImageProcessor", "CLIPImageProcessor"):
            if not hasattr(transformers, kind):
                continue
            getattr(transformers, kind)().save_pretrained(tmp_path)
            found = processor_input(json.loads((tmp_path / "preprocessor_config.json").read_text()), "preprocessor_config.json")
            assert found is not None and min(found[0].size) >= 224 and 0.8 < found[0].crop_pct <= 1


class TestOpenClip:
    config = {  # noqa: RUF012
        "model_cfg": {"quick_gelu": True, "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32}},
        "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
    }

    def test_transformers(self) -> None:
        assert values(open_clip_clues(self.config, "c")) == {"activation": "quick_gelu", "heads": 12, "patch_size": 32, "image_size": (224, 224)}
        vision = {"width": 1280, "head_width": 80, "layers": 32}
        assert values(open_clip_clues({"model_cfg": {"vision_cfg": vision}}, "c")) == {"activation": "gelu", "heads": 16}

    def test_resnets(self) -> None:
        vision = {"width": 64, "layers": [3, 4, 6, 3], "image_size": 224}
        assert values(open_clip_clues({"model_cfg": {"vision_cfg": vision}}, "c")) == {"heads": 32, "image_size": (224, 224)}

    def test_images(self) -> None:
        spec = open_clip_input(self.config, "open_clip_config.json")
        assert spec is not None and (spec.size, spec.mean, spec.interpolation, spec.crop_pct) == ((224, 224), (0.1, 0.2, 0.3), "bicubic", 1.0)
        hint = with_config(**{"open_clip_config.json": self.config})
        assert hint.input == spec and hint.clues["heads"].source == "open_clip_config.json"

    @pytest.mark.parametrize("config", [None, {}, {"model_cfg": 1}, {"model_cfg": {}}, {"preprocess_cfg": {"mean": [1]}}])
    def test_other_configurations(self, config: Any) -> None:
        assert open_clip_clues(config, "c") == {} and open_clip_input(config, "c") is None


class TestTimm:
    def test_configuration(self) -> None:
        stated = {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "input_size": [3, 96, 96]}
        hint = with_config(**{"config.json": {"architecture": "test_resnet", "pretrained_cfg": stated}})
        assert str(hint.architecture) == "timm:test_resnet" and hint.certain and hint.input is not None and hint.input.size == (96, 96)

    @pytest.mark.parametrize(
        ("name", "args"),
        [("test_resnet", {"depth": 3}), ("test_vit", {"depth": 3, "act_layer": "relu"}), ("test_vit", {"global_pool": "max"}), ("test_vit", [1])],
    )
    def test_changes_that_tensors_do_not_show_are_refused(self, name: str, args: Any) -> None:
        with pytest.raises(CheckpointError, match=r"must be a plain timm network; config\.json changes it by model_args"):
            with_config(**{"config.json": {"architecture": name, "model_args": args}})

    def test_changes_that_tensors_and_clues_show(self) -> None:
        args = {"depth": 3, "reg_tokens": 2, "num_heads": 8, "global_pool": "avg", "img_size": 64}
        config = {"architecture": "vit_tiny_patch16_224", "model_args": args, "pretrained_cfg": {"input_size": [3, 224, 224]}}
        hint = with_config(**{"config.json": config})
        assert hint.architecture is None and not hint.certain and hint.source == ""
        assert values(hint.clues) == {"heads": 8, "pool": "mean", "image_size": (64, 64)} and hint.clues["heads"].source == "model_args in config.json"
        assert hint.input is not None and hint.input.size == (64, 64) and hint.input.sources["mean"] == "pretrained_cfg in config.json"

    def test_changes_without_effect(self) -> None:
        hint = with_config(**{"config.json": {"architecture": "test_resnet", "model_args": {"num_classes": 5, "drop_rate": 0.1}}})
        assert str(hint.architecture) == "timm:test_resnet" and hint.certain

    def test_older_files_have_it_flat(self) -> None:
        flat = {"architecture": "test_resnet", "input_size": [3, 96, 96], "mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "crop_pct": 0.9}
        hint = with_config(**{"config.json": flat})
        assert hint.input is not None and (hint.input.size, hint.input.mean, hint.input.crop_pct) == ((96, 96), (0.1, 0.2, 0.3), 0.9)
        assert hint.input.sources["mean"] == "config.json"

    @pytest.mark.parametrize(
        ("stated", "message"),
        [
            ({"input_size": "abc"}, "pretrained_cfg in config.json must have input_size as channels, height and width; got abc"),
            ({"input_size": [3, 10**9, 4]}, "must have size as whole numbers of pixels up to 4096"),
            ({"mean": ["a"]}, r"must state what images can have; mean must be finite numbers, one for each channel; got \('a',\)"),
            ({"std": [0, 0, 0]}, "std must be positive"),
            ({"crop_pct": 0}, "crop_pct must be between 0.01 and 2; got 0"),
        ],
    )
    def test_values_no_image_can_have(self, stated: dict[str, Any], message: str) -> None:
        with pytest.raises(CheckpointError, match=message):
            with_config(**{"config.json": {"architecture": "test_resnet", "pretrained_cfg": stated}})

    @pytest.mark.parametrize("args", [{"global_pool": [1]}, {"num_heads": "x"}, {"num_heads": 10**9}])
    def test_arguments_no_network_has(self, args: dict[str, Any]) -> None:
        with pytest.raises(CheckpointError, match="must be a plain timm network"):
            with_config(**{"config.json": {"architecture": "test_vit", "model_args": args}})


class TestModules:
    def module(self, *, attention: bool) -> Dead:
        made = {"norm": torch.nn.LayerNorm(4, eps=1e-3), "bn": torch.nn.BatchNorm2d(4), "attn" if attention else "fc": torch.nn.Linear(4, 4)}
        dead = {name: self.dead(type(module).__name__, vars(module)) for name, module in made.items()}
        return self.dead("Sequential", {"_parameters": {}, "_buffers": {}, "_modules": dead})

    def dead(self, name: str, state: Any) -> Dead:
        dead = Dead(f"torch.nn.modules.x.{name}")
        dead.state = dict(state)
        return dead

    def test_eps_of_layer_norm_is_for_transformers(self) -> None:
        assert values(module_clues(self.module(attention=True)))["eps"] == 1e-3
        assert "eps" not in module_clues(self.module(attention=False))
