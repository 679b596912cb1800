"""Packages: installed, removed, purged. All packages of one state are installed at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from modules import pkg
from modules._pkg.debian import Package, satisfies, version_of
from modules.pkg import PackageError, checked_name
from saltern.context import Context
from saltern.converge.plan import Plan, Step, Unset, call
from saltern.converge.state import aggregate, state

INSTALLED = "installed"


class Installed:
    """A package that is there, or should be, in a version that FITS what is wanted or not. TEXT is the version (or what
    is wanted of it), for people; two are equal where both fit, or both don't."""

    __slots__ = ("fits", "text")

    def __init__(self, text: str, fits: bool = True) -> None:
        self.text, self.fits = text, fits

    def __eq__(self, other: object) -> bool:
        return self.fits == other.fits if isinstance(other, Installed) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fits)

    def __repr__(self) -> str:
        return self.text


Packages = Mapping[str, Installed | None]  # None: not there


@state
def installed(
    ctx: Context,
    name: str,
    *,
    pkgs: Sequence[Any] | None = None,
    version: str | int | float | Unset | None = None,
    refresh: bool | None = None,
    fromrepo: str | None = None,
    install_recommends: bool = True,
) -> Plan:
    """The package NAME is installed, or all of PKGS (then NAME is only a name). A virtual package is installed where
    one that provides it is.

    pkgs: names, or `name: version`. version: of NAME; a glob ('1.2*') and comparisons ('>=1.2, <2') will do.
    refresh: fetch the index before something is installed; default: where it is a day old or lacks the package.
    fromrepo: the release to take it from. install_recommends: False leaves out what is only recommended.
    """
    wanted = wishes(name, pkgs, None if isinstance(version, Unset) else version)
    current, wish = installed_values(pkg.known(), wanted)
    return Plan(current, wish, install_steps(current, wish, wanted, refresh, fromrepo, install_recommends))


@state
def latest(
    ctx: Context,
    name: str,
    *,
    pkgs: Sequence[str] | None = None,
    refresh: bool | None = None,
    fromrepo: str | None = None,
    install_recommends: bool = True,
) -> Plan:
    """The package NAME, or all of PKGS, is installed in the newest version that the index has for this node. The index
    is fetched anew only before something is installed: `pkg.refresh_db` does it at any time. Arguments as
    `pkg.installed`."""
    names = list(wishes(name, pkgs, None))
    current, wish, wanted = latest_values(pkg.known(), names, pkg.candidates(names))
    return Plan(current, wish, install_steps(current, wish, wanted, refresh, fromrepo, install_recommends))


@state
def removed(ctx: Context, name: str, *, pkgs: Sequence[str] | None = None) -> Plan:
    """The package NAME, or all of PKGS, is not installed; configuration files may stay."""
    names = list(wishes(name, pkgs, None))
    there = {package.name: Installed(package.version) for package in pkg.known() if package.installed}
    current = {one: there.get(one) for one in names}
    return Plan(current, dict.fromkeys(names), remove_steps(current, purge=False))


@state
def purged(ctx: Context, name: str, *, pkgs: Sequence[str] | None = None) -> Plan:
    """The package NAME, or all of PKGS, is not there, nor its configuration files."""
    names = list(wishes(name, pkgs, None))
    there = {one.name: Installed(one.version if one.installed else "configuration files") for one in pkg.known()}
    current = {one: there.get(one) for one in names}
    return Plan(current, dict.fromkeys(names), remove_steps(current, purge=True))


def wishes(name: str, pkgs: Sequence[Any] | None, version: str | float | None) -> dict[str, str]:
    """The packages that are wanted, with the version each must have ("": any). PackageError for a wrong name."""
    if pkgs is None:
        return {checked_name(name): "" if version is None else str(version)}
    if version is not None:
        raise PackageError("`version` is for one package; in `pkgs` write `- name: version`")
    found: dict[str, str] = {}
    for one in pkgs:
        for package, wanted in one.items() if isinstance(one, Mapping) else [(one, "")]:
            found[checked_name(package)] = "" if wanted is None else str(wanted)
    return found


def installed_values(packages: Sequence[Package], wanted: Mapping[str, str]) -> tuple[Packages, Packages]:
    """What is there of WANTED, and what is to be there."""
    current: dict[str, Installed | None] = {}
    for name, spec in wanted.items():
        have = version_of(packages, name)
        current[name] = None if have is None else Installed(have, not spec or satisfies(have, spec))
    return current, {name: Installed(spec or INSTALLED) for name, spec in wanted.items()}


def latest_values(
    packages: Sequence[Package], names: Sequence[str], newest: Mapping[str, str]
) -> tuple[Packages, Packages, dict[str, str]]:
    """What is there of NAMES, what is to be there, and the versions to ask for; NEWEST are those of the index."""
    current: dict[str, Installed | None] = {}
    wanted: dict[str, str] = {}
    for name in names:
        have = version_of(packages, name)
        wanted[name] = newest.get(name, "")
        current[name] = None if have is None else Installed(have, wanted[name] in ("", have))
    return current, {name: Installed(version or INSTALLED) for name, version in wanted.items()}, wanted


def install_steps(
    current: Packages,
    wish: Packages,
    wanted: Mapping[str, str],
    refresh: bool | None = None,
    fromrepo: str | None = None,
    install_recommends: bool = True,
) -> Iterator[Step]:
    """The one step that installs all that is missing or has another version."""
    todo = {name: spec for name, spec in wanted.items() if current[name] != wish[name]}
    if not todo:
        return
    options: dict[str, Any] = {"pkgs": todo}
    options |= {} if refresh is None else {"refresh": refresh}
    options |= {} if fromrepo is None else {"fromrepo": fromrepo}
    options |= {} if install_recommends else {"install_recommends": False}
    words = ", ".join(f"{name} {spec}".rstrip() for name, spec in todo.items())
    before = {name: current[name] for name in todo}
    after = {name: wish[name] for name in todo}
    yield Step(f"install {words}", before, after, do=call(pkg.install, **options))


@aggregate(of=installed)
def in_one_transaction(steps: Iterable[Step]) -> Iterator[Step]:
    """One installation of all that is installed with the same options; what contradicts it (another version of the
    same package) stays on its own."""
    alike: dict[str, tuple[dict[str, Any], dict[str, str], list[Step]]] = {}
    for step in steps:
        options = dict(step.do.kwargs)
        wanted: Mapping[str, str] = options.pop("pkgs")
        key = repr(sorted(options.items()))
        while any(alike[key][1].get(name, spec) != spec for name, spec in wanted.items()) if key in alike else False:
            key += " again"
        _, pkgs, members = alike.setdefault(key, (options, {}, []))
        pkgs.update(wanted)
        members.append(step)
    for options, pkgs, members in alike.values():
        before = {name: value for step in members for name, value in step.before.items()}
        after = {name: value for step in members for name, value in step.after.items()}
        words = ", ".join(f"{name} {spec}".rstrip() for name, spec in pkgs.items())
        yield Step(f"install {words}", before, after, do=call(pkg.install, pkgs=pkgs, **options))


def remove_steps(current: Packages, *, purge: bool) -> Iterator[Step]:
    """The one step that removes all that is there."""
    todo = tuple(name for name, have in current.items() if have is not None)
    if todo:
        verb = "purge" if purge else "remove"
        before = {name: current[name] for name in todo}
        do = call(pkg.purge if purge else pkg.remove, pkgs=todo)
        yield Step(f"{verb} {', '.join(todo)}", before, dict.fromkeys(todo), do=do)
