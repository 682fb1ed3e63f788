"""Residual networks as the repositories of the methods save them: SwAV, Barlow Twins, VICReg, MoCo, SimSiam, ReSA, VISSL, HyDeS and others."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from layouts.layout import Content, Layout, Tensors, sibling
from layouts.random_weights import batch_norm, linear, noise, projector, randomised
from layouts.resnets import ConvertedSimCLR, KuangliuResNet, TwoStepPaddingResNet, trunk
from layouts.saving import foreign_object, lightning, optimizer
from torch import nn

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SMALL: dict[str, Any] = {"architecture": "repr_probe:resnet"}
RESNET18: dict[str, Any] = {"architecture": "torchvision:resnet18"}
RESNET50: dict[str, Any] = {"architecture": "torchvision:resnet50"}


def under(prefix: str, net: nn.Module, state: Tensors, pack: Callable[[Tensors], Any]) -> Content:
    return Content({prefix + name: tensor for name, tensor in state.items()}, net, pack, prefix=prefix)


def resa_full(size: str) -> Content:
    """Online `encoder`, average `momentum_encoder`, both projectors; the padding of the stem in two steps."""
    if size == "small":
        net: nn.Module = randomised(TwoStepPaddingResNet(1))
        state = dict(net.state_dict())
    else:
        net, state = trunk(size)
    width = state["layer4.0.bn2.weight"].shape[0] * (4 if size == "resnet50" else 1)

    def pack(own: Tensors) -> dict[str, Any]:
        online = sibling(own, "module.momentum_encoder.", "module.encoder.")
        heads = projector("module.projector", width) | projector("module.momentum_projector", width)
        return {"epoch": 100, "state_dict": {**online, **own, **heads}, "optimizer": optimizer()}

    return under("module.momentum_encoder.", net, state, pack)


def bare(size: str, prefix: str = "", **options: Any) -> Content:
    return under(prefix, *trunk(size, **options), dict)


def swav_training() -> Content:
    net, state = trunk("small", bottleneck=True)
    heads = projector("module.projection_head", 2048) | {"module.prototypes.weight": noise(30, 16)}
    return under("module.", net, state, lambda own: {"epoch": 400, "state_dict": {**own, **heads}, "optimizer": optimizer(), "amp": {}})


def swav_wide() -> Content:
    """w2: a stem of 128 and everything twice as wide, not torchvision's wide_resnet."""
    net = randomised(TwoStepPaddingResNet(1, bottleneck=True, width=128))
    heads = {f"module.prototypes{index}.weight": noise(30, 16) for index in range(2)}
    return under("module.", net, dict(net.state_dict()), lambda own: {**own, **heads})


def joint_embedding(method: str) -> Content:
    """Barlow Twins and VICReg while training."""
    net, state = trunk("small", bottleneck=True)

    def pack(own: Tensors) -> dict[str, Any]:
        beside = projector("module.projector", 2048) | (batch_norm("module.bn", 16) if method == "barlow" else {})
        return {"epoch": 7, "model": {**own, **beside}, "optimizer": optimizer()}

    return under("module.backbone.", net, state, pack)


def moco(version: int) -> Content:
    net, state = trunk("resnet18")

    def pack(own: Tensors) -> dict[str, Any]:
        heads: Tensors = {}
        for side in ("q", "k"):
            fc = f"module.encoder_{side}.fc"
            heads |= linear(fc, 512, 16) if version == 1 else linear(f"{fc}.0", 512, 512) | linear(f"{fc}.2", 512, 16)
        keys = sibling(own, "module.encoder_q.", "module.encoder_k.")
        queue = {"module.queue": noise(16, 64), "module.queue_ptr": noise(1).long()}
        return {"epoch": 200, "arch": "resnet18", "state_dict": {**queue, **own, **keys, **heads}, "optimizer": optimizer()}

    return under("module.encoder_q.", net, state, pack)


def moco_v3() -> Content:
    net, state = trunk("resnet18")

    def pack(own: Tensors) -> dict[str, Any]:
        average = sibling(own, "module.base_encoder.", "module.momentum_encoder.")
        heads = projector("module.base_encoder.fc", 512) | projector("module.momentum_encoder.fc", 512) | projector("module.predictor", 16)
        state = {**own, **average, **heads}
        return {"epoch": 300, "arch": "resnet18", "state_dict": state, "optimizer": optimizer(), "scaler": {"scale": 65536.0}}

    return under("module.base_encoder.", net, state, pack)


