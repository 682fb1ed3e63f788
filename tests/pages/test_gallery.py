from __future__ import annotations

from base64 import b64decode

import pytest

from repr_probe.errors import FileFormatError, UsageError
from repr_probe.pages.gallery import MOST_BYTES, Gallery, Picture, check_size, gallery_section, read_gallery

PNG = b"\x89PNG\r\n\x1a\n" + b"rest"
JPEG = b"\xff\xd8\xff\xe0rest"


def test_a_folder_of_pictures_in_order(tmp_path):
    for name, content in (("b.png", PNG), ("a.jpg", JPEG), ("notes.txt", b"no picture")):
        (tmp_path / name).write_bytes(content)
    found = read_gallery(tmp_path, title="maps")
    assert [(one.caption, one.media_type) for one in found.pictures] == [("a", "image/jpeg"), ("b", "image/png")]
    assert read_gallery(tmp_path / "b.png").title == "b"


def test_pictures_travel_whole_and_captions_as_text():
    drawn = gallery_section([Gallery("<i>", (Picture('"> & <b>', PNG),), "note & more")])
    assert b64decode(drawn.split("base64,")[1].split('"')[0]) == PNG
    assert "<i>" not in drawn and "<b>" not in drawn and 'alt="&quot;&gt; &amp; &lt;b&gt;"' in drawn and "note &amp; more" in drawn


def test_what_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(FileFormatError, match="picture must be PNG or JPEG; got a file that begins with b'<svg onl' for a"):
        read_gallery(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(FileFormatError, match="got an empty file for a"):
        read_gallery(tmp_path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"gallery must hold .png, .jpg, .jpeg files; got none"):
        read_gallery(tmp_path)
    with pytest.raises(UsageError, match=r"gallery must be a picture or a folder of pictures; got .*which is not there"):
        read_gallery(tmp_path / "none")


def test_pictures_that_are_too_large():
    with pytest.raises(UsageError, match=r"galleries must hold at most 6.0 MB of pictures; got 6.0 MB; take fewer or smaller ones"):
        check_size([Gallery("x", (Picture("y", PNG + bytes(MOST_BYTES)),))])
