"""Reading, writing and comparing what exports(5) says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules import _exports, nfs_export
from modules._exports import ExportError, Options
from modules.nfs_export import alike, checked_clients

TEXT = r"""# the datastores
/store/one         192.168.43.0/24(rw,sync,fsid=0,no_subtree_check)

/store/one/images  192.168.43.0/24(rw,sync) *.x.org(ro) @grp   # comment
"/a b" -rw,no_root_squash 10.0.0.1 10.0.0.2(ro) \
    10.0.0.3(async)
/c\040d (rw)
/e#f h
/world
"""


def test_entries_are_read_as_exportfs_reads_them() -> None:
    assert _exports.parse(TEXT) == {
        "/store/one": {"192.168.43.0/24": ("rw", "sync", "fsid=0", "no_subtree_check")},
        "/store/one/images": {"192.168.43.0/24": ("rw", "sync"), "*.x.org": ("ro",), "@grp": ()},
        "/a b": {
            "10.0.0.1": ("rw", "no_root_squash"),
            "10.0.0.2": ("rw", "no_root_squash", "ro"),
            "10.0.0.3": ("rw", "no_root_squash", "async"),
        },
        "/c d": {"*": ("rw",)},
        "/e#f": {"h": ()},
        "/world": {"*": ()},
    }


def test_an_entry_is_exchanged_in_its_place_with_all_its_lines() -> None:
    made = _exports.put(TEXT, "/a b", {"h": ("rw", "sync")})
    assert "\n/a\\040b\th(rw,sync)\n/c\\040d (rw)\n" in made
    assert made.replace("/a\\040b\th(rw,sync)\n", "") == TEXT[: TEXT.index('"/a b"')] + TEXT[TEXT.index("/c\\040d") :]


def test_an_entry_is_taken_out_and_the_rest_stays_byte_for_byte() -> None:
    assert _exports.put(TEXT, "/world", None) == TEXT.removesuffix("/world\n")
    assert _exports.put(TEXT, "/nowhere", None) == TEXT
    assert _exports.put("/x h", "/y", {"h": ("ro",)}) == "/x h\n/y\th(ro)\n"


def test_a_slash_at_the_end_of_a_path_says_nothing() -> None:
    assert _exports.parse("/a/ h(ro)\n/ h(ro)\n").keys() == {"/a", "/"}
    assert _exports.put("/a/ h(ro)\n", "/a", None) == ""


@given(st.text(max_size=80))
def test_any_text_is_read_and_put_together_again(text: str) -> None:
    assert "".join(entry.raw for entry in _exports.entries(text)) == text


@given(st.text(st.sampled_from('/ab "\\\n#(),-\t=040x'), max_size=60))
def test_files_full_of_signs_are_read_and_put_together_again(text: str) -> None:
    assert "".join(entry.raw for entry in _exports.entries(text)) == text


PATH = st.text(st.characters(codec="utf-8", exclude_characters='\0\n"\\,'), min_size=1, max_size=12).map(
    lambda text: "/" + text.strip("/")
)
HOST = st.sampled_from(["*", "*.x.org", "@grp", "10.0.0.0/8", "2001:db8::/64", "on-node1"])
WORDS = st.sampled_from([("ro",), ("rw", "sync"), ("rw", "fsid=0", "sec=krb5:sys", "anonuid=9869")])


@given(PATH, st.dictionaries(HOST, WORDS, min_size=1), st.sampled_from(["", TEXT, "# x", "/q h(ro) \\\n h2\n"]))
def test_what_is_written_reads_as_it_was(path: str, clients: dict[str, Options], text: str) -> None:
    if path in _exports.parse(text):
        return
    made = _exports.put(text, path, clients)
    assert _exports.parse(made) == {**_exports.parse(text), path: clients}
    again = _exports.put(made, path, None)
    assert again == text or again == text + "\n"


TABLE = (
    "rw,sync,wdelay,hide,nocrossmnt,secure,root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,fsid=0,"
    "anonuid=65534,anongid=65534,sec=sys,rw,root_squash,no_all_squash"
)


@pytest.mark.parametrize(
    ("options", "other", "same"),
    [
        ("rw,sync,fsid=0,no_subtree_check", TABLE, True),
        ("fsid=root,rw", TABLE, True),
        ("rw,fsid=0,mp", TABLE, False),
        ("rw", TABLE, False),
        ("ro,fsid=0", TABLE, False),
        ("rw,fsid=0,no_root_squash", TABLE, False),
        ("ro,rw", "rw", True),
        ("", "ro,sync", True),
        ("mp=/x", "mountpoint=/x", True),
        ("no_auth_nlm", "insecure_locks", True),
        ("anonuid=9869", "anonuid=65534", False),
    ],
)
def test_options_are_compared_by_what_they_come_to(options: str, other: str, same: bool) -> None:
    assert (_exports.effective(_exports.split(options)) == _exports.effective(_exports.split(other))) is same


@pytest.mark.parametrize(
    ("host", "other"),
    [
        ("10.0.0.0/255.255.0.0", "10.0.0.0/16"),
        ("10.0.3.4/16", "10.0.0.0/16"),
        ("<world>", "*"),
        ("Node1", "node1"),
        ("2001:DB8::/64", "2001:db8::/64"),
    ],
)
def test_clients_are_compared_by_what_they_mean(host: str, other: str) -> None:
    assert _exports.canonical_host(host) == _exports.canonical_host(other)


def test_what_means_the_same_is_told_in_the_words_of_the_wish() -> None:
    wish = checked_clients({"192.168.43.0/24": ["rw", "sync", "fsid=0"], "node1": ["ro"]})
    found = {"192.168.43.0/255.255.255.0": _exports.split(TABLE), "node1.x.org": ("ro", "no_root_squash")}
    assert alike(found, wish, {"node1": "node1.x.org"}) == {
        ("192.168.43.0/24", ("rw", "sync", "fsid=0")),
        ("node1", ("no_root_squash",)),
    }


@pytest.mark.parametrize(
    "clients",
    [
        {"10.0.0.1": ["rw", "sync"], "@g": ["ro"]},
        [{"10.0.0.1": ["rw", "sync"]}, {"@g": ["ro"]}],
        [{"hosts": "10.0.0.1", "options": ["rw", "sync"]}, {"hosts": ["@g"], "options": "ro"}],
        [{"10.0.0.1": "rw,sync"}, "@g"],
    ],
)
def test_clients_are_taken_in_each_form(clients: object) -> None:
    assert checked_clients(clients) == {("10.0.0.1", ("rw", "sync")), ("@g", ("ro",))}


@pytest.mark.parametrize(
    ("clients", "words"),
    [
        ({"h": ["no_root_sqash"]}, "Did you mean 'no_root_squash'"),
        ({"h": ["rw", "ro"]}, "contradict"),
        ({"h": ["anonuid=1", "anonuid=2"]}, "contradict"),
        ({"h": ["rw) evil(rw"]}, "not an option"),
        ({"h": ["sec=a b"]}, "no blank"),
        ({"h(rw)": ["ro"]}, "not a client"),
        ({"h g": ["ro"]}, "not a client"),
        ({"-rw": ["ro"]}, "not a client"),
        ({"": ["ro"]}, "not a client"),
        ({"h\n/etc": ["ro"]}, "not a client"),
        ({"10.0.0.1/24": ["ro"]}, "host bits set"),
        ({"10.0.0.0/40": ["ro"]}, "not a client"),
        ([{"h": ["ro"]}, {"H": ["rw"]}], "given twice"),
        ([{"hosts": "h", "option": ["ro"]}], "there is no 'option'"),
        ([3], "not clients"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(clients: object, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        checked_clients(clients)


@pytest.mark.parametrize("path", ["/a,b", '/a"b', "/a\nb", "/a\\b"])
def test_a_path_that_the_file_can_not_hold_is_refused(path: str) -> None:
    with pytest.raises(ExportError):
        nfs_export.checked_path(path)
