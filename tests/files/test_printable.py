"""Whatever a file holds can be named in a message, quickly and on one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from repr_probe.files.dead import Dead
from repr_probe.files.printable import listed, printable


def shared(times: int) -> Any:
    value: Any = ()
    for _ in range(times):
        value = (value, value)
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"), (True, "True"), (2.5, "2.5"), ("a\nb", "a\\nb"), (Path("x"), "x"), (ValueError("no"), "no"), (b"ab", "b'ab'"),
        ([1, "a"], "[1, 'a']"), ((1,), "(1,)"), ({"a": [1, 2]}, "{'a': [1, 2]}"), ({1}, "{1}"), ([0] * 100, "list of 100"),
        (shared(60), "((tuple of 2, tuple of 2), (tuple of 2, tuple of 2))"), (1 << 5000, "int"), (object(), "object"), (Dead("a.B"), "<dead a.B>"),
    ],
)  # fmt: skip
def test_values(value: Any, text: str) -> None:
    assert printable(value) == text


def test_long_texts_inside_are_cut() -> None:
    assert len(printable(["x" * 10**6])) < 100 and listed([shared(60), "b"]).endswith(", b")
