"""The picture: both sides, marks as classes, and texts that stay texts."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from saltern.network_graph import svg
from saltern.network_graph.compare import compare
from saltern.network_graph.graph import net_of

SVG = "{http://www.w3.org/2000/svg}"
ETH0 = {"kind": "physical"}


def drawn(declared: object, real: object, name: str = "n1") -> ET.Element:
    return ET.fromstring(svg.draw({name: compare(net_of(declared), net_of(real))}, {"n2": "away\nfor \x1b[2J now"}))


def boxes(root: ET.Element) -> list[tuple[str, str]]:
    """(class, name) of each box, the declared side first."""
    return [
        (str(group.get("class")), str(text.text))
        for group in root.iter(f"{SVG}g")
        if (text := group.find(f"{SVG}text[@class='name']")) is not None
    ]


def test_each_side_has_its_boxes_and_differences_are_marked_on_the_real_one() -> None:
    declared = {
        "links": {
            "br0": {"kind": "bridge", "ports": ["eth0"], "mtu": 9000},
            "br1": {"kind": "bridge"},
        }
    }
    real = {
        "links": {"eth0": ETH0, "br0": {"kind": "bridge", "ports": ["eth0"], "mtu": 1500}, "br9": {"kind": "bridge"}}
    }
    root = drawn(declared, real)
    assert sorted(boxes(root)) == [
        ("different", "br0"),
        ("extra", "br9"),
        ("missing", "br1"),
        ("other", "eth0"),  # only named
        ("same", "br0"),
        ("same", "br1"),
        ("same", "eth0"),
    ]
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "MTU 1500, declared 9000" in texts
    places = {
        (group.get("class"), group.findtext(f"{SVG}text[@class='name']")): rect.get("y")
        for group in root.iter(f"{SVG}g")
        if (rect := group.find(f"{SVG}rect")) is not None
    }
    assert places["same", "br0"] == places["different", "br0"]  # at the same height on both sides


def test_names_stay_texts() -> None:
    evil = '<script>alert("1")</script>&\x00\x1b[2J\ud800￾]]>'
    root = drawn({}, {"links": {evil: {"kind": evil, "addresses": [evil]}}}, evil)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "style", "text", "tspan", "rect", "g", "path")
    }
    for element in root.iter():
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]


def test_the_picture_is_the_same_for_the_same_network() -> None:
    links = {f"v{number}": {"kind": "vlan", "parent": "eth0"} for number in range(30)} | {"eth0": ETH0}
    turned = dict(reversed(links.items()))
    assert ET.tostring(drawn({"links": links}, {"links": turned})) == ET.tostring(
        drawn({"links": turned}, {"links": links})
    )
