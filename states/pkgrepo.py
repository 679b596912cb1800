"""Repositories of packages (apt): that they are there with their key and can be fetched, or are gone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modules import file
from modules._file.contents import Contents
from modules._pkg import openpgp, repos
from modules._pkg.apt_sources import Entry, Part, SourceError, check_alone, found_in
from modules._pkg.openpgp import BadKeyring, Keyring
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from states._file.contents import Checked, origin
from states._file.shared import Attributes, parent_steps

Words = str | Sequence[str] | None
_SETTINGS = ("uri", "dist", "comps", "type", "architectures")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository: its LINE as one of sources.list(5), whether it is DISABLED, the fingerprints of its KEY ("": none),
    and whether it is ALONE in its file."""

    line: str
    disabled: bool | Unset = UNSET
    key: str | Unset = UNSET
    alone: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The file PATH that is to hold DATA: the keys in words, as it HAS them now ("": none) and as they are WANTED."""

    path: str
    data: bytes
    has: str
    wanted: str


@state
def managed(
    ctx: Context,
    name: str,
    *,
    uri: str | None = None,
    dist: str | None = None,
    comps: Words = None,
    type: str | None = None,
    architectures: Words = None,
    file: str | None = None,
    signedby: str | None = None,
    key_url: str | None = None,
    key_text: str | None = None,
    key_hash: str = "",
    skip_verify: bool = False,
    keyid: str | Sequence[str] | None = None,
    keyserver: str | None = None,
    aptkey: bool = True,
    disabled: bool = False,
    enabled: bool = True,
    clean_file: bool = False,
    refresh: bool = True,
    refresh_db: bool = True,
    consolidate: bool = False,
    humanname: str | None = None,
    comments: Words = None,
) -> Plan:
    """apt has the repository NAME, a line like `deb [arch=amd64] https://host/debian bookworm main`, or a mere name
    with `uri`, `dist` and `comps` beside it.

    file: where a new one goes: a name in /etc/apt/sources.list.d, or a full path; `.sources` makes it a stanza; by
    default one that is named after the address. One that is there already is changed where it is.
    clean_file: FILE has nothing else.
    disabled, enabled: whether it is there as a comment.
    comments: a comment beside it.
    refresh: its index is fetched first when it is new or changed; where that fails, no file of apt is touched.
    key_url: its key: `salt://…`, a path, or https://… with key_hash (`sha256:…`), with the whole fingerprint as `keyid`
    or with `skip_verify: True`.
    key_text: the key itself.
    keyid: the end of its fingerprint, which is checked.
    signedby: the file of the key; default: one named after FILE in /etc/apt/keyrings.
    keyserver, consolidate: refused.
    aptkey, humanname: taken for Salt's sake.
    """
    where = repos.places()
    settings: dict[str, Any] = {"uri": uri, "dist": dist, "type": type, "comps": comps, "architectures": architectures}
    settings |= {"disabled": disabled or not enabled, "comments": comments or ()}
    entry = repos.entry_of(name, **settings, signedby=signedby)
    place = repos.file_for(where, file, entry)
    key = None
    if key_url or key_text:
        path = entry.signed_by or f"{where.keys}/{os.path.basename(place).rpartition('.')[0]}.gpg"
        entry = repos.entry_of(name, **settings, signedby=path)
        if key_url and _missing(key_url):
            return Plan(None, None, unknown=f"there is no key {key_url} on this node")
        ids = [keyid] if isinstance(keyid, str) else list(keyid or ())
        key = _key(ctx, path, key_url, key_text, Checked(key_hash, skip=skip_verify), ids)
    files = repos.files(where)
    found = found_in({place: files.get(place, [])} if clean_file else files, entry)
    if found is not None:
        place = found[0]
    return _managed(place, found, entry, key, files, clean=clean_file, refresh=refresh and refresh_db)


@check(of=managed)
def _check_managed(name: str, **given: Any) -> None:
    if given.get("consolidate"):
        raise SourceError("`consolidate` would rewrite repositories that this state does not name; it is not there")
    if given.get("keyserver") or (given.get("keyid") and not given.get("key_url") and not given.get("key_text")):
        raise SourceError(
            "no key server is asked, since anybody may send it any key: give the key by `key_url` (salt://…, or "
            "https://… with `key_hash`) or `key_text`; `keyid` is then checked against it"
        )
    if given.get("key_url") and given.get("key_text"):
        raise SourceError("`key_url` and `key_text` say two different things: name one of them")
    if given.get("clean_file") and not given.get("file"):
        raise SourceError("`clean_file` empties a file: name it by `file`")
    for one in [given["keyid"]] if isinstance(given.get("keyid"), str) else given.get("keyid") or ():
        openpgp.normal_keyid(one)
    settings: dict[str, Any] = {key: given.get(key) for key in (*_SETTINGS, "signedby")}
    repos.entry_of(name, **settings)


@state
def absent(
    ctx: Context,
    name: str,
    *,
    uri: str | None = None,
    dist: str | None = None,
    comps: Words = None,
    type: str | None = None,
    architectures: Words = None,
    keyid: str | Sequence[str] | None = None,
    refresh: bool = True,
) -> Plan:
    """No file of apt has the repository NAME (a line, as `pkgrepo.managed` takes it), be it disabled. Where NAME has
    components, those alone go. A file that is empty then is deleted; the key stays (`file.absent` takes it away).
    keyid, refresh: taken for Salt's sake."""
    gone = repos.entry_of(name, uri=uri, dist=dist, type=type, comps=comps, architectures=architectures, partial=True)
    files = repos.files(repos.places())
    found = repos.removals(files, gone)
    steps = []
    for path, old, left in found:
        check_alone(files[path], path, old)
        words = f"take {old.line} from {path}" if left is None else f"leave {left.line} of {old.line} in {path}"
        after = None if left is None else left.line
        steps.append(Step(words, old.line, after, do=call(repos.drop_entry, path, old, left)))
    return Plan([old.line for _, old, _ in found], [], steps)


