"""A wrong argument is told as such, and never as a bug of the function that stumbled over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.loader import functions, namespace
from saltern.runner import run_function, with_calls
from tests.plans import context

NAMESPACES = ("config", "defaults", "environ", "grains", "hashutil", "match", "pillar", "random", "slsutil")
NAMES = [f"{space}.{name}" for space in NAMESPACES for name in functions(namespace("modules", space))]  # type: ignore[arg-type]
VALUES = st.sampled_from([5, -1, None, True, 1.5, [], {}, {"a": 1}, "x", "", ["a", 5], "a:b"])


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("pillar.get", [5], "pillar.get: the argument 'key' wants a text, not 5: pillar.get KEY"),
        ("pillar.item", ["a", 5], "the argument 'keys' wants a text, not 5"),
        ("slsutil.merge_all", [5], "the argument 'lst' wants another kind of list, not 5"),
        ("random.seed", ["x"], "range wants a number"),
        ("random.get_str", [5, {"a": 1}], "chars wants a text, not {'a': 1}"),
        ("state.template_str", [5], ""),
        ("state.low", [{"state": "test"}], "there is no fun in"),
        ("state.high", [5], "high"),
        ("cp.get_url", ["http://x/a", "/a", "base", False, "sha256:1"], "not a checksum"),
        ("cp.hash_file", ["/nix"], "/nix: No such file"),
        ("file.access", ["/", "q"], "access asks for one of"),
        ("file.find", ["/etc", "", "", "q"], "find knows the types"),
        ("file.lstat", ["/nix"], "/nix: No such file"),
        ("hashutil.digest", ["x", "md6"], "Did you mean 'md5'"),
        ("hashutil.base64_b64decode", ["%"], "not base64 of a text"),
        ("network.ip_in_subnet", ["x", "10.0.0.0/8"], "'x' does not appear to be"),
        ("network.hw_addr", ["nix"], "nix"),
        ("hosts.set_host", ["x", "y"], "not an IP address"),
        ("ssh.auth_keys", ["nix nix"], "there is no user"),
        ("timezone.set_zone", ["Nix/Nix"], "there is no time zone"),
    ],
)
def test_the_argument_and_what_it_wants_are_named(tmp_path: Path, name: str, args: list[Any], said: str) -> None:
    found = run_function(name, args, {}, with_calls(context(tmp_path)))
    assert not found.success
    assert said in str(found.value)
    assert "bug" not in str(found.value)


@settings(max_examples=250)
@given(st.sampled_from(NAMES), st.lists(VALUES, max_size=3))
def test_no_argument_makes_a_function_look_broken(tmp_path: Path, name: str, args: list[Any]) -> None:
    ctx = with_calls(context(tmp_path, grains={"os": "Debian"}, pillar={"a": {"b": 1}}))
    assert not str(run_function(name, args, {}, ctx).value).startswith("bug in")
