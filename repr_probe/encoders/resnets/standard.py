"""Parametric ResNets that torchvision or timm have a name for, and other networks whose tensors are the same."""

from __future__ import annotations

STANDARD: dict[str, str] = {
    "repr_probe:resnet": "torchvision:resnet18",
    "repr_probe:resnet(layers=3-4-6-3)": "torchvision:resnet34",
    "repr_probe:resnet(block=bottleneck, layers=3-4-6-3)": "torchvision:resnet50",
    "repr_probe:resnet(block=bottleneck, layers=3-4-23-3)": "torchvision:resnet101",
    "repr_probe:resnet(block=bottleneck, layers=3-8-36-3)": "torchvision:resnet152",
    "repr_probe:resnet(base_width=4, block=bottleneck, groups=32, layers=3-4-6-3)": "torchvision:resnext50_32x4d",
    "repr_probe:resnet(base_width=8, block=bottleneck, groups=32, layers=3-4-23-3)": "torchvision:resnext101_32x8d",
    "repr_probe:resnet(base_width=4, block=bottleneck, groups=64, layers=3-4-23-3)": "torchvision:resnext101_64x4d",
    "repr_probe:resnet(base_width=128, block=bottleneck, layers=3-4-6-3)": "torchvision:wide_resnet50_2",
    "repr_probe:resnet(base_width=128, block=bottleneck, layers=3-4-23-3)": "torchvision:wide_resnet101_2",
    "repr_probe:resnet(avg_down=True, layers=1-1-1-1, stem=deep, stem_widths=24-32-64)": "timm:resnet10t",
    "repr_probe:resnet(avg_down=True, block=bottleneck, layers=1-1-1-1, stem=deep, stem_widths=24-32-64)": "timm:resnet14t",
    "repr_probe:resnet(avg_down=True, stem=deep)": "timm:resnet18d",
    "repr_probe:resnet(block=bottleneck)": "timm:resnet26",
    "repr_probe:resnet(avg_down=True, block=bottleneck, stem=deep)": "timm:resnet26d",
    "repr_probe:resnet(avg_down=True, block=bottleneck, stem=deep, stem_widths=24-32-64)": "timm:resnet26t",
    "repr_probe:resnet(avg_down=True, layers=3-4-6-3, stem=deep)": "timm:resnet34d",
    "repr_probe:resnet(block=bottleneck, layers=3-4-6-3, stem=deep)": "timm:resnet50c",
    "repr_probe:resnet(avg_down=True, block=bottleneck, layers=3-4-6-3, stem=deep)": "timm:resnet50d",
    "repr_probe:resnet(block=bottleneck, layers=3-4-6-3, stem=deep, stem_widths=64-64-128)": "timm:resnet50s",
    "repr_probe:resnet(avg_down=True, block=bottleneck, layers=3-4-6-3, stem=deep, stem_widths=24-32-64)": "timm:resnet50t",
    "repr_probe:resnet(block=bottleneck, layers=3-4-23-3, stem=deep)": "timm:resnet101c",
    "repr_probe:resnet(avg_down=True, block=bottleneck, layers=3-4-23-3, stem=deep)": "timm:resnet101d",
    "repr_probe:resnet(block=bottleneck, layers=3-4-23-3, stem=deep, stem_widths=64-64-128)": "timm:resnet101s",
    "repr_probe:resnet(block=bottleneck, layers=3-8-36-3, stem=deep)": "timm:resnet152c",
    "repr_probe:resnet(avg_down=True, block=bottleneck, layers=3-8-36-3, stem=deep)": "timm:resnet152d",
    "repr_probe:resnet(block=bottleneck, layers=3-8-36-3, stem=deep, stem_widths=64-64-128)": "timm:resnet152s",
    "repr_probe:resnet(block=bottleneck, layers=3-24-36-3)": "timm:resnet200",
    "repr_probe:resnet(avg_down=True, block=bottleneck, layers=3-24-36-3, stem=deep)": "timm:resnet200d",
    "repr_probe:resnet(avg_down=True, base_width=4, block=bottleneck, groups=32, layers=3-4-6-3, stem=deep)": "timm:resnext50d_32x4d",
    "repr_probe:resnet(base_width=4, block=bottleneck, groups=32, layers=3-4-23-3)": "timm:resnext101_32x4d",
    "repr_probe:resnet(base_width=16, block=bottleneck, groups=32, layers=3-4-23-3)": "timm:resnext101_32x16d",
    "repr_probe:resnet(base_width=32, block=bottleneck, groups=32, layers=3-4-23-3)": "timm:resnext101_32x32d",
}
# Anti-aliased networks: their averages and blurs have no weights, so that files fit both.
SAME_TENSORS: dict[str, tuple[str, ...]] = {
    "timm:resnet34d": ("timm:resnetaa34d",),
    "torchvision:resnet50": ("timm:resnetaa50", "timm:resnetblur50"),
    "timm:resnet50d": ("timm:resnetaa50d", "timm:resnetblur50d"),
    "timm:resnet101d": ("timm:resnetaa101d", "timm:resnetblur101d"),
    "torchvision:resnet18": ("timm:resnetblur18",),
}