@check(of=absent)
def _check_absent(name: str, **given: Any) -> None:
    settings: dict[str, Any] = {key: given.get(key) for key in _SETTINGS}
    repos.entry_of(name, **settings, partial=True)


def _managed(
    place: str,
    found: tuple[str, Entry] | None,
    entry: Entry,
    key: Key | None,
    files: Mapping[str, Sequence[Part]],
    *,
    clean: bool,
    refresh: bool,
) -> Plan:
    """The plan after which the file PLACE has ENTRY, in the place of what was FOUND, and KEY is there."""
    old = None if found is None else found[1]
    alone = [one for part in files.get(place, ()) for one in part.entries] == [old]
    wish = Repository(
        line=entry.line,
        disabled=entry.disabled,
        key=UNSET if key is None else key.wanted,
        alone=True if clean else UNSET,
    )
    current = None
    if old is not None:
        current = Repository(
            line=entry.line if old.same(replace(entry, disabled=old.disabled)) else old.line,
            disabled=old.disabled,
            key=UNSET if key is None else key.has,
            alone=alone,
        )
    planned = list(steps(place, old, entry, key, current, wish, refresh=refresh))
    if old is not None and not clean and any(step.do.function is repos.put_entry for step in planned):
        check_alone(files[place], place, old)
    return Plan(current, wish, planned)


def steps(
    place: str,
    old: Entry | None,
    entry: Entry,
    key: Key | None,
    current: Repository | None,
    wish: Repository,
    *,
    refresh: bool = True,
) -> Iterator[Step]:
    """The steps to ENTRY in the file PLACE: its key first, since the index is checked by it."""
    if key is not None and key.has != key.wanted:
        yield from parent_steps(key.path, Attributes())
        do = call(file.put, key.path, Contents(key.data), mode="0644")
        yield Step(f"write the key {key.wanted} to {key.path}", key.has or None, key.wanted, do=do)
    fetching = ", once its index is fetched" if refresh and not entry.disabled else ""
    clean = not isinstance(wish.alone, Unset)
    moved = current is None or current.line != wish.line or current.disabled != wish.disabled
    if moved or (clean and current is not None and current.alone is not True):
        words = f"add {entry.line} to {place}" if old is None else f"change {old.line} to {entry.line} in {place}"
        if not moved:
            words = f"leave {entry.line} alone in {place}"
        elif old is not None and old.line == entry.line:
            words = f"{'disable' if entry.disabled else 'enable'} {entry.line} in {place}"
        do = call(repos.put_entry, place, old, entry, alone=clean, refresh=refresh)
        yield Step(words + fetching, None if old is None else old.line, entry.line, do=do)
    elif key is not None and key.has != key.wanted and fetching:
        yield Step(f"fetch the index of {entry.line}", None, None, do=call(repos.fetch_index, entry))


def _key(ctx: Context, path: str, url: str | None, text: str | None, proof: Checked, ids: Sequence[str]) -> Key:
    """The key that is wanted in the file PATH, and what is there. BadKeyring where it is none, or not that of IDS."""
    if not path.startswith("/") or "," in path:
        raise SourceError(f"signedby wants the full path of the key's file, not {path!r}")
    have = _there(path)
    pinned = bool(ids) and all(openpgp.is_fingerprint(one) for one in ids)
    remote = url is not None and url.startswith(("http://", "https://"))
    if remote and not proof.source_hash:
        if not pinned and not proof.skip:
            raise SourceError(
                f"{url}: a key from the network needs `key_hash` (sha256:…), its whole fingerprint as `keyid`, or "
                "`skip_verify: True`"
            )
        if have is not None and all(have.has(one) for one in ids):
            return Key(path=path, data=have.data, has=str(have), wanted=str(have))
        proof = proof._replace(skip=True)
    source = url or "key_text"
    try:
        found = openpgp.keyring(_read(ctx, url, proof) if url is not None else (text or "").encode())
    except BadKeyring as error:
        raise BadKeyring(f"{source} is no key for a repository: {error}") from None
    for one in ids:
        if not found.has(one):
            raise BadKeyring(f"{source} is not the key {one}: it has {', '.join(found.fingerprints)}")
    data = openpgp.armored(found.data) if path.endswith(".asc") else found.data
    return Key(path=path, data=data, has=str(have or ""), wanted=str(found))


def _missing(url: str) -> bool:
    """Whether URL is a path of the node, and nothing is there yet."""
    path = url.removeprefix("file://")
    return path.startswith("/") and not os.path.isfile(path)


def _there(path: str) -> Keyring | None:
    """The keys in the file PATH; None where it has none, or none that apt could read by the name of the file."""
    status = file.status(path)
    if status is None:
        return None
    data = file.held(path, status.st_size).data
    if data is None or openpgp.is_armored(data) != path.endswith(".asc"):
        return None
    try:
        return openpgp.keyring(data)
    except BadKeyring:
        return None


def _read(ctx: Context, url: str, proof: Checked) -> bytes:
    local = origin(ctx, url, ctx.saltenv, proof).local(ctx)
    with open(local, "rb") as opened:
        return opened.read(openpgp.BYTES + 1)
