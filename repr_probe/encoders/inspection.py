"""Inspection: what a checkpoint is, which encoder of it would be taken and why, and everything that had to be assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repr_probe.encoders.candidates import Candidate
from repr_probe.encoders.choose import Choice
from repr_probe.encoders.fit import left_aside, place_of
from repr_probe.encoders.survey import Survey
from repr_probe.errors import ReprProbeError
from repr_probe.files.inert import Dead
from repr_probe.files.printable import listed, printable
from repr_probe.preprocessing import InputSpec

INPUT_FLAGS = {
    "size": "--image-size", "mean": "--mean", "std": "--std", "interpolation": "--interp", "crop_pct": "--crop-pct", "order": "--channels",
}  # fmt: skip
SHOWN = 6
MOST_VISITED = 200_000
KIND, SCHEMA = "inspect", 1
# Of every inspection; null where the checkpoint has nothing of the kind or loading did not get as far.
FIELDS = (
    "format", "reader", "bytes", "program", "containers", "candidates", "not_rebuilt", "inert", "chosen", "chosen_because", "role",
    "passed_over", "architecture", "architecture_from", "fits_also", "assumptions", "left_aside", "input", "n_features", "pooling", "notes",
    "weights", "details", "n_samples", "n_labelled", "n_classes", "provenance",
)  # fmt: skip


@dataclass(frozen=True)
class Inspection:
    """The answer of `inspect`; `print` it, or `to_dict()` it for JSON. ok: whether an encoder can be loaded; error, code: why not.

    facts: those of FIELDS that are known; docs/json.md says what each is.
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    code: str = ""

    @property
    def ok(self) -> bool:
        return not self.error

    def to_dict(self) -> dict[str, Any]:
        """One object of kind "inspect" for JSON (docs/json.md): all FIELDS, None for what is not known; `error` is None where all is well."""
        failure = None if self.ok else {"code": self.code, "message": self.error}
        facts = {field: finite(self.facts.get(field)) for field in FIELDS}
        return {"kind": KIND, "schema": SCHEMA, "checkpoint": self.name, "ok": self.ok, "error": failure, **facts}

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def finite(value: Any) -> Any:
    """The same with None in the place of numbers that JSON has not."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def survey_facts(survey: Survey) -> dict[str, Any]:
    """What there is in the file, whether or not an encoder can be made of it."""
    file, source = survey.file, survey.source
    blocked = blocked_names(file.content)
    return {
        "format": file.kind,
        "reader": file.reader,
        "bytes": _bytes(file.path),
        "program": None if source is None else {"name": source.name, "reason": source.reason},
        "containers": [
            {"path": printable(container.path) or ".", "tensors": len(container.tensors), "wrappers": list(container.stripped)}
            for container in survey.containers
        ],
        "candidates": [candidate_facts(candidate) for candidate in survey.candidates if candidate.serious],
        "not_rebuilt": [{"place": printable(refusal.prefix) or ".", "reason": str(refusal.reason)} for refusal in survey.refusals],
        "inert": [printable(name) for name in blocked],
    }


def blocked_names(content: Any) -> list[str]:
    """Every class and function that the file asked for and that was not imported, in the order met."""
    names: dict[str, None] = {}
    waiting, entered = [content], {id(content)}
    while waiting and len(entered) < MOST_VISITED:
        item = waiting.pop()
        inner: list[Any] = []
        if isinstance(item, Dead):
            names[item.kind] = None
            inner = [item.args, item.state, item.items, item.list]
        elif isinstance(item, Mapping):
            inner = list(item.values())
        elif isinstance(item, list | tuple):
            inner = list(item)
        for each in inner:
            if isinstance(each, Dead | Mapping | list | tuple) and id(each) not in entered:
                entered.add(id(each))
                waiting.append(each)
    return list(names)


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir() if file.is_file()) if path.is_dir() else path.stat().st_size


def candidate_facts(candidate: Candidate) -> dict[str, Any]:
    return {
        "place": place_of(candidate),
        "key": printable(candidate.container.path) or ".",
        "prefix": printable(candidate.prefix.rstrip(".")) or ".",
        "architecture": str(candidate.architecture),
        "scheme": candidate.reading.scheme,
        "matched": candidate.n_found,
        "needed": candidate.n_needed,
        "missing": [printable(name) for name in candidate.missing[:SHOWN]],
        "of_another_shape": [printable(name) for name in candidate.misshaped[:SHOWN]],
        "unknown_inside": [printable(name) for name in candidate.strangers[:SHOWN]],
    }


def choice_facts(survey: Survey, choice: Choice) -> dict[str, Any]:
    candidate = choice.candidate
    aside = left_aside(candidate)
    return {
        "chosen": candidate_facts(candidate),
        "chosen_because": choice.reason,
        "role": choice.role or None,
        "passed_over": [place_of(other) for other in choice.others],
        "architecture": str(candidate.architecture),
        "architecture_from": survey.chosen_by,
        "fits_also": list(choice.also),
        "assumptions": [
            {"what": each.what, "value": each.value, "source": each.source, "flag": each.flag} for each in candidate.reading.assumptions
        ],
        "left_aside": {"number": len(aside), "names": [printable(name) for name in aside[:SHOWN]]},
    }


def input_facts(spec: InputSpec) -> list[dict[str, Any]]:
    """One entry for each number of the preprocessing: value, who says so, and the flag that says otherwise."""
    values = {**spec.to_dict(), "order": spec.order}
    return [
        {"what": name, "value": values[name], "source": spec.sources.get(name, "default"), "flag": flag} for name, flag in INPUT_FLAGS.items()
    ]


def failed(name: str, facts: Mapping[str, Any], failure: ReprProbeError) -> Inspection:
    return Inspection(name, facts, str(failure), failure.code)


# --- text


def _lines(inspection: Inspection) -> list[str]:
    facts = inspection.facts
    rows: list[tuple[str, str]] = [("checkpoint", f"{inspection.name}{_size_text(facts.get('bytes'))}")]
    if "n_samples" in facts:
        rows += _feature_rows(facts)
    elif "reader" in facts:
        rows.append(("kind", f"{facts['format']}, read by: {facts['reader']}"))
        program = facts["program"]
        rows.append(("written by", f"{program['name']} ({program['reason']})" if program else "not recognised"))
        rows += _several("containers", [_container_text(each) for each in facts["containers"]])
        rows += _several("not run", facts["inert"])
        rows += _several("encoders", [_candidate_text(each) for each in facts["candidates"]] or ["none"])
        rows += _several("not rebuilt", [f"{each['place']}: {each['reason']}" for each in facts["not_rebuilt"]])
    if "chosen" in facts:
        rows += _choice_rows(facts)
    elif "architecture" in facts:
        rows.append(("network", f"{facts['architecture']}, weights {facts.get('weights', 'its own')}"))
        rows += _end_rows(facts)
    rows += _several("note", facts.get("notes", ()), limit=12)
    if not inspection.ok:
        rows.append(("error", f"{inspection.error}{f' [{inspection.code}]' if inspection.code else ''}"))
    width = max(len(label) for label, _ in rows) + 2
    return [f"{label:<{width}}{text}" for label, text in rows]


def _choice_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    chosen, aside = facts["chosen"], facts["left_aside"]
    role = f"; role {facts['role']}" if facts["role"] else ""
    rows = [
        ("taken", f"{chosen['place']}: {facts['chosen_because']}{role}"),
        ("network", f"{facts['architecture']} (from {facts['architecture_from']}{'' if facts['architecture_from'] == '--arch' else '; --arch'})"),
        ("matched", f"{chosen['matched']} of {chosen['needed']} tensors needed, {chosen['scheme']}"),
    ]
    rows += _several("fits also", [f"{name}, with other features: --arch {name}" for name in facts["fits_also"]])
    rows += _several("passed over", facts["passed_over"])
    if aside["number"]:
        rows.append(("left aside", f"{aside['number']} tensors: {listed(aside['names'])}".replace(" and 3 more", " ...")))
    rows += _several("assumed", [_assumption_text(each) for each in facts["assumptions"]], limit=12)
    return rows + _end_rows(facts)


def _end_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = _several("input", [_assumption_text(each) for each in facts.get("input", ())], limit=12)
    if "n_features" in facts:
        pooling = f", {facts['pooling']}" if "pooling" in facts else ""
        rows.append(("features", f"{facts['n_features']} per image{pooling}; random images pass"))
    return rows


def _feature_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A file of features: shape, labels, and where they came from."""
    labels = f"{facts['n_labelled']} labelled, {facts['n_classes']} classes" if facts["n_labelled"] else "no labels"
    rows = [("kind", f"features ({facts['format']}): repro-probe geometry, without --dataset"),
            ("features", f"{facts['n_samples']} rows x {facts['n_features']}, {labels}")]  # fmt: skip
    words = [f"{name} {printable(value)}" for name, value in facts["provenance"].items() if isinstance(value, str | int | float)]
    return rows + _several("from", words, limit=12)


