"""What NetworkManager on this node has of its own: the profiles of others, and what it does without one.

nm-settings-keyfile(5), NetworkManager.conf(5). Paths are relative to the root.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from modules._network.netlink import look
from modules._persist import match
from modules._run import run, which

FOLDERS = tuple(f"{place}/NetworkManager/system-connections" for place in ("etc", "run", "usr/lib"))
_OWN = "saltern-"
_RUNNING = "/run/NetworkManager"  # a folder that it makes when it starts
_LOAD_S = 20.0
_ETHERNET = ("ethernet", "802-3-ethernet")


def own(root: str) -> Iterator[tuple[str, str]]:
    """(path, text) of each profile that was made here."""
    for entry in match.listed(f"{root}/{FOLDERS[0]}"):
        if entry.startswith(_OWN):
            yield f"{FOLDERS[0]}/{entry}", match.text_of(f"{root}/{FOLDERS[0]}/{entry}")


def named(root: str, name: str) -> Iterator[str]:
    """The profiles of others for the interface NAME alone."""
    yield from _named(_of_others(root), name)


def fitting(root: str, name: str) -> Iterator[str]:
    """The profiles of others that the interface NAME may get at boot: those for it alone, and, where it is hardware,
    those for any Ethernet interface."""
    others = list(_of_others(root))
    yield from _named(others, name)
    if os.path.exists(f"{match.SYS}/{name}/device"):
        for path, text in others:
            if _is_for_any(text, name):
                yield path


def _named(profiles: Iterable[tuple[str, str]], name: str) -> Iterator[str]:
    return (path for path, text in profiles if match.value(text, "connection", "interface-name") == name)


def _is_for_any(text: str, name: str) -> bool:
    """Whether the profile TEXT names no interface and has no condition that NAME fails."""
    if match.value(text, "connection", "type") not in _ETHERNET:
        return False
    if match.value(text, "connection", "autoconnect") == "false":
        return False
    if match.value(text, "connection", "interface-name"):
        return False
    macs = [found for section in _ETHERNET if (found := match.value(text, section, "mac-address"))]
    return not macs or match.text_of(f"{match.SYS}/{name}/address").strip().lower() in [mac.lower() for mac in macs]


def _of_others(root: str) -> Iterator[tuple[str, str]]:
    """(path, text) of each profile that was not made here, nor by NetworkManager itself: it describes so what it finds
    in the kernel, and forgets it at the next boot."""
    for folder in FOLDERS:
        for entry in match.listed(f"{root}/{folder}"):
            path = f"{folder}/{entry}"
            if path.startswith(f"{FOLDERS[0]}/{_OWN}"):
                continue
            text = match.text_of(f"{root}/{path}")
            if match.value(text, ".nmmeta", "nm-generated") != "true":
                yield path, text


def is_ethernet(name: str) -> bool:
    """Whether a profile for Ethernet is one for the interface NAME, so far as it is there. NetworkManager leaves veths
    alone unless they are named like hardware (its udev rules), and has types of their own for the other kinds."""
    link = look().find(name)
    return link is None or (not link.kind and name != "lo") or (link.kind == "veth" and name.startswith("eth"))


def in_force(root: str, uuid: str) -> bool:
    """Whether an interface has the profile UUID now, by what NetworkManager notes of each device."""
    folder = f"{root}/run/NetworkManager/devices"
    return any(
        match.value(match.text_of(f"{folder}/{name}"), "device", "connection-uuid") == uuid
        for name in match.listed(folder)
    )


def load(paths: Sequence[str]) -> None:
    """Have NetworkManager read the files PATHS. One that does not run reads them when it starts."""
    if paths and which("nmcli") is not None:
        run(["nmcli", "connection", "load", *paths], timeout_s=_LOAD_S)


def wait_started(timeout_s: float) -> bool:
    """Wait until NetworkManager, if it runs, has done what it does at boot; False after TIMEOUT_S seconds."""
    if not os.path.isdir(_RUNNING) or which("nm-online") is None:
        return True
    argv = ["nm-online", "--wait-for-startup", "--quiet", "--timeout", str(int(timeout_s))]
    return run(argv, timeout_s=timeout_s + 5).code == 0


def asks(root: str, name: str) -> bool:
    """Whether NetworkManager would ask DHCP and routers for addresses of the Ethernet interface NAME if it had no
    profile: it does, unless `no-auto-default` in [main] has it."""
    words: list[str] = []
    for path in _configuration(root):
        for section, key, value in match.settings(match.text_of(f"{root}/{path}")):
            if section == "main" and key in ("no-auto-default", "no-auto-default+"):
                words = [*(words if key.endswith("+") else ()), *value.replace(";", ",").split(",")]
    return not any(_names(word.strip(), name) for word in words)


def _configuration(root: str) -> Iterator[str]:
    """The files of the configuration, the one that counts most last. One in /etc hides others of its name."""
    folders = [f"{place}/NetworkManager/conf.d" for place in ("usr/lib", "run", "etc")]
    listed = {
        folder: [entry for entry in match.listed(f"{root}/{folder}") if entry.endswith(".conf")] for folder in folders
    }
    for number, folder in enumerate(folders):
        hidden = {entry for later in folders[number + 1 :] for entry in listed[later]}
        if folder.startswith("etc/"):
            yield "etc/NetworkManager/NetworkManager.conf"
        yield from (f"{folder}/{entry}" for entry in listed[folder] if entry not in hidden)


def _names(word: str, name: str) -> bool:
    """Whether WORD of a list of devices is about NAME: `*`, `interface-name:PATTERN`, a name, a MAC address."""
    kind, _, pattern = word.partition(":")
    if kind == "interface-name":
        return fnmatchcase(name, pattern.removeprefix("="))
    mac = match.text_of(f"{match.SYS}/{name}/address").strip().lower()
    return word in ("*", name) or (bool(mac) and word.lower() in (mac, f"mac:{mac}"))
