"""The steps of loading, one after the other, with what each has found kept when a later one fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from repr_probe.encoders.architectures import resolve_architecture
from repr_probe.encoders.checkpoint_file import read_checkpoint
from repr_probe.encoders.encoder import Encoder
from repr_probe.encoders.fit import decide, fit_choice
from repr_probe.encoders.input_spec import overridden
from repr_probe.encoders.inspection import Inspection, choice_facts, failed, input_facts, survey_facts
from repr_probe.encoders.load import POOLINGS, load_encoder
from repr_probe.encoders.opening import Opened, embedded_networks, input_of_file, resize_network, try_out
from repr_probe.encoders.overrides import read_overrides
from repr_probe.encoders.pooling import check_pool
from repr_probe.encoders.self_checks import trial_images
from repr_probe.encoders.survey import survey_file
from repr_probe.encoders.timm_arguments import stated_pool
from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.files.sniff import sniff

INPUT_OPTIONS = ("image_size", "mean", "std", "interp", "crop_pct", "channels")
WEIGHT_OPTIONS = ("key", "prefix", "role", "heads", "stem", "allow_missing")


def inspect_checkpoint(checkpoint: str | Path, options: Mapping[str, Any]) -> Inspection:
    """`options` are those of `load_encoder`."""
    text = str(checkpoint)
    path = embedded_networks().get(text, Path(text)) if not Path(text).exists() else Path(text)
    if not path.exists() or _is_onnx(path) or (options.get("allow_code") and not options.get("arch")):
        return _by_loading(text, options)
    facts: dict[str, Any] = {}
    try:
        _inspect_weights(path, options, facts)
    except UsageError:
        raise
    except ReprProbeError as failure:
        return failed(text, facts, failure)
    return Inspection(text, facts)


def _is_onnx(path: Path) -> bool:
    return path.is_file() and sniff(path) == "onnx"


def _inspect_weights(path: Path, options: Mapping[str, Any], facts: dict[str, Any]) -> None:
    arch, pool = options.get("arch"), check_pool(options.get("pool"))
    for name, whose in (("pretrained", "the name of a network"), ("output", "an ONNX model")):
        if options.get(name):
            raise UsageError(f"{name} must go with {whose}; got it for {path}")
    overrides = read_overrides(
        arch=resolve_architecture(arch, allow_code=bool(options.get("allow_code"))) if arch else None, renames=options.get("map"),
        **{name: options.get(name) for name in WEIGHT_OPTIONS},
    )  # fmt: skip
    survey = survey_file(read_checkpoint(path), overrides)
    facts.update(survey_facts(survey))
    choice = decide(survey, overrides)
    facts.update(choice_facts(survey, choice))
    fitted = fit_choice(survey, choice, in_place=True)
    facts["notes"] = [*survey.notes, *fitted.remarks]
    stated = input_of_file(fitted)
    spec = overridden(stated, **{name: options.get(name) for name in INPUT_OPTIONS})
    facts["input"] = input_facts(spec)
    opened = Opened(path.name, fitted.architecture, fitted.network.module, stated, {}, {}, fitted.notes, fitted)
    if spec.size != stated.size:
        resize_network(opened.module, spec.size, opened.architecture)
    pooled, own_pool = try_out(opened, spec, torch.device("cpu"))
    pool = pool if pool is not None else stated_pool(fitted.arguments, opened.module, own_pool)
    encoder = Encoder(name=path.name, architecture=str(opened.architecture), module=opened.module, input=spec, pool=pool, own_pool=own_pool)
    if pool is not None:
        pooled = encoder.features(trial_images(spec)[:1])["pooled"]
    facts.update(n_features=pooled.shape[1], pooling=POOLINGS[pool if pool is not None else own_pool])


def _by_loading(text: str, options: Mapping[str, Any]) -> Inspection:
    """Names of networks and code: there is no file to look into, so the network itself tells."""
    encoder = load_encoder(text, **{**options, "device": "cpu"})
    own = {name: value for name, value in encoder.facts.items() if name in ("weights", "bytes", "format", "n_features", "pooling")}
    details = {name: value for name, value in encoder.facts.items() if name not in own and name != "versions"}
    return Inspection(text, {
        "architecture": encoder.architecture, **own, "input": input_facts(encoder.input), "notes": list(encoder.notes), "details": details,
    })  # fmt: skip