def simsiam() -> Content:
    net, state = trunk("resnet18")
    heads = projector("module.encoder.fc", 512) | projector("module.predictor", 16)
    return under("module.encoder.", net, state,
                 lambda own: {"epoch": 100, "arch": "resnet18", "state_dict": {**own, **heads}, "optimizer": optimizer()})  # fmt: skip


def sthalles() -> Content:
    net, state = trunk("resnet18")
    heads = linear("backbone.fc.0", 512, 512) | linear("backbone.fc.2", 512, 128)
    return under("backbone.", net, state,
                 lambda own: {"epoch": 200, "arch": "resnet18", "state_dict": {**own, **heads}, "optimizer": optimizer()})  # fmt: skip


def sup_contrast() -> Content:
    """The wrapper stands in the middle of the names, and the options are a Namespace."""
    net = randomised(KuangliuResNet([1, 1, 1, 1], classes=0))
    options = Namespace(model="resnet10", dataset="cifar10", method="SupCon", temp=0.1, mean=None, learning_rate=0.5)
    heads = linear("head.0", 512, 512) | linear("head.2", 512, 128)
    return under("encoder.module.", net, dict(net.state_dict()),
                 lambda own: {"opt": options, "model": {**own, **heads}, "optimizer": optimizer(), "epoch": 1000})  # fmt: skip


def vissl(extractor: bool) -> Content:
    prefix = "base_model._feature_blocks." if extractor else "_feature_blocks."
    net, state = trunk("small", bottleneck=True)

    def pack(own: Tensors) -> dict[str, Any]:
        heads = linear("0.clf.0", 2048, 1000)
        model = {"model": {"trunk": own, "heads": heads}, "meters": {}, "optimizer": optimizer()}
        return {"phase_idx": 99, "iteration": 500000, "loss": {}, "type": "consolidated", "classy_state_dict": {"base_model": model}}

    return under(prefix, net, state, pack)


def stable_pretraining(evaluation: bool) -> Content:
    prefix = "backbone.teacher." + ("backbone." if evaluation else "")
    net, state = trunk("small")

    def pack(own: Tensors) -> dict[str, Any]:
        student = sibling(own, prefix, prefix.replace("teacher", "student"))
        return lightning({**student, **own, "backbone.ema_coefficient": noise(1)[0], **projector("projector", 512)})

    return under(prefix, net, state, pack)


def averaged_lightning() -> Content:
    """Lightning's WeightAveraging callback: `state_dict` is the average, the raw weights stand beside it."""
    net, state = trunk("small")
    return under("backbone.", net, state, lambda own: lightning(
        own, current_model_state=sibling(own, "", ""), averaging_state={"n_averaged": 500}))  # fmt: skip


def simclr_v1() -> Content:
    net, state = trunk("small", bottleneck=True)
    return under("", net, state, lambda own: {"state_dict": {**own, **linear("fc", 2048, 1000)}})


def simclr_v2(ratio: float) -> Content:
    net = randomised(ConvertedSimCLR(ratio=ratio))
    head = {f"layers.{index}.weight": noise(16, 16) for index in range(3)}
    fc = linear("fc", 2048, 1000)
    return under("", net, dict(net.state_dict()), lambda own: {"resnet": {**own, **fc}, "head": head})


def lightly_train(export: bool) -> Content:
    net, state = trunk("resnet18")
    if export:
        return under("", net, state, dict)

    def pack(own: Tensors) -> dict[str, Any]:
        empty: dict[str, Any] = {"training": True, "_parameters": {}, "_buffers": {}, "_modules": {}}
        model = foreign_object("lightly_train._models.torchvision.resnet", "ResNetModelWrapper", **empty)
        stated = {"models": model, "normalize_args": {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.25)}, "version": "0.13.0"}
        return lightning({**own, **linear("method.projection_head", 512, 16)}, lightly_train=stated)

    return under("_method.teacher_embedding_model.wrapped_model._model.", net, state, pack)


