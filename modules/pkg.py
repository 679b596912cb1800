"""Packages, by dpkg and apt.

Nothing is ever asked: configuration files that were changed on the node are kept (`--force-confold`), and a lock that
another apt holds is waited for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from modules import _run
from modules._pkg.debian import FORMAT, Package, compare, is_comparison, is_name, parse_policy, parse_status, version_of
from modules._pkg.repos import del_repo, get_repo, list_repos, mod_repo
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading

__all__ = ["del_repo", "get_repo", "list_repos", "mod_repo"]  # functions of this namespace that lie elsewhere

LISTS = "/var/lib/apt/lists"
STALE_S = 86400.0  # an index older than this is fetched anew before something is installed
LOCK_S = 120  # how long to wait for another apt
TIMEOUT_S = 1800.0  # for a slow mirror and many packages
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "LC_ALL": "C"}
_OPTIONS = (
    "--quiet",
    "--assume-yes",
    f"--option=DPkg::Lock::Timeout={LOCK_S}",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
)


class PackageError(PermanentError):
    """A package can't be looked at, installed or removed."""


@reading
def known() -> list[Package]:
    """All packages that dpkg knows, for states. PackageError where there is no dpkg."""
    if _run.which("dpkg-query") is None:
        raise PackageError("there is no dpkg-query: packages are managed on Debian and its like only, for now")
    return parse_status(_run.checked(["dpkg-query", "--show", f"--showformat={FORMAT}"]))


@reading
def list_pkgs() -> dict[str, str]:
    """The installed packages with their versions, as {name: version}."""
    return {package.name: package.version for package in sorted(known(), key=lambda p: p.name) if package.installed}


@reading
def version(*names: str) -> str | dict[str, str]:
    """The installed version of a package, "" where it is not installed; of several, {name: version}. A virtual package
    counts as installed where one that provides it is."""
    packages = known()
    found = {name: version_of(packages, checked_name(name)) or "" for name in names}
    return found[names[0]] if len(names) == 1 else found


@reading
def latest_version(*names: str) -> str | dict[str, str]:
    """The version that apt would install, "" where that is installed already or there is none; of several,
    {name: version}."""
    packages, newest = known(), candidates(names)
    found = {}
    for name in names:
        candidate = newest.get(name, "")
        found[name] = "" if candidate == version_of(packages, name) else candidate
    return found[names[0]] if len(names) == 1 else found


@reading
def upgrade_available(name: str) -> bool:
    """Whether the index has a newer version of the installed package NAME."""
    return bool(version(name)) and bool(latest_version(name))


@reading
def version_cmp(pkg1: str, pkg2: str) -> int:
    """-1, 0 or 1, as the version PKG1 is earlier than, the same as or later than PKG2."""
    return compare(str(pkg1), str(pkg2))


@reading
def candidates(names: Sequence[str]) -> dict[str, str]:
    """The version of each of NAMES that apt would install, also where it is installed; those it knows, for states."""
    return parse_policy(_run.checked(["apt-cache", "policy", "--", *map(checked_name, names)]))


@acting
def refresh_db() -> bool:
    """Fetch the index of packages anew."""
    _apt("update")
    return True


@acting
def install(
    name: str | None = None,
    *,
    pkgs: Sequence[str] | Mapping[str, str] = (),
    version: str | None = None,
    refresh: bool | None = None,
    fromrepo: str | None = None,
    install_recommends: bool = True,
) -> dict[str, dict[str, str]]:
    """Install the package NAME, or all of PKGS (names, or {name: version}) at once: {name: {"old", "new"}} of all that
    changed. REFRESH fetches the index first; None does so where it is missing or a day old, or a package is not in
    it."""
    wanted = dict(pkgs) if isinstance(pkgs, Mapping) else dict.fromkeys(pkgs, "")
    if name:
        wanted[name] = version or ""
    if not wanted:
        raise PackageError("name a package to install")
    words = [f"{checked_name(p)}={v}" if v and not is_comparison(v) else checked_name(p) for p, v in wanted.items()]
    extra = [f"--target-release={fromrepo}"] if fromrepo else []
    if not install_recommends:
        extra.append("--no-install-recommends")
    if any(wanted.values()):
        extra.append("--allow-downgrades")  # a version that was named is meant, be it an older one
    before = list_pkgs()
    fresh = refresh or (refresh is None and index_is_stale())
    if fresh:
        _apt("update")
    try:
        _apt("install", *extra, "--", *words)
    except PackageError as error:
        if fresh or refresh is False or not _not_in_index(str(error)):
            raise
        _apt("update")
        _apt("install", *extra, "--", *words)
    return _changes(before, list_pkgs())


@acting
def remove(name: str | None = None, *, pkgs: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Remove the package NAME, or all of PKGS, and keep their configuration files: {name: {"old", "new"}}."""
    return _removed("remove", name, pkgs)


@acting
def purge(name: str | None = None, *, pkgs: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Remove the package NAME, or all of PKGS, with their configuration files: {name: {"old", "new"}}."""
    return _removed("purge", name, pkgs)


def _removed(verb: str, name: str | None, pkgs: Sequence[str]) -> dict[str, dict[str, str]]:
    names = [checked_name(one) for one in ([name] if name else []) + list(pkgs)]
    if not names:
        raise PackageError(f"name a package to {verb}")
    before = list_pkgs()
    _apt(verb, "--", *names)
    return _changes(before, list_pkgs())


def checked_name(name: str) -> str:
    """NAME if it can be the name of a package; PackageError otherwise."""
    if not isinstance(name, str) or not is_name(name):
        raise PackageError(f"not the name of a package: {name!r}")
    return name


def index_is_stale(lists: str = LISTS, now: float | None = None) -> bool:
    """Whether apt's index below LISTS is missing or older than STALE_S at NOW (seconds since 1970)."""
    try:
        with os.scandir(lists) as entries:
            times = [entry.stat().st_mtime for entry in entries if entry.is_file() and entry.name != "lock"]
            folder = os.stat(lists).st_mtime
    except OSError:
        return True
    return not times or (time.time() if now is None else now) - max(*times, folder) > STALE_S


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, dict[str, str]]:
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return {name: {"old": before.get(name, ""), "new": after.get(name, "")} for name in names}


def _not_in_index(said: str) -> bool:
    return any(sign in said for sign in ("Unable to locate package", "has no installation candidate", "404  Not Found"))


def _apt(*words: str) -> str:
    try:
        return _run.checked(["apt-get", *_OPTIONS, *words], timeout_s=TIMEOUT_S, env=_ENVIRONMENT)
    except _run.CommandError as error:
        raise PackageError(_worded(words, str(error))) from None


def _worded(words: Sequence[str], said: str) -> str:
    """What apt said, without its command line, and a near name where it knows no such package."""
    told = [line.removeprefix("E: ") for line in said.splitlines()[1:] if line.startswith("E: ")]
    text = "\n".join([f"apt-get {words[0]} failed: {told[0]}", *told[1:]]) if told else said
    unknown = said.partition("Unable to locate package ")[2].partition("\n")[0].strip()
    if unknown and is_name(unknown):
        text += nearest(unknown, _names_like(unknown))
    return text


def _names_like(name: str) -> list[str]:
    """The names of packages in the index that begin as NAME does."""
    try:
        return _run.checked(["apt-cache", "pkgnames", name[:3]]).split()
    except _run.CommandError:
        return []
