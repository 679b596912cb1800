"""Whether the options that a user names hold for a mount that the kernel shows. Pure.

The kernel adds options of its own (`relatime`, `vers=4.2`, `addr=…`) and leaves out what is the default or was meant
for mount(8) alone (`defaults`, `_netdev`, `x-systemd.*`). So the flags that every file system knows are compared as a
whole (what is not named is the default, mount(8)), and of a file system's own options those that are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from modules._mount.table import Live
from saltern.errors import PermanentError


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# mount(8), nfs(5): read by programs, and not shown again by the kernel
_FOR_PROGRAMS = _set(
    "defaults auto noauto nofail _netdev bg fg intr nointr silent loud bind rbind remount nouser nousers "
    "noowner nogroup rw suid dev exec async relatime diratime symfollow nolazytime nomand norelatime "
    "nostrictatime"
)
_PROGRAM_KEYS = re.compile(
    r"(x-[^=]*|X-[^=]*|comment|retry|u?helper|loop|offset|sizelimit|mountproto|mountport|mounthost|mountaddr|mountvers)"
    r"(=.*)?"
)
_MEANT = {  # what one option stands for, mount(8)
    "user": ("noexec", "nosuid", "nodev"),
    "users": ("noexec", "nosuid", "nodev"),
    "owner": ("nosuid", "nodev"),
    "group": ("nosuid", "nodev"),
    "noac": ("noac", "sync"),  # nfs(5)
}
_UNDONE = {  # a later word that takes an earlier one back
    "rw": ("ro",),
    "suid": ("nosuid",),
    "dev": ("nodev",),
    "exec": ("noexec",),
    "async": ("sync",),
    "diratime": ("nodiratime",),
    "symfollow": ("nosymfollow",),
    "nolazytime": ("lazytime",),
    "relatime": ("noatime", "strictatime"),
    "atime": ("noatime",),
    "noatime": ("strictatime",),
    "strictatime": ("noatime",),
    "defaults": ("ro", "nosuid", "nodev", "noexec", "sync"),
}
# of every file system; the kernel shows one exactly where it is on
FLAGS = _set("ro nosuid nodev noexec sync dirsync noatime nodiratime nosymfollow lazytime mand")
_FLAG_DEFAULTS = {
    "ro": "rw",
    "nosuid": "suid",
    "nodev": "dev",
    "noexec": "exec",
    "sync": "async",
    "nodiratime": "diratime",
    "nosymfollow": "symfollow",
    "lazytime": "nolazytime",
}
_NFS_FLAGS = _set("soft softerr softreval noac nocto noacl nosharecache noresvport nordirplus")
_SAME = {
    "nfsvers": "vers",
    "tcp": "proto=tcp",
    "udp": "proto=udp",
    "tcp6": "proto=tcp6",
    "udp6": "proto=udp6",
    "rdma": "proto=rdma",
    "lookupcache=positive": "lookupcache=pos",
}
_ACTIMEO = ("acregmin", "acregmax", "acdirmin", "acdirmax")
_UNSHOWN = {  # what the kernel does not show where it is so: the defaults of nfs(5), tmpfs(5), ext4(5), xfs(5)
    "nfs": _set(
        "lock ac cto acl sharecache resvport rdirplus nosoftreval acregmin=3 acregmax=60 acdirmin=30 "
        "acdirmax=60 lookupcache=all port=2049 nomigration nofsc"
    ),
    "tmpfs": _set("mode=1777 uid=0 gid=0 huge=never swap"),
    "ext4": _set("acl user_xattr barrier barrier=1 delalloc data=ordered auto_da_alloc nodiscard"),
    "xfs": frozenset(["barrier", "nodiscard", "ikeep", "noikeep"]),
}
_NETWORK = ("nfs", "cifs", "smb", "9p", "ceph", "fuse")
_READ_ONLY = _set("iso9660 squashfs erofs cramfs romfs")
_NFS4_IGNORED = _set("nolock noacl local_lock")  # accepted for NFS 4, without effect and not shown
_TMPFS_LIMITS = _set("size nr_inodes nr_blocks huge mpol")  # its owner and mode stay as they were mounted, tmpfs(5)
_AT_MOST = ("rsize", "wsize")  # asked for; the server may grant less, nfs(5)
_SIZES = {"k": 1, "m": 1024, "g": 1024**2, "t": 1024**3}


class MountOptionError(PermanentError, ValueError):
    """An option or a device has a character that would make two of one, or end the line."""


def listed(opts: str | Iterable[str]) -> tuple[str, ...]:
    """The options in order, from `a,b` or [a, b]. MountOptionError for a blank, a newline, or a comma in one."""
    words = opts.split(",") if isinstance(opts, str) else list(opts)
    found = tuple(word for word in (str(word).strip(" ") for word in words) if word)
    for word in found:
        if any(char in word for char in ", \\\"'") or not word.isprintable():
            raise MountOptionError(f"not a mount option: {word!r} (no comma, blank, quote or backslash may be in one)")
    return found


def compared(opts: Sequence[str], fstype: str = "", may: frozenset[str] = frozenset()) -> frozenset[str]:
    """What OPTS ask for, as far as it can be compared: in their order, a later one taking an earlier one back; `rw`
    unless `ro` (or unless it MAY be `ro` all the same), and NFS's `hard` unless `soft`."""
    kept: dict[str, None] = {}
    for word in opts:
        for gone in _UNDONE.get(word, ()):
            kept.pop(gone, None)
        for meant in _meant(word):
            _drop_key(kept, meant)
            kept[meant] = None
    if fstype.startswith("nfs") and not {"soft", "softerr"} & kept.keys():
        kept["hard"] = None
    if "ro" not in kept and "ro" not in may:
        kept["rw"] = None
    return frozenset(kept)


