"""Reading the kernel's lists of modules and editing /etc/modules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules import kmod
from saltern.converge.plan import call
from states.kmod import Modules, steps

LOADED = """\
8021q 45056 0 - Live 0x0000000000000000
garp 16384 1 8021q, Live 0x0000000000000000
mrp 20480 1 8021q,other, Live 0x0000000000000000
"""


def test_loaded_modules_are_read_with_who_uses_them() -> None:
    assert kmod.parse_loaded(LOADED) == {
        "8021q": (45056, 0, ()),
        "garp": (16384, 1, ("8021q",)),
        "mrp": (20480, 1, ("8021q", "other")),
    }


def test_names_come_from_paths_with_any_compression() -> None:
    text = "kernel/net/8021q/8021q.ko.xz: kernel/net/802/garp.ko.xz\nkernel/fs/nfs/nfs-v4.ko\nkernel/fs/x.ko.zst:\n"
    assert kmod.parse_files(text) == {"8021q", "nfs_v4", "x"}


def test_at_boot_skips_comments_and_options() -> None:
    assert kmod.parse_at_boot("# 8021q\n; loop\n\n  nf-conntrack\nloop max_loop=8\n") == ("nf_conntrack", "loop")


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "a\n", None, "a;b"])
def test_what_is_no_name_of_a_module_is_refused(name: object) -> None:
    with pytest.raises(kmod.ModuleError):
        kmod.plain(name)


LINES = st.lists(st.sampled_from(["# note", "", "loop max_loop=8", "8021q", "nf-conntrack", "; x", "  garp"]))


@given(LINES, st.booleans(), st.sampled_from(["8021q", "nf_conntrack", "kvm"]))
def test_editing_touches_only_the_module_in_question(lines: list[str], closed: bool, name: str) -> None:
    text = "\n".join(lines) + ("\n" if closed and lines else "")
    added = kmod.with_module(text, name)
    assert name in kmod.parse_at_boot(added)
    assert added.startswith(text)
    removed = kmod.without_module(added, name)
    assert name not in kmod.parse_at_boot(removed)
    kept = [line for line in text.split("\n") if kmod.parse_at_boot(line) != (name,)]
    assert [line for line in removed.split("\n") if line] == [line for line in kept if line]


def test_only_what_differs_is_loaded_or_listed() -> None:
    one, two = frozenset({"a"}), frozenset({"a", "b"})
    plan = steps(Modules(loaded=one, at_boot=two), Modules(loaded=two, at_boot=one))
    assert [step.do for step in plan] == [call(kmod.load, "b"), call(kmod.unset_at_boot, "b")]
    assert [s.do for s in steps(Modules(loaded=two, at_boot=one), Modules(loaded=frozenset()))] == [
        call(kmod.remove, "a"),
        call(kmod.remove, "b"),
    ]
