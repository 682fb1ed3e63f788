"""What the user says about a checkpoint: words that cannot be meant are refused before anything is read."""

from __future__ import annotations

import pytest

from repr_probe.encoders.overrides import Overrides, read_overrides
from repr_probe.errors import UsageError


def renames(*texts: str) -> Overrides:
    return read_overrides(arch=None, key=None, prefix=None, role=None, heads=None, stem=None, renames=texts, allow_missing=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"conv1=>\9", r"map must put in text and groups of its expression \(\\1, \\g<name>\); got '.*9' for 'conv1' \(invalid group reference 9"),
        (r"=>\g<x>", r"map must put in text and groups of its expression .*unknown group name 'x'"),
        (r"(a)=>\2", "map must put in text and groups"),
        (r"a=>\q", r"map must put in text and groups .*bad escape"),
        ("(=>", r"map must start with a regular expression; got '\('"),
        ("a", "map must be written REGEX=>NEW; got 'a'"),
    ],
)
def test_renames_that_cannot_work(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        renames(text)


def test_groups_of_the_expression() -> None:
    assert renames(r"(?P<x>a)(b)=>\g<x>\2", r"c=>\g<0>.").renames == ((r"(?P<x>a)(b)", r"\g<x>\2"), ("c", r"\g<0>."))
