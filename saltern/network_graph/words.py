"""What is written into a box, the same in every drawing."""

from __future__ import annotations

from saltern.network_graph.graph import Box

_KINDS = {
    "physical": "interface",
    "vlan": "VLAN",
    "vxlan": "VXLAN",
    "kvm": "KVM guest",
    "lxc": "LXC container",
    "guest": "guest",
}


def kind(box: Box) -> str:
    """The kind with what tells it from others: "VLAN 43", "bond, 802.3ad"."""
    facts = box.facts
    word = _KINDS.get(box.kind, box.kind)
    if box.kind == "vlan" and "vlan_id" in facts:
        service = ", 802.1ad" if facts.get("vlan_protocol") == "802.1ad" else ""
        return f"{word} {facts['vlan_id']}{service}"
    if box.kind == "vxlan" and "vxlan_id" in facts:
        return f"{word} {facts['vxlan_id']}"
    if "mode" in facts:
        return f"{word}, {facts['mode']}"
    return word


def details(box: Box) -> list[str]:
    """Further lines: addresses (without those that the kernel makes), the gateway, and what is unusual."""
    facts = box.facts
    found = [address for address in box.addresses or () if not address.lower().startswith("fe80:")]
    found += [f"gateway {facts[key]}" for key in ("gateway", "gateway6") if key in facts]
    if facts.get("mtu") not in (None, "1500"):
        found.append(f"MTU {facts['mtu']}")
    switched = [word for key, word in (("vlan_filtering", "VLAN filter"), ("stp", "STP")) if facts.get(key) == "yes"]
    if switched:
        found.append(", ".join(switched))
    if "vlans" in facts:
        found.append(facts["vlans"])
    if "remote" in facts:
        found.append(f"to {facts['remote']}")
    if facts.get("up") == "no":
        found.append("down")
    if box.is_guest and not box.runs:
        found.append("not to run")
    return found
