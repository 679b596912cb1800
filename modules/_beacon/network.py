"""The beacon `network_settings`: addresses, bridges, MTU and the like of interfaces that become others, at once, as the
kernel tells (rtnetlink(7), RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from modules._network import netread, rtnl
from saltern.errors import PermanentError, nearest

_GROUPS = (1, 5, 9)  # linux/rtnetlink.h
ATTRIBUTES = ("up", "operstate", "mtu", "address", "master", "ipaddr")
Settings = Mapping[str, Any]


class NetworkSettings:
    """ATTRIBUTES of interfaces. Option `interfaces`: a list of globs, or a mapping of globs to the attributes, each
    with nothing or `onvalue: VALUE`, the only new value that is told."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._wanted = wanted(options)
        self._listener = rtnl.listener(_GROUPS)
        try:
            self._reader = rtnl.Reader()
        except BaseException:
            self._listener.close()
            raise
        self._known = self._now()

    def look(self) -> Iterator[Mapping[str, Any]]:
        """See `Beacon`."""
        try:
            for _ in rtnl.heard(self._listener):
                pass
        except OSError:  # more than the kernel kept: what is now is looked at anyway
            pass
        old, self._known = self._known, self._now()
        yield from changes(old, self._known, self._wanted)

    def fileno(self) -> int | None:
        """See `Beacon`."""
        return self._listener.fileno()

    def close(self) -> None:
        """See `Beacon`."""
        self._listener.close()
        self._reader.close()

    def _now(self) -> dict[str, Settings]:
        links = netread.links(self._reader)
        names = {link.index: link.name for link in links}
        addresses: dict[int, list[str]] = {}
        for one in netread.addresses(self._reader):
            addresses.setdefault(one.index, []).append(one.address)
        return {
            link.name: {
                "up": link.is_up,
                "operstate": link.operstate,
                "mtu": link.mtu,
                "address": link.hwaddr,
                "master": names.get(link.master) if link.master else None,
                "ipaddr": sorted(addresses.get(link.index, ())),
            }
            for link in links
        }


def wanted(options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The attributes by globs of interfaces, each with its option `onvalue` or nothing. PermanentError."""
    for option in options:
        if option != "interfaces":
            raise PermanentError(f"has no option {option!r}.{nearest(option, ('interfaces',))}")
    given = options.get("interfaces", ["*"])
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        given = dict.fromkeys(given)
    if not isinstance(given, Mapping) or not given:
        raise PermanentError("`interfaces` is a list of names, or a mapping of names to attributes")
    return {str(name): _attributes(str(name), attributes) for name, attributes in given.items()}


def _attributes(name: str, given: Any) -> Mapping[str, Any]:
    chosen = dict.fromkeys(ATTRIBUTES) if not given else dict.fromkeys(given) if isinstance(given, list) else given
    if not isinstance(chosen, Mapping):
        raise PermanentError(f"below the interface {name} stand attributes, not {given!r}")
    for attribute, how in chosen.items():
        if attribute not in ATTRIBUTES:
            near = nearest(str(attribute), ATTRIBUTES)
            raise PermanentError(f"{name}: the attributes are {', '.join(ATTRIBUTES)}, not {attribute!r}.{near}")
        if how is not None and not (isinstance(how, Mapping) and set(how) <= {"onvalue"}):
            raise PermanentError(f"{name}: below {attribute} stands nothing or `onvalue: VALUE`, not {how!r}")
    return dict(chosen)


def changes(
    old: Mapping[str, Settings], new: Mapping[str, Settings], wanted: Mapping[str, Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """What to tell of two looks: for each interface the attributes that have another value now, None for one that has
    gone or was not there."""
    for name in sorted({*old, *new}):
        attributes = next((chosen for glob, chosen in wanted.items() if fnmatchcase(name, glob)), {})
        before, after = old.get(name, {}), new.get(name, {})
        change = {
            attribute: {"old": before.get(attribute), "new": after.get(attribute)}
            for attribute, how in attributes.items()
            if before.get(attribute) != after.get(attribute) and (not how or after.get(attribute) == how["onvalue"])
        }
        if change:
            yield {"interface": name, "change": change}
