"""What a node is, named and shaped as Salt's grains.

A grain belongs to a group: the function that finds it together with its kin. `LazyGrains` runs only the groups that
are asked for, so a job that looks at `os` pays for one small file. Static grains (`grains:` in the configuration, and
`ROOT/etc/saltern/grains`) win over what is found, except for `id`.

Nothing here asks the DNS or changes the node. A group that fails is logged and left out. All values are plain
(None, bool, int, float, str, list, dict), so that they can be sent and written as JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from saltern.config import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from saltern.custom.custom import Custom

GROUPS: dict[str, tuple[str, ...]] = {
    "identity:names": ("localhost", "nodename", "host", "fqdn", "domain", "fqdn_ip4", "fqdn_ip6"),
    "identity:master": ("master",),
    "identity:machine": ("machine_id",),
    "system:kernel": ("kernel", "kernelrelease", "kernelversion"),
    "system:distribution": (
        "os", "os_family", "osfullname", "osrelease", "osrelease_info", "osmajorrelease", "oscodename", "osfinger",
        "osarch", "cpuarch", "lsb_distrib_id", "lsb_distrib_release", "lsb_distrib_codename",
        "lsb_distrib_description",
    ),
    "system:init": ("init", "systemd"),
    "system:process": (
        "path", "systempath", "shell", "uid", "gid", "username", "groupname", "pythonversion", "pythonexecutable",
        "pythonpath", "saltern_version",
    ),
    "system:locale": ("locale_info", "timezone"),
    "hardware:cpu": ("num_cpus", "cpu_model", "cpu_flags"),
    "hardware:memory": ("mem_total", "swap_total"),
    "hardware:disks": ("disks", "ssds"),
    "hardware:firmware": (
        "biosversion", "biosreleasedate", "biosvendor", "manufacturer", "productname", "serialnumber", "uuid",
        "boardname", "efi",
    ),
    "virtualisation:virtual": ("virtual", "virtual_subtype"),
    "network:interfaces": (
        "ip_interfaces", "ip4_interfaces", "ip6_interfaces", "ipv4", "ipv6", "hwaddr_interfaces", "bridges",
    ),
    "network:gateways": ("ip_gw", "ip4_gw", "ip6_gw"),
    "network:dns": ("dns",),
    "provision:kvm": ("kvm_usable",),
    "provision:libvirt": ("libvirt_version",),
    "provision:lxc": ("lxc_version",),
    "provision:datastores": ("datastores",),
    "provision:kernel_features": ("vlan_8021q", "nfs_client"),
}  # fmt: skip
"""MODULE:FUNCTION of this package → the names of the grains that it gives. It may leave some out, and gives no other.
The functions take a Config and return a dict; the modules are imported when they are needed."""

_CORE_MODULES = ("identity", "system", "virtualisation")
CORE = (
    *(group for group in GROUPS if group.partition(":")[0] in _CORE_MODULES),
    "hardware:cpu",
    "hardware:memory",
)
"""The groups that say what the node is, all cheap: no network, no disks, no probing of what it could do."""

_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


def own_id(config: Config) -> str:
    """The minion's id: as configured, else as it joined, else the name of the host. ConfigError where that name can't
    be an id."""
    from minion.grains.identity import minion_id

    return minion_id(config)


def collect(config: Config, custom: Custom | None = None) -> dict[str, Any]:
    """All grains, by name, with those that CUSTOM code of the tree finds. ConfigError for static grains that can't be
    read or an id that can't be one."""
    return dict(sorted(LazyGrains(config, custom).items()))


def core(config: Config) -> dict[str, Any]:
    """The grains of the groups CORE, with `id` and the static ones. Errors as `collect`."""
    return dict(sorted({**_found(CORE, config), **_own(config)}.items()))


class LazyGrains(Mapping[str, Any]):
    """The grains of this node, each group looked up once and when it is first asked for. What CUSTOM code of the tree
    finds wins over what Saltern itself finds.

    Iterating, counting and printing need all of them. ConfigError as `collect`, when the first grain is asked for.
    """

    __slots__ = ("_config", "_custom", "_done", "_known")

    def __init__(self, config: Config, custom: Custom | None = None) -> None:
        self._config, self._custom = config, custom
        self._known: dict[str, Any] | None = None
        self._done: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        known = self._values()
        if name not in known:
            group = _GROUP_OF[name]
            self._find(known, [group])
        return known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"LazyGrains({self._all()!r})"

    def _all(self) -> dict[str, Any]:
        known = self._values()
        self._find(known, GROUPS)
        return known

    def _values(self) -> dict[str, Any]:
        if self._known is None:
            own = _own(self._config)
            self._known = dict(own)  # what custom code sees of it while it is asked
            if self._custom is not None:
                found = self._custom.grains(self._config, LazyGrains(self._config))
                self._known = {**self._known, **found, **own}
        return self._known

    def _find(self, known: dict[str, Any], groups: Any) -> None:
        wanted = [group for group in groups if group not in self._done]
        self._done.update(wanted)
        for name, value in _found(wanted, self._config).items():
            known.setdefault(name, value)


def _own(config: Config) -> dict[str, Any]:
    """The static grains and the id."""
    from minion.grains.static import static_grains

    return {**static_grains(config), "id": own_id(config)}


def _found(groups: Any, config: Config) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in groups:
        try:
            found.update(_run(group, config))
        except Exception:  # a node that lacks or forbids something still has all its other grains
            import logging

            logging.getLogger(__name__).exception("the grains of group %s are left out", group)
    return found


def _run(group: str, config: Config) -> dict[str, Any]:
    module, _, function = group.partition(":")
    full = f"{__name__}.{module}"
    __import__(full)
    values: dict[str, Any] = getattr(sys.modules[full], function)(config)
    return values
