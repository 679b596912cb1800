"""Where images may come from, and by which digests they are known."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._image.qcow2 import BadImage
from modules._image.source import Digest, digest_of, kind_of

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("written", "digest"),
    [
        (HEX, Digest("sha256", HEX)),
        (f"sha256:{HEX.upper()}", Digest("sha256", HEX)),
        (f"SHA256={HEX}", Digest("sha256", HEX)),
        (HEX * 2, Digest("sha512", HEX * 2)),
        (f" sha512:{HEX * 2} ", Digest("sha512", HEX * 2)),
    ],
)
def test_a_digest_is_read_as_people_write_it(written: str, digest: Digest) -> None:
    assert digest_of(written) == digest
    assert digest_of(str(digest)) == digest


@pytest.mark.parametrize("written", ["", "md5:" + "0" * 32, HEX[1:], f"sha512:{HEX}", f"sha256:{'g' * 64}", "sha256:"])
def test_what_can_be_forged_or_is_none_is_refused(written: str) -> None:
    with pytest.raises(BadImage, match="not a checksum"):
        digest_of(written)


@pytest.mark.parametrize(
    ("source", "kind"),
    [("salt://a.qcow2", "salt"), ("/srv/a b", "path"), ("http://h/x", "http"), ("https://h:8443/x?y", "http")],
)
def test_each_kind_of_source_is_known(source: str, kind: str) -> None:
    assert kind_of(source, True) == kind


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("http://h/x", "needs `source_hash`"),
        ("https://u:secret@h/x", "must not hold a password"),
        ("ftp://h/x", "not a source"),
        ("file:///etc/shadow", "not a source"),
        ("nbd:h:1", "not a source"),
        ('json:{"driver":"nbd"}', "not a source"),
        ("x.qcow2", "not a source"),
        ("http:///x", "not a source"),
        ("http://h:99999/x", "not a source"),
        ("http://[/x", "not a source"),
        ("/a/../b", "not a path"),
        ("", "not a source"),
    ],
)
def test_every_other_source_is_refused_and_shows_no_password(source: str, said: str) -> None:
    with pytest.raises(BadImage, match=said) as raised:
        kind_of(source, False)
    assert "secret" not in str(raised.value)


@given(st.text(max_size=80))
def test_no_text_crashes_it(text: str) -> None:
    for read in (digest_of, lambda text: kind_of(text, True)):
        with suppress(BadImage):
            read(text)
