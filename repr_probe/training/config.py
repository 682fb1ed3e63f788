"""TrainConfig: everything that makes a training run what it is; one frozen object, one TOML file."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from repr_probe.datasets.catalog import CATALOG
from repr_probe.datasets.names import nearest
from repr_probe.errors import UsageError
from repr_probe.files.printable import printable

CHOICES: dict[str, tuple[str, ...]] = {
    "stem": ("imagenet", "cifar"),
    "schedule": ("cosine", "constant"),
    "precision": ("auto", "bf16", "fp32"),
    "feed": ("auto", "resident", "stream"),
    "export_dtype": ("float32", "float16"),
}
# Where and how a run computes, not what: these may change when it goes on.
FREE_ON_RESUME = frozenset(
    {"name", "device", "data_root", "workers", "eval_every", "checkpoint_every", "checkpoint_steps", "keep", "export_dtype"}
)
ONE_VIEW_METHODS = ("supervised",)

# What the paper does not say; the value is ours. Every run's model card repeats the ones that it used.
ASSUMPTIONS: dict[str, str] = {
    "stem": "no stem is named; the published CIFAR numbers fit the 7 x 7 stem, images of up to 64 pixels get the 3 x 3 one here",
    "projector": "widths 128 to 4096 are said to make no difference; the number of layers is not said",
    "norm": "BatchNorm in the projector is not mentioned",
    "weight_decay": "none is named; 0.01 as in torch's AdamW, not on norms and biases",
    "warmup_epochs": "none is named; 10 as in the recipes of the baselines",
    "schedule": "none is named; cosine to 0 as in the recipes of the baselines",
    "global_size": "not named for small images; the size of the data set's own images",
    "local_size": "not named; 96 at 224 pixels, half the side below",
    "blur": "not named for small images; off below 64 pixels, where the kernel is as large as what is to be seen",
    "solarise": "not named; as in DINO's recipe, off for digits",
    "strength": "not named; DINO's colour jitter",
    "flip": "not named; 0.5, and 0 for digits, for a mirrored 2 is no digit",
    "grey": "not named; 0.2 as in DINO's recipe",
    "mean": "not named; ImageNet's, as in DINO's recipe",
    "std": "not named; ImageNet's, as in DINO's recipe",
    "seed": "not named",
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A run. Defaults are the paper's for ImageNet-sized images; `read_config` adds those that follow from the data set.

    method: hydes, supervised, simclr, byol, swav, barlow-twins, vicreg, dino or resa.  options: the method's own (alpha, beta, kappa ...).
    dataset, data_root, split, limit: as in `open_dataset`, but split None is train, and of a folder without splits all; `seed` draws `limit` images.
    arch: a network's name; stem: "cifar" puts a 3 x 3 convolution and no pooling in front of a ResNet; width: channels of a slim ResNet's
    first stage (64 in the full one); projector: widths of the head's layers, () for no head, None for the method's own; norm: BatchNorm between them.
    global_size, local_size: pixels; *_area: shares of the image that a crop shows; strength: of the colour jitter; flip, grey: probabilities.
    turn: degrees up to which views are rotated; shrink: share by which they may grow smaller, into black (both 0 in DINO's recipe).
    mean, std: per channel of pixels in [0, 1], None for ImageNet's; one value makes images grey.
    batch_size: of a step over all ranks.  warmup_epochs: of linear rise.  precision: auto is bf16 on CUDA, else fp32.
    eval_every: epochs (0: never); checkpoint_every: epochs (0: the last only); checkpoint_steps: steps, None for none; keep: newest checkpoints kept.
    export_dtype: float16 halves the file of the finished backbone; normalisation layers stay in float32.

    >>> TrainConfig(dataset="cifar10", options={"kappa": 10.0}).options["kappa"]
    10.0
    """

    dataset: str
    method: str = "hydes"
    data_root: str | None = None
    split: str | None = None
    limit: int | None = None
    arch: str = "torchvision:resnet18"
    stem: str = "imagenet"
    width: int | None = None
    projector: tuple[int, ...] | None = None
    norm: bool = True
    n_global: int = 2
    n_local: int = 6
    global_size: int = 224
    local_size: int = 96
    global_area: tuple[float, float] = (0.4, 1.0)
    local_area: tuple[float, float] = (0.05, 0.4)
    strength: float = 1.0
    blur: bool = True
    solarise: bool = True
    flip: float = 0.5
    grey: float = 0.2
    turn: float = 0.0
    shrink: float = 0.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_epochs: int = 10
    schedule: str = "cosine"
    precision: str = "auto"
    channels_last: bool = True
    compile: bool = False
    workers: int | None = None
    feed: str = "auto"
    seed: int = 0
    device: str = "auto"
    eval_every: int = 1
    checkpoint_every: int = 1
    checkpoint_steps: int | None = None
    keep: int = 3
    export_dtype: str = "float32"
    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, hint in HINTS.items():
            if name != "options":
                object.__setattr__(self, name, _fitted(name, hint, getattr(self, name)))
        object.__setattr__(self, "options", dict(self.options))
        if self.split is None and not _is_folder_without_train(self.dataset):
            object.__setattr__(self, "split", "train")
        _check_words(self)
        _check_numbers(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values only (tuples as lists): what a checkpoint holds and JSON can write."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def to_toml(self) -> str:
        """The file that `read_config` reads back to an equal configuration; None is left out, or "none" where the default is something."""
        stated = self.to_dict()
        options = stated.pop("options")
        usual = {one.name: one.default for one in fields(self)} | defaults_for(self.dataset)
        lines = [f"{name} = {_toml('none' if value is None else value)}" for name, value in stated.items()
                 if value is not None or usual[name] is not None]  # fmt: skip
        chosen = [f"{name} = {_toml(value)}" for name, value in options.items() if value is not None]
        return "\n".join([*lines, *(["", "[options]", *chosen] if chosen else []), ""])


HINTS = get_type_hints(TrainConfig)
FIELDS = tuple(one.name for one in fields(TrainConfig))


def config_from(stated: Mapping[str, Any]) -> TrainConfig:
    """The configuration of plain values (a TOML file, a checkpoint); what is not stated follows from the data set, else from the paper.

    Raises UsageError for names that are no field, with the nearest ones, and for values that cannot be.
    """
    unknown = [name for name in stated if name not in FIELDS]
    if unknown:
        raise UsageError(f"{printable(unknown[0])} must be a setting of a training run; nearest: {nearest(str(unknown[0]), FIELDS)}")
    if "dataset" not in stated:
        raise UsageError("dataset must be named, a known one or a folder of images; got none")
    if not isinstance(stated.get("options", {}), Mapping):
        raise UsageError(f"options must be a table of names and values; got {printable(stated['options'])}")
    return TrainConfig(**{**defaults_for(str(stated["dataset"])), **stated})


def defaults_for(dataset: str) -> dict[str, Any]:
    """What follows from the data set: image sizes, stem and batch size of known ones.

    >>> defaults_for("cifar10")["global_size"], defaults_for("imagenet")
    (32, {'batch_size': 512})
    """
    name = dataset.lower().partition(":")[0]
    small = {"stem": "cifar", "blur": False}
    grey = {"grey": 0.0, "mean": (0.2860,), "std": (0.3530,), "solarise": False}
    known: dict[str, dict[str, Any]] = {
        "digits": {**small, **grey, "mean": (0.3055,), "std": (0.3760,), "arch": "repr_probe:digits_net", "global_size": 8, "local_size": 8,
                   "flip": 0.0},
        "fashion-mnist": {**small, **grey, "global_size": 28, "local_size": 14},
        "cifar10": {**small, "global_size": 32, "local_size": 16},
        "cifar100": {**small, "global_size": 32, "local_size": 16},
        "stl10": {"global_size": 96, "local_size": 48},
        "imagenet": {"batch_size": 512},
        "imagenet100": {"batch_size": 512},
    }  # fmt: skip
    return known.get(name, {})


def read_config(path: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """The configuration of a TOML file with `overrides` on top; names of the method's options may stand among the overrides.

    Raises UsageError for files that are no TOML, unknown names (with the nearest) and impossible values.
    """
    stated = _read_toml(Path(path)) if path is not None else {}
    changes = dict(overrides or {})
    method = str(changes.get("method", stated.get("method", TrainConfig.method)))
    options = stated.get("options", {})
    if not isinstance(options, Mapping):
        raise UsageError(f"options must be a table of names and values; got {printable(options)}")
    chosen = {**options, **changes.pop("options", {})}
    for name in [name for name in changes if name not in FIELDS]:
        chosen[_option_name(name, method)] = changes.pop(name)
    return config_from({**stated, **changes, "options": chosen})


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Texts `key=value` as `--set` takes them; values as in TOML, lists also without brackets, words without quotes.

    >>> parse_settings(["kappa=10", "projector=512,128", "arch=timm:vit_tiny_patch16_224", "blur=false"])
    {'kappa': 10, 'projector': [512, 128], 'arch': 'timm:vit_tiny_patch16_224', 'blur': False}
    """
    parsed = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set must be key=value; got {printable(text)!r}")
        parsed[name.strip()] = parse_value(name.strip(), value.strip())
    return parsed


def parse_value(name: str, text: str) -> Any:
    """One value of the setting `name` out of text."""
    hint = HINTS.get(name, Any)
    if hint is str or (str in get_args(hint) and text.lower() != "none"):
        return text
    if text.lower() == "none":
        return None
    for written in (text, f"[{text}]"):
        try:
            return tomllib.loads(f"value = {written}")["value"]
        except tomllib.TOMLDecodeError:
            continue
    return text


def differences(before: TrainConfig, after: TrainConfig) -> list[str]:
    """What differs between two configurations and would change the weights: "kappa: 1.0 before, 10.0 now"; [] for the same run.

    >>> differences(TrainConfig(dataset="digits"), TrainConfig(dataset="digits", epochs=5, device="cpu"))
    ['epochs: 100 before, 5 now']
    """
    ours, theirs = before.to_dict(), after.to_dict()
    first, second = ours.pop("options"), theirs.pop("options")
    names = [name for name in ours if name not in FREE_ON_RESUME and ours[name] != theirs[name]]
    changed = [f"{name}: {ours[name]} before, {theirs[name]} now" for name in names]
    return changed + [
        f"{name}: {first.get(name, 'the default')} before, {second.get(name, 'the default')} now"
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    ]


def _is_folder_without_train(dataset: str) -> bool:
    folder = Path(dataset)
    return dataset.lower().partition(":")[0] not in CATALOG and folder.is_dir() and not (folder / "train").is_dir()


def _option_name(name: str, method: str) -> str:
    from repr_probe.training.objectives.build import options_of

    known = options_of(method)
    if name in known:
        return name
    raise UsageError(f"{printable(name)} must be a setting of a training run or an option of {method}; nearest: {nearest(name, [*FIELDS, *known])}")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise UsageError(f"{path} must be a TOML file; got {printable(failure)}") from None
    except OSError as failure:
        raise UsageError(f"{path} must be a readable file; got {failure.strerror!r}") from None


def _fitted(name: str, hint: Any, value: Any) -> Any:
    """`value` as the type that the setting has; UsageError where it is of another."""
    kinds = get_args(hint) if NoneType in get_args(hint) else (hint,)
    if NoneType in kinds and (value is None or value == "none"):
        return None
    kind = next(kind for kind in kinds if kind is not NoneType)
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        values = value if isinstance(value, list | tuple) else (value,)
        if inner[-1] is not Ellipsis and len(values) != len(inner):
            raise UsageError(f"{name} must be {len(inner)} numbers; got {printable(value)}")
        return tuple(_fitted(name, inner[0], one) for one in values)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number and math.isfinite(value):
        return float(value)
    if kind is not float and isinstance(value, kind) and (kind is not int or is_number):
        return value
    words = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}
    raise UsageError(f"{name} must be {words[kind]}; got {printable(value)!r}")


def _check_words(config: TrainConfig) -> None:
    for name, allowed in CHOICES.items():
        if getattr(config, name) not in allowed:
            raise UsageError(f"{name} must be one of {', '.join(allowed)}; got {printable(getattr(config, name))!r}")
    if (config.mean is None) != (config.std is None):
        raise UsageError("mean and std must be given together; got one of them")
    if config.mean is not None and len(config.mean) not in (1, 3):
        raise UsageError(f"mean must be one number, for grey images, or three; got {len(config.mean)}")
    if config.mean is not None and config.std is not None and len(config.mean) != len(config.std):
        raise UsageError(f"std must have as many values as mean; got {len(config.std)} for {len(config.mean)}")


def _check_numbers(config: TrainConfig) -> None:
    for name in ("epochs", "n_global", "global_size", "local_size", "keep", "limit", "width", "checkpoint_steps"):
        if getattr(config, name) is not None and getattr(config, name) < 1:
            raise UsageError(f"{name} must be at least 1; got {getattr(config, name)}")
    for name in ("n_local", "warmup_epochs", "weight_decay", "seed", "eval_every", "checkpoint_every", "strength", "turn", "shrink", "workers"):
        if getattr(config, name) is not None and getattr(config, name) < 0:
            raise UsageError(f"{name} must be 0 or more; got {getattr(config, name)}")
    for name in ("flip", "grey"):
        if not 0 <= getattr(config, name) <= 1:
            raise UsageError(f"{name} must be a probability between 0 and 1; got {getattr(config, name)}")
    for name in ("global_area", "local_area"):
        low, high = getattr(config, name)
        if not 0 < low <= high <= 1:
            raise UsageError(f"{name} must be two shares of the image, 0 < low <= high <= 1; got {low}, {high}")
    if config.batch_size < 2:
        raise UsageError(f"batch_size must be at least 2, or there is no other image to be told from; got {config.batch_size}")
    if config.learning_rate <= 0:
        raise UsageError(f"learning_rate must be above 0; got {config.learning_rate}")
    if config.projector and min(config.projector) < 2:
        raise UsageError(f"projector must have widths of at least 2; got {printable(config.projector)}")
    if config.n_global + config.n_local < 2 and config.method not in ONE_VIEW_METHODS:
        raise UsageError(f"n_global and n_local must give at least 2 views of an image for {config.method}; got 1")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)
