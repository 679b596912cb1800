"""The facets of a guest: each thing that an SLS can say of one, how it is read from domain XML and how written to it.

A facet has a key ("memory", "disk vda", "interface 52:54:00:…") and a value of a plain frozen type; None for a device
that is not there. `read` canonicalises in view of what is wanted, since libvirt spells some things out: `q35` becomes
pc-q35-7.2, a CPU model gets its features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from modules._virt import domain_devices as devices
from modules._virt import xml
from modules._virt.domain_values import Cpu, Graphics
from modules._virt.domain_xml import has, merge
from saltern.secret import Secret

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Facets = Mapping[str, Any]
DISK, NIC = "disk ", "interface "
METADATA = "https://saltern.example/domain/1"  # the namespace of Saltern's own element in <metadata>
_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "k": 1, "kib": 1, "m": 1024, "mib": 1024, "g": 1 << 20, "gib": 1 << 20}
_ALIASES = {"pc": "pc-i440fx-", "q35": "pc-q35-", "virt": "virt-"}
_BOOT = {"disk": "hd", "hd": "hd", "cdrom": "cdrom", "network": "network", "floppy": "fd"}
_BOOT_WORDS = {"hd": "disk", "fd": "floppy"}
STATS_S = 10  # how often a guest's balloon driver reports: by that it is known to be there
SPARE_PORTS = 4  # of a q35 machine, so that as many devices can be plugged in while it runs


def read(root: Element, key: str, wanted: Any = None, *, live: bool = False) -> Any:
    """The facet KEY of the domain ROOT. LIVE: ROOT is of the running guest."""
    if key.startswith(DISK):
        return devices.disk(root, key[len(DISK) :])
    if key.startswith(NIC):
        return devices.nic(root, key[len(NIC) :])
    if key == "cpu":
        return _read_cpu(root, wanted, live)
    if key in ("machine", "xml", "metadata", "features"):
        return _WANTED[key](root, wanted)
    return _READ[key](root)


def read_all(root: Element, wanted: Facets, *, live: bool = False) -> dict[str, Any]:
    """The facets of WANTED as the domain ROOT has them."""
    return {key: read(root, key, value, live=live) for key, value in wanted.items()}


def write(root: Element, facets: Facets) -> None:
    """Put FACETS into the domain ROOT. What they do not say stays."""
    for key in sorted(facets, key=_rank):
        value = facets[key]
        if key.startswith(DISK):
            devices.put_disk(root, key[len(DISK) :], value)
        elif key.startswith(NIC):
            devices.put_nic(root, key[len(NIC) :], value)
        else:
            _WRITE[key](root, value)
    if any(getattr(value, "boot", None) for value in facets.values()):
        xml.drop(root, "os/boot")  # libvirt: an order by device and one by kind exclude each other


def new(name: str, facets: Facets) -> Element:
    """The XML of a new guest: what FACETS say, and for the rest what a server wants."""
    root = xml.parse("<domain><name/><os><type>hvm</type></os></domain>")
    xml.put(root, "name", name)
    defaults: dict[str, Any] = {"type": "kvm", "vcpus": 1, "console": True, "clock": "utc"}
    if facets.get("type", "kvm") == "kvm":
        defaults["cpu"] = Cpu(mode="host-model")
    if "features" not in facets:
        for feature in ("acpi", "apic"):  # without ACPI a guest can't be asked to shut down
            xml.ensure(root, f"features/{feature}")
    write(root, {**defaults, **facets})
    balloon = xml.put(root, "devices/memballoon", model="virtio")
    xml.put(balloon, "stats", period=str(STATS_S))
    if "q35" in str(facets.get("machine", "")):
        devices.add_root_ports(root, SPARE_PORTS)
    return root


def without(facets: Facets, keys: Iterable[str]) -> dict[str, Any]:
    """FACETS but for KEYS."""
    left_out = set(keys)
    return {key: value for key, value in facets.items() if key not in left_out}


def _rank(key: str) -> int:
    """Limits come before what they limit, and raw XML comes last, since it has the last word. Devices stay in the order
    in which they are named: it is that of their places on the bus, and so of their names in the guest."""
    return 2 if key == "xml" else 0 if key.startswith("max_") else 1


def _mib(element: Element | None) -> float | None:
    if element is None:
        return None
    kib = int((element.text or "0").strip()) * _KIB[element.get("unit", "KiB").lower()]
    return int(kib / 1024) if kib % 1024 == 0 else kib / 1024


def _read_memory(root: Element) -> float | None:
    current = root.find("currentMemory")
    return _mib(current if current is not None else root.find("memory"))


def _write_max_memory(root: Element, mib: int) -> None:
    xml.put(root, "memory", str(mib), unit="MiB", dumpCore=None)
    if (_read_memory(root) or 0) > mib:
        xml.put(root, "currentMemory", str(mib), unit="MiB")


def _write_memory(root: Element, mib: int) -> None:
    if (_mib(root.find("memory")) or 0) < mib:
        xml.put(root, "memory", str(mib), unit="MiB")
    xml.put(root, "currentMemory", str(mib), unit="MiB")


def _read_vcpus(root: Element) -> int:
    return int(xml.at(root, "vcpu", "current") or xml.at(root, "vcpu") or 1)


def _write_vcpus(root: Element, wanted: int) -> None:
    most = max(wanted, int(xml.at(root, "vcpu") or 0))
    _set_vcpus(root, wanted, most)


def _write_max_vcpus(root: Element, most: int) -> None:
    _set_vcpus(root, min(_read_vcpus(root), most) if root.find("vcpu") is not None else most, most)


def _set_vcpus(root: Element, wanted: int, most: int) -> None:
    xml.drop(root, "vcpus")  # the list of single ones, which libvirt makes anew
    xml.put(root, "vcpu", str(most), current=None if wanted == most else str(wanted))


def _read_cpu(root: Element, wanted: Cpu | None, live: bool) -> Cpu | None:
    found = root.find("cpu")
    if found is None:
        return None
    model = xml.at(found, "model")
    mode = found.get("mode") or ("custom" if model else "host-model")
    if live and wanted is not None and wanted.mode == "host-model" and found.find("vendor") is not None:
        mode = "host-model"  # a running guest shows what that came to: the host's vendor, a model, features
    shape = found.find("topology")
    topology = None
    if shape is not None and (wanted is None or wanted.topology is not None):
        topology = (int(shape.get("sockets", 1)), int(shape.get("cores", 1)), int(shape.get("threads", 1)))
    policies = {one.get("name", ""): one.get("policy", "require") for one in found.findall("feature")}
    named = [name for name, _ in wanted.features] if wanted else []
    features = tuple((name, policies[name]) for name in named if name in policies)
    return Cpu(mode=mode, model=model if mode == "custom" else None, topology=topology, features=features)


def _write_cpu(root: Element, cpu: Cpu) -> None:
    kept = root.find("cpu/numa")
    topology = root.find("cpu/topology")
    xml.drop(root, "cpu")
    found = xml.put(root, "cpu", mode=cpu.mode)
    if cpu.model is not None:
        xml.put(found, "model", cpu.model, fallback="forbid")
    if cpu.topology is not None:
        sockets, cores, threads = map(str, cpu.topology)
        xml.put(found, "topology", sockets=sockets, cores=cores, threads=threads)
    elif topology is not None:
        found.append(topology)
    for name, policy in cpu.features:
        found.append(xml.made("feature", policy=policy, name=name))
    if kept is not None:
        found.append(kept)


def _read_machine(root: Element, wanted: str | None) -> str | None:
    found = xml.at(root, "os/type", "machine")
    alias = _ALIASES.get(wanted or "")
    return wanted if found and alias and found.startswith(alias) else found


def _write_machine(root: Element, machine: str) -> None:
    """Another board has other buses, so what libvirt put on the old one is for it to place anew."""
    before = xml.at(root, "os/type", "machine")
    xml.put(root, "os/type", machine=machine)
    if before is not None and _family(before) != _family(machine):
        devices.unplace(root)
        if _family(machine) == "q35":
            devices.add_root_ports(root, SPARE_PORTS)


def _family(machine: str) -> str:
    return next((word for word, start in _ALIASES.items() if machine == word or machine.startswith(start)), machine)


def _read_firmware(root: Element) -> str:
    efi = xml.at(root, "os", "firmware") == "efi" or xml.at(root, "os/loader", "type") == "pflash"
    return "efi" if efi else "bios"


def _write_firmware(root: Element, firmware: str) -> None:
    xml.put(root, "os", firmware="efi" if firmware == "efi" else None)
    xml.drop(root, "os/firmware")
    if firmware == "bios":
        xml.drop(root, "os/loader")
        xml.drop(root, "os/nvram")


def _write_loader(root: Element, path: str) -> None:
    xml.put(root, "os", firmware=None)
    xml.put(root, "os/loader", path, readonly="yes", type="pflash")


def _read_boot(root: Element) -> tuple[str, ...]:
    found = [one.get("dev", "") for one in root.findall("os/boot")]
    return tuple(_BOOT_WORDS.get(word, word) for word in found)


def _write_boot(root: Element, order: Iterable[str]) -> None:
    xml.drop(root, "os/boot")
    for device in root.findall("devices/*"):
        xml.drop(device, "boot")
    for word in order:
        xml.ensure(root, "os").append(xml.made("boot", dev=_BOOT[word]))


def _text(path: str) -> Callable[[Element], str | None]:
    return lambda root: xml.at(root, path)


def _write_text(path: str) -> Callable[[Element, str | None], None]:
    def put(root: Element, value: str | None) -> None:
        if value is None:
            xml.drop(root, path)
        else:
            xml.put(root, path, value)

    return put


def _read_features(root: Element, wanted: Iterable[str] | None) -> tuple[str, ...]:
    there = [one.tag for one in root.findall("features/*") if one.get("state") != "off"]
    return tuple(name for name in sorted(set(there)) if wanted is None or name in _SIMPLE or name in wanted)


_SIMPLE = ("acpi", "apic", "pae", "hap", "viridian", "privnet", "pmu", "vmport")  # which an SLS names; others are left


def _write_features(root: Element, wanted: Iterable[str]) -> None:
    names = set(wanted)
    for name in _SIMPLE:
        if name not in names:
            xml.drop(root, f"features/{name}")
    for name in sorted(names):
        xml.put(root, f"features/{name}", state="on" if name in ("pmu", "vmport") else None)


def _graphics(root: Element) -> Element | None:
    return root.find("devices/graphics")


def _read_graphics(root: Element) -> Graphics | None:
    found = _graphics(root)
    if found is None:
        return None
    automatic = found.get("autoport") == "yes" or found.get("port", "-1") == "-1"
    listen = found.get("listen") or xml.at(found, "listen", "address") or "127.0.0.1"
    return Graphics(kind=found.get("type", ""), listen=listen, port=None if automatic else int(found.get("port", "-1")))


def _write_graphics(root: Element, value: Graphics | None) -> None:
    found = _graphics(root)
    password = found.get("passwd") if found is not None else None
    xml.drop(root, "devices/graphics")
    if value is None:
        xml.drop(root, "devices/video")
        return
    one = xml.put(root, "devices/graphics", type=value.kind, listen=value.listen, passwd=password)
    one.set("autoport", "yes" if value.port is None else "no")
    if value.port is not None:
        one.set("port", str(value.port))


def _read_password(root: Element) -> Secret | None:
    found = _graphics(root)
    text = found.get("passwd") if found is not None else None
    return Secret(text) if text is not None else None


def _write_password(root: Element, value: Secret | None) -> None:
    found = _graphics(root)
    if found is not None:
        if value is not None:
            found.set("passwd", value.reveal())
        else:
            found.attrib.pop("passwd", None)


def _read_console(root: Element) -> bool:
    return root.find("devices/serial") is not None or root.find("devices/console") is not None


def _write_console(root: Element, wanted: bool) -> None:
    if wanted and not _read_console(root):
        serial = xml.put(root, "devices/serial", type="pty")
        xml.put(serial, "target", port="0")
    if not wanted:
        xml.drop(root, "devices/serial")
        xml.drop(root, "devices/console")


def metadata_element(entries: Mapping[str, str]) -> Element:
    """Saltern's own element of <metadata>."""
    found = xml.made(f"{{{METADATA}}}guest")
    found.extend(xml.made(f"{{{METADATA}}}entry", value, key=key) for key, value in sorted(entries.items()))
    return found


