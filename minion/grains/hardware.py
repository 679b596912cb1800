"""The machine: processors, memory, disks, firmware."""

from __future__ import annotations

import os
from typing import Any

from minion.grains import read
from saltern.config import Config

_DMI = {
    "biosversion": "bios_version",
    "biosreleasedate": "bios_date",
    "biosvendor": "bios_vendor",
    "manufacturer": "sys_vendor",
    "productname": "product_name",
    "serialnumber": "product_serial",
    "uuid": "product_uuid",
    "boardname": "board_name",
}
"""Grain → file in /sys/class/dmi/id."""

_NO_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtdblock")


def cpu(config: Config) -> dict[str, Any]:
    """/proc/cpuinfo."""
    return {"num_cpus": os.cpu_count() or 1, **parse_cpuinfo(read.text("/proc/cpuinfo"))}


def parse_cpuinfo(source: str) -> dict[str, Any]:
    """`cpu_model` and `cpu_flags` of the first processor in the text of /proc/cpuinfo: "model name" and "flags" on
    x86 and UML, "Features" on ARM, "cpu" on POWER."""
    fields: dict[str, str] = {}
    for entry in source.split("\n"):
        name, _, value = entry.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    model = fields.get("model name") or fields.get("cpu") or fields.get("cpu model") or fields.get("uarch") or ""
    flags = fields.get("flags", fields.get("features", ""))
    return {"cpu_model": model, "cpu_flags": flags.split()}


def memory(config: Config) -> dict[str, Any]:
    """/proc/meminfo."""
    return parse_meminfo(read.text("/proc/meminfo"))


def parse_meminfo(source: str) -> dict[str, Any]:
    """`mem_total` and `swap_total` in whole MiB."""
    found = {}
    for entry in source.split("\n"):
        words = entry.split()
        if len(words) > 1 and words[1].isdigit() and words[0] in ("MemTotal:", "SwapTotal:"):
            found["mem_total" if words[0] == "MemTotal:" else "swap_total"] = int(words[1]) // 1024
    return found


def disks(config: Config) -> dict[str, Any]:
    """The disks that turn (`disks`) and those that don't (`ssds`), by /sys/block."""
    names = [name for name in read.listing("/sys/block") if not name.startswith(_NO_DISKS)]
    turning = {name: read.line(f"/sys/block/{name}/queue/rotational") for name in names}
    return {
        "disks": [name for name in names if turning[name] == "1"],
        "ssds": [name for name in names if turning[name] == "0"],
    }


def firmware(config: Config) -> dict[str, Any]:
    """What the firmware says of the machine (SMBIOS by /sys/class/dmi/id); what it does not say is left out."""
    found = {grain: read.line(f"/sys/class/dmi/id/{file}") for grain, file in _DMI.items()}
    return {"efi": os.path.isdir("/sys/firmware/efi"), **{grain: value for grain, value in found.items() if value}}
