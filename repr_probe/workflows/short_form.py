"""The short form of an inspection: which weights went into which network, on what assumptions; shown by every command that loads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def short_form(name: str, architecture: str, facts: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> list[str]:
    """Some lines from `Encoder.facts` and the sources of its input, which stores keep; empty where nothing was matched or assumed.

    >>> short_form("a.pth", "torchvision:resnet18", {"tensors_matched": 120, "tensors_needed": 120, "container": "'state_dict'",
    ...     "prefix": "backbone.", "matched": "by name", "chosen_because": "the only encoder of the file", "assumptions": []})
    ["a.pth: torchvision:resnet18, 120 of 120 tensors by name from 'state_dict' under backbone (the only encoder of the file)"]
    """
    guessed = sorted({source for source in (sources or {}).values() if "usual" in source})
    preprocessing = [f"{name}: the preprocessing is {', '.join(guessed)}; --mean --std --image-size --interp --crop-pct"] if guessed else []
    if "tensors_needed" not in facts:
        return preprocessing
    prefix = str(facts.get("prefix", "")).rstrip(".")
    place = f"{facts.get('container', 'the file')}{f' under {prefix}' if prefix else ''}"
    role = f", role {facts['role']}" if facts.get("role") else ""
    matched = f"{facts['tensors_matched']} of {facts['tensors_needed']} tensors {facts.get('matched', 'by name')}"
    lines = [f"{name}: {architecture}, {matched} from {place} ({facts.get('chosen_because', '')}{role})"]
    also = list(facts.get("fits_also", ()))
    lines += [f"{name}: the same tensors fit {', '.join(also)}, with other features; --arch chooses"] if also else []
    assumed = [text for text in facts.get("assumptions", ()) if not (also and text.startswith("network "))]
    lines += [f"{name}: assumed {'; '.join(text.partition(' (')[0] for text in assumed)}; why: repro-probe inspect {name}"] if assumed else []
    return lines + preprocessing
