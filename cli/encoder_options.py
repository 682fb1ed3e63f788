"""The options of every command that opens a checkpoint, added to it by a decorator and handed to it parsed, as `encoder`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from .options import ENCODER, option
from .values import parse_channels, parse_image_size

_THEIRS = "the architecture's"
_WEIGHTS, _INPUT = "Weights", "Input"


class Role(StrEnum):
    """Which of two encoders of a file."""

    ema = "ema"
    online = "online"


class Stem(StrEnum):
    """First layers of a ResNet with a 3 x 3 convolution at its start."""

    imagenet = "imagenet"
    cifar = "cifar"
    solo = "solo"


class Order(StrEnum):
    """Order of the colours."""

    rgb = "rgb"
    bgr = "bgr"


NO_OPTIONS: dict[str, Any] = {}  # default of `encoder` in a command's own signature; never reaches it

ENCODER_OPTIONS: dict[str, Any] = {
    "arch": Annotated[
        str | None,
        option("timm:NAME, torchvision:NAME, repr_probe:resnet(...); module:callable.", ENCODER, show_default="told from the weights"),
    ],
    "pool": Annotated[str | None, option("How a map or tokens become one vector: avg, cls, max.", ENCODER, show_default=_THEIRS)],
    "pretrained": Annotated[bool, option("Allow timm: and torchvision: names to download published weights.", ENCODER, "--pretrained")],
    "allow_code": Annotated[
        bool,
        option("Run code that the checkpoint names (module:callable, TorchScript). Only what you trust.", ENCODER, "--allow-code"),
    ],
    "output": Annotated[str | None, option("Which output of an ONNX model.", ENCODER, show_default="the only matrix")],
    "key": Annotated[str | None, option("Path of the weights inside the file (state_dict).", _WEIGHTS, show_default="found")],
    "prefix": Annotated[
        str | None,
        option("What stands before the encoder's names (backbone); . for nothing.", _WEIGHTS, show_default="found"),
    ],
    "role": Annotated[
        Role | None,
        option("ema (teacher) or online (student), where a file holds both.", _WEIGHTS, show_default="what its authors evaluate"),
    ],
    "heads": Annotated[int | None, option("Attention heads of a transformer.", _WEIGHTS, min=1, show_default="by its width")],
    "stem": Annotated[
        Stem | None,
        option("Start of a ResNet with a 3 x 3 stem: cifar (padding 1), solo (padding 2).", _WEIGHTS, show_default="cifar"),
    ],
    "map": Annotated[
        list[str] | None,
        option("Rename tensors, REGEX=>NEW; an empty NEW drops one; repeatable.", _WEIGHTS, metavar="RENAME", show_default="none"),
    ],
    "allow_missing": Annotated[
        list[str] | None,
        option("Pattern of tensors that may be missing and stay random; repeatable.", _WEIGHTS, metavar="GLOB", show_default="none"),
    ],
    "image_size": Annotated[
        str | None,
        option("Pixels fed to the network: 224, or 224x192 (height x width).", _INPUT, metavar="SIZE", show_default=_THEIRS),
    ],
    "mean": Annotated[
        str | None,
        option(
            "Mean per channel, pixels in 0..1: one number or three (0.485,0.456,0.406).",
            _INPUT, metavar="NUMBERS", show_default=_THEIRS
        ),
    ],
    "std": Annotated[str | None, option("SD per channel, as --mean.", _INPUT, metavar="NUMBERS", show_default=_THEIRS)],
    "interp": Annotated[str | None, option("Resizing: nearest, bilinear, bicubic, lanczos, box.", _INPUT, show_default=_THEIRS)],
    "crop_pct": Annotated[
        float | None,
        option("Share of the resized image that the centre crop keeps (0.875).", _INPUT, show_default=_THEIRS),
    ],
    "channels": Annotated[Order | None, option("rgb, or bgr where the network wants blue first.", _INPUT, show_default="rgb")],
}  # fmt: skip


def takes_encoder_options(command: Callable[..., None]) -> Callable[..., None]:
    """`command(..., encoder)` becomes a command with all of ENCODER_OPTIONS in the place of `encoder`."""
    own = inspect.signature(command, eval_str=True)
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_default(hint), annotation=hint) for name, hint in ENCODER_OPTIONS.items()]
    before: list[inspect.Parameter] = []
    after: list[inspect.Parameter] = []
    for name, parameter in own.parameters.items():
        (after if name == "encoder" or after else before).append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    parameters = [*before, *added, *after[1:]]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        options = {name: given.pop(name) for name in ENCODER_OPTIONS}
        command(**given, encoder=parsed(options))

    del run.__wrapped__  # typer would read the signature of the function inside
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _default(hint: Any) -> bool | None:
    return False if hint.__origin__ is bool else None


def parsed(options: dict[str, Any]) -> dict[str, Any]:
    """Texts of the command line -> options of `load_encoder`; only those that were given."""
    values = {
        **options,
        "image_size": parse_image_size(options["image_size"]),
        **{name: _for_channels(parse_channels(options[name], option=f"--{name}")) for name in ("mean", "std")},
    }
    plain = {name: value.value if isinstance(value, StrEnum) else value for name, value in values.items()}
    return {name: value for name, value in plain.items() if value not in (None, False, [])}


def _for_channels(numbers: tuple[float, ...] | None) -> tuple[float, ...] | float | None:
    """One number is for every channel, however many there are."""
    return numbers[0] if numbers is not None and len(numbers) == 1 else numbers
