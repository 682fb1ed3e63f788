"""docs/json.md, section inspect, against what `inspect` gives for files of weights, of features, names of networks and files that fail."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repr_probe.encoders.inspection import FIELDS, KIND, SCHEMA, finite
from repr_probe.workflows.inspect import inspect

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## inspect\n")[2].partition("\n## ")[0]
ROWS = {field: meaning for names, meaning in re.findall(r"^\| (`[^|]*`) \| (.*) \|$", SECTION, re.MULTILINE) for field in re.findall(r"`(\w+)`", names)}
# Which fields every checkpoint of a sort has.
EVERY = {"checkpoint", "ok"}
FILE = EVERY | {"format", "reader", "bytes", "containers", "candidates", "not_rebuilt", "inert"}
LOADED = {"architecture", "input", "n_features", "pooling", "notes"}
CHOSEN = {"chosen", "chosen_because", "passed_over", "architecture", "architecture_from", "fits_also", "assumptions", "left_aside"}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("files")
    np.savez(folder / "features.npz", features=np.ones((4, 3)), labels=np.array([0, 0, 1, 1]))
    torch.save({f"part{number}.weight": torch.ones(5, 3, 2, 2) for number in range(3)}, folder / "nothing.pth")
    (folder / "page.pth").write_text("<html>login</html>")
    names = {
        "weights": "hydes-digits", "name": "repr_probe:digits_net", "features": folder / "features.npz", "refused": folder / "nothing.pth",
        "unread": folder / "page.pth",
    }  # fmt: skip
    return {name: inspect(checkpoint).to_dict() for name, checkpoint in names.items()}


def test_the_fields_are_those_on_the_page(documents: dict[str, dict[str, Any]]) -> None:
    assert set(ROWS) == {"checkpoint", "ok", "error", *FIELDS}
    for document in documents.values():
        assert set(document) == {"kind", "schema", *ROWS} and (document["kind"], document["schema"]) == (KIND, SCHEMA) == ("inspect", 1)
        assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert f'`kind` "{KIND}", `schema` {SCHEMA}' in SECTION


@pytest.mark.parametrize(
    ("name", "known", "ok"),
    [
        ("weights", FILE | CHOSEN | LOADED, True), ("name", EVERY | LOADED | {"weights", "details"}, True),
        ("features", EVERY | {"format", "n_samples", "n_features", "n_labelled", "n_classes", "provenance", "notes"}, True),
        ("refused", FILE | {"error"}, False), ("unread", EVERY | {"error"}, False),
    ],
)  # fmt: skip
def test_what_is_known_of_each_sort(documents: dict[str, dict[str, Any]], name: str, known: set[str], ok: bool) -> None:
    document = documents[name]
    assert {field for field, value in document.items() if value is not None} - {"kind", "schema", "program", "role"} == known
    assert document["ok"] is ok
    if not ok:
        assert set(document["error"]) == {"code", "message"} and document["error"]["code"].startswith("E_")


def test_fields_inside_are_on_the_page(documents: dict[str, dict[str, Any]]) -> None:
    weights = documents["weights"]
    assert weights["candidates"] and weights["containers"] and weights["input"]
    for field in ("containers", "candidates", "assumptions", "input"):
        for entry in weights[field]:
            assert set(entry) == set(re.findall(r"`(\w+)`", ROWS[field])), field
    assert weights["chosen"] in weights["candidates"] and set(weights["left_aside"]) == {"number", "names"}


def test_what_json_has_not_is_null() -> None:
    assert finite({"a": [1.0, float("nan")], "b": (float("-inf"), "x")}) == {"a": [1.0, None], "b": [None, "x"]}
