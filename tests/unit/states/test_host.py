# ruff: noqa: E501 - one change, one line
"""Names in a hosts file: what is added and taken away, and what of the file stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules import _hosts_text, hosts
from saltern.context import Context
from saltern.errors import SalternError
from states import host
from tests.plans import context, converge

TEXT = "# mine\n127.0.0.1  localhost loop # both\n::1 localhost\n10.0.0.1\tfiler  # the filer\n"


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    (tmp_path / "hosts").write_text(TEXT)
    return context(tmp_path, pillar={"hosts.file": str(tmp_path / "hosts")})


@pytest.mark.parametrize(
    ("state", "name", "arguments", "old", "new"),
    [
        (host.present, "filer", {"ip": "10.0.0.1"}, "", ""),
        (host.present, "nas", {"ip": "10.0.0.1"}, "filer  #", "filer nas  #"),
        (host.present, "kvm1", {"ip": ["10.0.0.2", "fd00::2"]}, "the filer\n", "the filer\n10.0.0.2\tkvm1\nfd00::2\tkvm1\n"),
        (host.present, "filer", {"ip": "10.0.0.9", "clean": True}, "10.0.0.1\tfiler  # the filer\n", "10.0.0.9\tfiler\n"),
        (host.absent, "loop", {"ip": "127.0.0.1"}, "127.0.0.1  localhost loop # both", "127.0.0.1\tlocalhost # both"),
        (host.absent, "localhost", {"ip": "::1"}, "::1 localhost\n", ""),
        (host.absent, "nix", {}, "", ""),
        (host.only, "127.0.0.1", {"hostnames": ["localhost", "me"]}, "127.0.0.1  localhost loop # both", "127.0.0.1\tlocalhost me # both"),
        (host.only, "::1", {"hostnames": []}, "::1 localhost\n", ""),
    ],
)  # fmt: skip
def test_a_name_is_added_or_taken_and_the_rest_stays(
    ctx: Context, tmp_path: Path, state: Any, name: str, arguments: dict[str, Any], old: str, new: str
) -> None:
    converge(state, ctx, name, **arguments)
    assert (tmp_path / "hosts").read_text() == (TEXT.replace(old, new) if old else TEXT)


@pytest.mark.parametrize(("name", "ip"), [("a b", "10.0.0.1"), ("a", "10.0.0"), ("#a", "::1"), ("a\n", "::1")])
def test_what_is_no_name_or_address_is_refused(ctx: Context, name: str, ip: str) -> None:
    with pytest.raises(SalternError, match="not a"):
        host.present(ctx, name, ip=ip)


def test_the_functions_tell_what_is_there(ctx: Context) -> None:
    assert hosts.list_hosts(ctx)["127.0.0.1"] == {"aliases": ["localhost", "loop"]}
    assert (hosts.get_ip(ctx, "filer"), hosts.get_ip(ctx, "nix")) == ("10.0.0.1", "")
    assert hosts.get_alias(ctx, "::1") == ["localhost"]
    assert hosts.has_pair(ctx, "::1", "localhost")


@given(st.text(alphabet="a1 .#\n\t", max_size=60), st.sampled_from(["10.0.0.1", "::1"]), st.sampled_from(["a", "a1"]))
def test_a_name_that_was_added_is_there_until_it_is_taken(text: str, ip: str, name: str) -> None:
    added = _hosts_text.with_name(text, ip, name)
    assert name in _hosts_text.names(added, ip)
    assert _hosts_text.with_name(added, ip, name) == added
    assert name not in _hosts_text.names(_hosts_text.without_name(added, ip, name), ip)
