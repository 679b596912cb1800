import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.wire import manifest
from saltern.wire.manifest import BadManifest, Entry, check_path

D, B, K = "a" * 64, "b" * 64, bytes(32)


def entry(path: str, **changed: object) -> Entry:
    return msgspec.structs.replace(Entry(path, D, 5, 0o644, B, K), **changed)


def raw(*entries: Entry, version: int = 1, saltenv: str = "base") -> bytes:
    """A manifest's bytes without any check."""
    return msgspec.msgpack.encode([version, saltenv, list(entries)])


OUTSIDE = [
    "", "/", "/etc/shadow", "..", "../x", "a/../b", "a/..", "./a", "a/.", ".", "a//b", "a/", "//a", "a\\b", "..\\x",
    "a\0", "a\nb", "a\x1b[31m", "a\x7f", "a\x85b", "a\u2028b",
    "a" * 256, "é" * 128, "a/" * 2049 + "a", "\ud800", "a\tb",
]  # fmt: skip
INSIDE = [
    "top.sls",
    "a/b/init.sls",
    "a b",
    "...",
    "..a",
    "a..b",
    "é.sls",
    "%2e%2e/x",
    "a|b",
    "x" * 255,
    "-rf",
    "~",
    "$(id)",
]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: ascii(path[:12]))
def test_a_path_that_could_leave_the_tree_or_disturb_a_terminal_is_refused(path: str) -> None:
    with pytest.raises(BadManifest):
        check_path(path)
    with pytest.raises((BadManifest, UnicodeEncodeError)):
        manifest.decode(raw(entry(path)), "base")


@pytest.mark.parametrize("path", INSIDE, ids=lambda path: ascii(path[:12]))
def test_a_strange_but_harmless_path_is_taken(path: str) -> None:
    assert check_path(path) == path
    assert manifest.decode(manifest.encode("base", [entry(path)]), "base").entries[0].path == path


@given(st.text(st.sampled_from("./ab\\\0\n"), max_size=12))
def test_an_accepted_path_never_leaves_its_root(path: str) -> None:
    import posixpath

    try:
        check_path(path)
    except BadManifest:
        return
    assert posixpath.normpath(posixpath.join("/root", path)) == "/root/" + path


@given(st.permutations(["a/b", "a/c", "b", "top.sls"]))
def test_the_same_files_give_the_same_bytes_in_any_order(paths: list[str]) -> None:
    assert manifest.encode("base", map(entry, paths)) == manifest.encode("base", map(entry, sorted(paths)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        manifest.encode("base", [entry("a")]) + b"\0",
        raw(entry("a"), version=2),
        raw(entry("b"), entry("a")),
        raw(entry("a"), entry("a")),
        raw(entry("a"), entry("a/b")),
        raw(entry("a"), entry("a-"), entry("a/b/c")),
        raw(entry("a", mode=0o4755)),
        raw(entry("a", size=-1)),
        raw(entry("a", digest="A" * 64)),
        raw(entry("a", digest="a" * 64 + "\n")),
        raw(entry("a", blob="../" + "a" * 61)),
        raw(entry("a", key=b"short")),
        raw(saltenv="dev"),
        msgspec.msgpack.encode([1, "base", [["a", D, 5, 0o644, B, K, "more"]]]),
        msgspec.msgpack.encode([1, "base", [], "more"]),
    ],
)
def test_a_manifest_that_encode_would_not_have_written_is_refused(data: bytes) -> None:
    with pytest.raises(BadManifest):
        manifest.decode(data, "base")


@given(st.binary(max_size=60))
def test_random_bytes_are_refused_with_one_error(data: bytes) -> None:
    with pytest.raises(BadManifest):
        manifest.decode(data, "other")


@pytest.mark.parametrize(
    "name", [None, 5, "", "a" * 63, "a" * 65, "A" * 64, "a" * 64 + "\n", "../" + "a" * 61, b"a" * 64]
)
def test_only_64_lower_case_hex_digits_name_a_blob(name: object) -> None:
    assert not manifest.is_digest(name)
    assert manifest.is_digest("0123456789abcdef" * 4)