def _assumption_text(each: Mapping[str, Any]) -> str:
    value = each["value"]
    shown = " ".join(f"{number:g}" for number in value) if isinstance(value, Sequence) and not isinstance(value, str) else f"{value}"
    flag = f"; {each['flag']}" if each["flag"] not in ("", each["source"]) else ""
    return f"{each['what']} {shown} ({each['source']}{flag})"


def _container_text(each: Mapping[str, Any]) -> str:
    wrappers = f", without {', '.join(each['wrappers'])}" if each["wrappers"] else ""
    return f"{each['path']}: {each['tensors']} tensors{wrappers}"


def _candidate_text(each: Mapping[str, Any]) -> str:
    troubles = [f"{word.replace('_', ' ')}: {listed(each[word])}" for word in ("missing", "of_another_shape", "unknown_inside") if each[word]]
    return f"{each['place']}: {each['architecture']}, {each['matched']} of {each['needed']} tensors{'; ' if troubles else ''}{'; '.join(troubles)}"


def _several(label: str, texts: Sequence[str], *, limit: int = SHOWN) -> list[tuple[str, str]]:
    rows = [(label if index == 0 else "", text) for index, text in enumerate(texts[:limit])]
    return rows + ([("", f"and {len(texts) - limit} more")] if len(texts) > limit else [])


def _size_text(n_bytes: int | None) -> str:
    return "" if n_bytes is None else f", {n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f", {n_bytes} bytes"
