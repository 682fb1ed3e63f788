"""Mean and deviation of pixels scaled to [0, 1], a value for each channel, as the programs that write checkpoints have them."""

from __future__ import annotations

Numbers = tuple[tuple[float, ...], tuple[float, ...]]  # mean, deviation

UNSCALED: Numbers = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
HALVES: Numbers = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET: Numbers = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: Numbers = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
DIGITS: Numbers = ((0.3055,), (0.3760,))
# Small images: the same pictures, with as many deviations as there are programs.
CIFAR10: Numbers = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CIFAR10_SOLO: Numbers = ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))
STL10_SOLO: Numbers = ((0.4914, 0.4823, 0.4466), (0.247, 0.243, 0.261))
CIFAR100_SUPCON: Numbers = ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
CIFAR100_WEI: Numbers = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