def hydes() -> Content:
    net, state = trunk("resnet18")
    stated = {
        "format": "repr-probe/1", "arch": "torchvision:resnet18", "prefix": "backbone.", "role": "online",
        "input": {"size": [224, 224], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": "bicubic", "crop_pct": 0.875},
    }  # fmt: skip
    return under("backbone.", net, state, lambda own: {"repr_probe": stated, "state_dict": {**own, **projector("projector", 512)}})


def layouts() -> list[Layout]:
    ema, online = {"role": "ema"}, {"role": "online"}
    wide = partial(bare, "small", bottleneck=True, width=128)
    return [
        Layout("hydes", "HyDeS", "1a HyDeS", hydes, expect={**RESNET18, **IMAGENET, "interpolation": "bicubic"}),
        Layout("resa-full", "winci-ai/resa", "1a ReSA", partial(resa_full, "small"), expect={**SMALL, **IMAGENET, **ema}),
        Layout("resa-full-resnet50", "winci-ai/resa", "1a ReSA", partial(resa_full, "resnet50"), expect={**RESNET50, **ema}, slow=True),
        Layout("resa-only", "winci-ai/resa", "1a ReSA (only)", partial(bare, "resnet18"), expect=RESNET18),
        Layout("swav-release", "facebookresearch/swav", "1a SwAV release", partial(bare, "small", "module.", bottleneck=True), expect=SMALL),
        Layout("swav-release-resnet50", "facebookresearch/swav", "1a SwAV release", partial(bare, "resnet50", "module."), expect=RESNET50, slow=True),
        Layout("swav-training", "facebookresearch/swav", "1a SwAV training", swav_training, expect={**SMALL, **IMAGENET}),
        Layout("swav-w2", "facebookresearch/swav", "1a SwAV w2", swav_wide, expect={"architecture": r"repr_probe:resnet.*width=128"}, slow=True),
        Layout("barlow-training", "facebookresearch/barlowtwins", "1a Barlow Twins", partial(joint_embedding, "barlow"),
               expect={**SMALL, "prefix": "backbone."}),
        Layout("barlow-release-resnet50", "facebookresearch/barlowtwins", "1a Barlow Twins release", partial(bare, "resnet50"),
               expect=RESNET50, slow=True),
        Layout("vicreg-training", "facebookresearch/vicreg", "1a VICReg", partial(joint_embedding, "vicreg"), expect=SMALL),
        Layout("vicreg-release-x2", "facebookresearch/vicreg", "1a VICReg x2", wide, expect={"architecture": r"repr_probe:resnet.*width=128"},
               slow=True),
        Layout("moco-v1", "facebookresearch/moco", "1a MoCo v1", partial(moco, 1), expect={**RESNET18, **IMAGENET}),
        Layout("moco-v2", "facebookresearch/moco", "1a MoCo v2", partial(moco, 2), expect={**RESNET18, **IMAGENET, "role": "online"}),
        Layout("moco-v3-resnet", "facebookresearch/moco-v3", "1a MoCo v3", moco_v3, expect={**RESNET18, "prefix": "base_encoder.", **online}),
        Layout("simsiam", "facebookresearch/simsiam", "1a SimSiam", simsiam, expect={**RESNET18, **IMAGENET}),
        Layout("sthalles", "sthalles/SimCLR", "1a sthalles/SimCLR", sthalles, expect=RESNET18),
        Layout("sup-contrast", "HobbitLong/SupContrast", "1a SupContrast", sup_contrast, image_size=32, expect=SMALL),
        Layout("vissl-trunk", "facebookresearch/vissl", "1a VISSL", partial(vissl, False), expect={**SMALL, **IMAGENET}),
        Layout("vissl-extractor", "facebookresearch/vissl", "1a VISSL (feature extractor)", partial(vissl, True), expect=SMALL),
        Layout("stable-pretraining", "stable-pretraining", "1a stable-pretraining", partial(stable_pretraining, False), expect={**SMALL, **ema}),
        Layout("stable-pretraining-eval", "stable-pretraining", "1a stable-pretraining (EvalOnly)", partial(stable_pretraining, True),
               expect={**SMALL, **ema}),
        Layout("lightning-averaging", "Lightning WeightAveraging", "1a Lightning WeightAveraging callback", averaged_lightning, expect=SMALL),
        Layout("simclr-v1", "tonylins/simclr-converter", "1a Google SimCLR v1", simclr_v1, expect=SMALL),
        Layout("simclr-v2", "Separius/SimCLRv2-Pytorch", "1a Google SimCLR v2", partial(simclr_v2, 0.0)),
        Layout("simclr-v2-sk", "Separius/SimCLRv2-Pytorch", "1a Google SimCLR v2 (SK)", partial(simclr_v2, 0.0625),
               refused="E_NO_ENCODER", slow=True),
        Layout("lightly-train", "lightly-train", "1a lightly-train", partial(lightly_train, False),
               expect={**RESNET18, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.25)}),
        Layout("lightly-train-export", "lightly-train", "1a lightly-train export", partial(lightly_train, True), expect=RESNET18),
    ]  # fmt: skip


