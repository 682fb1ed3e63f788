"""JSON beside a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from repr_probe.errors import FileFormatError
from repr_probe.files.json_file import BYTES_LIMIT, read_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "must be readable JSON; got Expecting"),
        (b"\xff\xfe", "must be readable JSON"),
        (b"[" * 200_000, "nested too deep"),
        (b" " * (BYTES_LIMIT + 1), "must be below 16 MiB"),
    ],
)
def test_what_is_not_readable(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_json(tmp_path / "config.json")
    assert caught.value.code == "E_JSON" and "\n" not in str(caught.value)


def test_content_and_absence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b'\xef\xbb\xbf{"heads": 6}')
    assert read_json(tmp_path / "config.json") == {"heads": 6}
    with pytest.raises(FileFormatError, match="must be readable JSON; got 'No such file"):
        read_json(tmp_path / "other.json")