def _read_metadata(root: Element, wanted: object) -> dict[str, str]:
    found = root.find(f"metadata/{{{METADATA}}}guest")
    return {one.get("key", ""): (one.text or "").strip() for one in found} if found is not None else {}


def _write_metadata(root: Element, entries: Mapping[str, str]) -> None:
    parent = xml.ensure(root, "metadata")
    for one in parent.findall(f"{{{METADATA}}}guest"):
        parent.remove(one)
    if entries:
        parent.append(metadata_element(entries))


def _read_xml(root: Element, wanted: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(text for text in wanted or () if has(root, xml.parse(text)))


def _write_xml(root: Element, wanted: Iterable[str]) -> None:
    for text in wanted:
        snippet = xml.parse(text)
        if not has(root, snippet):
            merge(root, snippet)


_WANTED: dict[str, Callable[[Element, Any], Any]] = {
    "machine": _read_machine,
    "xml": _read_xml,
    "metadata": _read_metadata,
    "features": _read_features,
}
_READ: dict[str, Callable[[Element], Any]] = {
    "type": lambda root: root.get("type"),
    "title": _text("title"),
    "description": _text("description"),
    "memory": _read_memory,
    "max_memory": lambda root: _mib(root.find("memory")),
    "vcpus": _read_vcpus,
    "max_vcpus": lambda root: int(xml.at(root, "vcpu") or 1),
    "firmware": _read_firmware,
    "loader": _text("os/loader"),
    "boot": _read_boot,
    "kernel": _text("os/kernel"),
    "initrd": _text("os/initrd"),
    "cmdline": _text("os/cmdline"),
    "clock": lambda root: xml.at(root, "clock", "offset"),
    "on_poweroff": _text("on_poweroff"),
    "on_reboot": _text("on_reboot"),
    "on_crash": _text("on_crash"),
    "console": _read_console,
    "graphics": _read_graphics,
    "password": _read_password,
}
_WRITE: dict[str, Callable[[Element, Any], object]] = {
    "type": lambda root, value: root.set("type", value),
    "title": _write_text("title"),
    "description": _write_text("description"),
    "memory": _write_memory,
    "max_memory": _write_max_memory,
    "vcpus": _write_vcpus,
    "max_vcpus": _write_max_vcpus,
    "cpu": _write_cpu,
    "machine": _write_machine,
    "firmware": _write_firmware,
    "loader": _write_loader,
    "boot": _write_boot,
    "kernel": _write_text("os/kernel"),
    "initrd": _write_text("os/initrd"),
    "cmdline": _write_text("os/cmdline"),
    "features": _write_features,
    "clock": lambda root, value: xml.put(root, "clock", offset=value),
    "on_poweroff": _write_text("on_poweroff"),
    "on_reboot": _write_text("on_reboot"),
    "on_crash": _write_text("on_crash"),
    "console": _write_console,
    "graphics": _write_graphics,
    "password": _write_password,
    "metadata": _write_metadata,
    "xml": _write_xml,
}