def is_bind(opts: Sequence[str]) -> bool:
    """Whether OPTS mount a part of the tree once more at another place."""
    return "bind" in opts or "rbind" in opts


def unasked(opts: Sequence[str], fstype: str, source: frozenset[str] = frozenset()) -> frozenset[str]:
    """Flags that may be on though OPTS do not name them: a bind mount takes over those of its SOURCE, FUSE has
    `nosuid,nodev` by itself, some file systems can only be read."""
    may: frozenset[str] = frozenset()
    if is_bind(opts):
        may = source & FLAGS
    elif fstype.startswith("fuse"):
        may = frozenset({"nosuid", "nodev"})
    elif fstype in _READ_ONLY:
        may = frozenset({"ro"})
    return may.difference(*(_UNDONE.get(word, ()) for word in opts if word != "defaults"))


def _meant(word: str) -> tuple[str, ...]:
    if word in _FOR_PROGRAMS or _PROGRAM_KEYS.fullmatch(word) or word == "atime":
        return ()
    if word in _MEANT:
        return _MEANT[word]
    word = _SAME.get(word, word)
    key, equals, value = word.partition("=")
    if key == "actimeo" and equals:
        return tuple(f"{name}={value}" for name in _ACTIMEO)
    return (f"{_SAME.get(key, key)}={value}",) if equals else (word,)


def _drop_key(kept: dict[str, None], word: str) -> None:
    """The last of two values for one key counts."""
    key, equals, _ = word.partition("=")
    if equals:
        for other in [other for other in kept if other.partition("=")[0] == key]:
            del kept[other]


def holding(wish: frozenset[str], live: Live, may: frozenset[str] = frozenset()) -> frozenset[str]:
    """LIVE's options in the words of WISH: those of WISH that hold, what LIVE has instead of one that does not, and
    flags that LIVE has and WISH does not, but for those that MAY be there."""
    shown = {word.partition("=")[0]: word for word in live.options}
    found = set(live.options & (FLAGS | {"rw"} | (_NFS_FLAGS if live.fstype.startswith("nfs") else frozenset())))
    for word in wish:
        key, equals, _ = word.partition("=")
        if _holds(word, live):
            found.add(word)
        elif equals and key in shown:
            found.add(shown[key])
    left_alone = may | {"rw"} if "ro" in may else may
    return frozenset(found - (left_alone - wish))


def can_remount(was: frozenset[str], wish: frozenset[str], fstype: str) -> bool:
    """Whether the difference can be applied to the mount as it stands: flags can; for NFS and other network file
    systems nothing else (nfs(5), "The remount option"), for tmpfs its limits."""
    others = (was ^ wish) - FLAGS - {"rw", "strictatime"}
    if fstype == "tmpfs":
        return {word.partition("=")[0] for word in others} <= _TMPFS_LIMITS
    return not others or not fstype.startswith(_NETWORK)


def for_remount(opts: Sequence[str], was: frozenset[str], fstype: str = "") -> tuple[str, ...]:
    """OPTS with the default said aloud for each flag of WAS that goes: a remount may keep what it is not told."""
    asked = compared(opts, fstype)
    said = [default for flag, default in _FLAG_DEFAULTS.items() if flag in was - asked]
    if not asked & {"noatime", "strictatime"} and (not is_bind(opts) or "noatime" in was):
        said.append("relatime")
    return (*said, *(word for word in opts if word not in said and word != "defaults"))


def keeping(opts: Sequence[str], live: Live) -> tuple[str, ...]:
    """OPTS for the remount of a bind mount, with the flags of LIVE that they do not speak of: mount(2) drops what it is
    not told."""
    spoken = {gone for word in opts for gone in _UNDONE.get(word, ())} | set(opts)
    return (*opts, *sorted((live.options & (FLAGS | {"relatime"})) - spoken))


def _holds(word: str, live: Live) -> bool:
    """Whether WORD of a wish is so for LIVE."""
    if word in live.options:
        return True
    kind = "nfs" if live.fstype.startswith("nfs") else live.fstype
    if word == "strictatime":
        return not {"noatime", "relatime"} & live.options
    key, equals, value = word.partition("=")
    if live.fstype == "nfs4" and key in _NFS4_IGNORED:
        return True
    shown = {w.partition("=")[0]: w.partition("=")[2] for w in live.options if "=" in w}
    if not equals:
        return word in _UNSHOWN.get(kind, ()) and not {f"no{word}", word.removeprefix("no")} & live.options
    if key == "minorversion":
        return shown.get("vers", "").partition(".")[2] == value
    if key not in shown:
        return word in _UNSHOWN.get(kind, ()) or (kind == "tmpfs" and key == "mode" and value.lstrip("0") == "1777")
    return _same_value(key, value, shown[key])


def _same_value(key: str, value: str, have: str) -> bool:
    if key == "vers":
        return have.startswith(value + ".") or value == have + ".0"
    if key == "mode":
        return have.lstrip("0") == value.lstrip("0")
    if key in _AT_MOST:
        return value.isdigit() and have.isdigit() and int(have) <= int(value)
    if key in ("size", "nr_inodes", "nr_blocks"):
        return value.endswith("%") or (_amount(value) is not None and _amount(have) == _amount(value))
    return False


def _amount(text: str) -> int | None:
    """A number with one of tmpfs's suffixes, in bytes."""
    unit = text[-1:].lower()
    number = text[:-1] if unit in _SIZES else text
    if not number.isascii() or not number.isdigit():
        return None
    return int(number) * _SIZES[unit] * 1024 if unit in _SIZES else int(number)
