"""Files of apt's repositories: read, changed in one place, and otherwise kept as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modules._pkg import apt_sources as sources
from modules._pkg.apt_sources import Entry, SourceError
from modules._pkg.repos import Places, entry_of, file_for, removals
from saltern.errors import SalternError

URI = "https://repo.example/debian"
MAIN = Entry(type="deb", uri=URI, dist="stable", comps=("main",))
FILE = f"""# what the node had
deb {URI} stable main contrib # ours
#deb-src {URI} stable main

deb [ arch=amd64,i386 signed-by=/k.gpg ] http://other.example/x ./
# deb packages are described here
"""
STANZAS = f"""# header

Types: deb
URIs: {URI}
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
# a comment

Types: deb deb-src
URIs: {URI}/a {URI}/b
Suites: one two
Components: main
Architectures: amd64 i386
Enabled: no
"""
_text = st.lists(st.sampled_from([*FILE.splitlines(True), *STANZAS.splitlines(True), "\r\n", "\x0c", "x", "\n"])).map(
    "".join
)


@given(st.one_of(_text, st.text()), st.booleans())
@example(FILE, False)
@example(STANZAS, True)
def test_a_file_that_is_read_and_written_is_the_same(text: str, stanzas: bool) -> None:
    assert sources.rendered(sources.parts(text, stanzas)) == text


_word = st.from_regex(r"[a-z][a-z0-9.+~-]{0,6}", fullmatch=True)
_entries = st.builds(
    Entry,
    type=st.sampled_from(["deb", "deb-src"]),
    uri=st.builds("https://{}/{}".format, _word, _word),
    dist=_word,
    comps=st.lists(_word, min_size=1, max_size=3, unique=True).map(tuple),
    options=st.dictionaries(
        st.sampled_from(["arch", "signed-by", "trusted", "check-valid-until"]), _word, max_size=3
    ).map(lambda found: tuple(found.items())),
    disabled=st.booleans(),
    comment=st.sampled_from(["", "ours", "two words"]),
)


@given(_entries, st.booleans())
def test_an_entry_reads_back_as_it_was_written(entry: Entry, stanzas: bool) -> None:
    text = sources.stanza_of(entry) if stanzas else sources.line_of(entry)
    [part] = sources.parts(text, stanzas)
    [found] = part.entries
    assert found.same(entry)
    assert sources.checked(entry) == entry


@given(_text, _entries, st.booleans())
def test_what_is_added_and_taken_away_leaves_the_rest(text: str, entry: Entry, stanzas: bool) -> None:
    path = "x.sources" if stanzas else "x.list"
    more = sources.with_entry(text, path, None, entry)
    assert more.startswith(text)
    gone = next(one for part in sources.parts(more, stanzas) for one in part.entries if one.same(entry))
    assert sources.without_entry(more, path, gone).strip() == text.strip()


def test_lines_are_entries_also_where_they_are_disabled() -> None:
    found = [part.entries for part in sources.parts(FILE, False)]
    assert [len(entries) for entries in found] == [0, 1, 1, 0, 1, 0]
    first, source, flat = (entries[0] for entries in found if entries)
    assert (first.comps, first.comment) == (("main", "contrib"), "ours")
    assert (source.type, source.disabled) == ("deb-src", True)
    assert (flat.dist, flat.archs, flat.signed_by) == ("./", frozenset({"amd64", "i386"}), "/k.gpg")
    cdrom = sources.parsed("deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main")
    assert cdrom is not None
    assert cdrom.uri == "cdrom:[Debian GNU/Linux 12 _Bookworm_]/"


def test_a_stanza_stands_for_each_of_its_types_addresses_and_suites() -> None:
    _, first, second = sources.parts(STANZAS, True)
    assert [entry.same(replace(MAIN, options=entry.options)) for entry in first.entries] == [True]
    assert "BEGIN PGP" in first.entries[0].signed_by
    assert len(second.entries) == 8
    assert all(entry.disabled and entry.archs == {"amd64", "i386"} for entry in second.entries)


def test_a_change_touches_its_line_alone() -> None:
    old = sources.parts(FILE, False)[1].entries[0]
    new = Entry(type="deb", uri=URI, dist="stable", comps=("main",), disabled=True)
    changed = sources.with_entry(FILE, "x.list", old, new)
    assert changed == FILE.replace(f"deb {URI} stable main contrib # ours", f"# deb {URI} stable main")
    assert sources.with_entry(FILE, "x.list", old, new, alone=True) == f"# deb {URI} stable main\n"


def test_a_stanza_of_several_is_not_changed_for_one() -> None:
    one = sources.parts(STANZAS, True)[2].entries[0]
    with pytest.raises(SourceError, match="together with others"):
        sources.with_entry(STANZAS, "x.sources", one, MAIN)
    with pytest.raises(SourceError, match="together with others"):
        sources.without_entry(STANZAS, "x.sources", one)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"deb {URI} stable main contrib", True),
        (f"deb {URI}/ stable main", True),
        (f"deb {URI} stable non-free", False),
        (f"deb {URI} testing main", False),
        (f"deb-src {URI} stable main", True),
        (f"deb [arch=arm64] {URI} stable main", True),
        ("deb [arch=arm64] http://other.example/x ./", False),
        ("deb [arch=i386] http://other.example/x ./", True),
    ],
)
def test_a_repository_is_found_by_its_address_suite_and_a_part(line: str, found: bool) -> None:
    files = {"x.list": sources.parts(FILE, False)}
    assert (sources.found_in(files, entry_of(line)) is not None) is found


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"deb {URI} stable", [None]),
        (f"deb {URI} stable main", ["contrib"]),
        (f"deb {URI} stable main contrib", [None]),
        (f"deb {URI} stable non-free", []),
        (f"deb-src {URI} stable", [None]),
        ("deb http://other.example/x ./", [None]),
    ],
)
def test_components_that_are_named_go_alone(line: str, left: list[str | None]) -> None:
    found = removals({"x.list": sources.parts(FILE, False)}, entry_of(line, partial=True))
    assert [None if entry is None else " ".join(entry.comps) for _, _, entry in found] == left


def test_arguments_win_over_the_line() -> None:
    entry = entry_of(
        "deb http://x.example/d stable main", dist="testing", comps="a,b", architectures=["amd64", "arm64"]
    )
    assert entry.line == "deb [arch=amd64,arm64] http://x.example/d testing a b"
    entry = entry_of(
        "mine", uri=URI, dist="stable", comps=["main"], signedby="/k.gpg", disabled=True, comments=["a", "b"]
    )
    assert sources.line_of(entry) == f"# deb [signed-by=/k.gpg] {URI} stable main # a b\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deb", "it reads"),
        ("mine", "it reads"),
        ("deb stable main", "it reads"),
        (f"deb {URI} stable", "lacks components"),
        (f"deb {URI} ./ main", "has no components"),
        (f"deb [arch] {URI} stable main", "it reads"),
        (f"deb {URI} stable main\ndeb http://evil.example x y", "it reads"),
        ("ppa:me/mine", "write the archive as its line"),
    ],
)
def test_what_names_no_repository_is_refused(name: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        entry_of(name)


@pytest.mark.parametrize(
    "part", [{"comps": ["a\nb"]}, {"dist": "a b"}, {"uri": "nix"}, {"type": "rpm"}, {"signedby": "a b"}]
)
def test_a_part_that_would_write_something_else_is_refused(part: dict[str, str]) -> None:
    with pytest.raises(SourceError):
        entry_of(f"deb {URI} stable main", **part)  # type: ignore[arg-type]


def test_a_file_is_one_that_apt_reads() -> None:
    where = Places("/e/sources.list", "/e/sources.list.d", "/e/keyrings")
    assert file_for(where, None, MAIN) == "/e/sources.list.d/repo.example_debian.list"
    assert file_for(where, "x", MAIN) == "/e/sources.list.d/x.list"
    assert file_for(where, "x.sources", MAIN) == "/e/sources.list.d/x.sources"
    assert file_for(where, "/e/sources.list.d/x.list", MAIN) == "/e/sources.list.d/x.list"
    assert file_for(where, "/e/sources.list", MAIN) == "/e/sources.list"
    for name in ("/etc/passwd", "../x", "a b", "/e/sources.list.d/../../x.list"):
        with pytest.raises(SalternError, match="apt does not read"):
            file_for(where, name, MAIN)
