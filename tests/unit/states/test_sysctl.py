"""The steps of `sysctl.present` as a table, and what it refuses before the kernel is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modules import sysctl
from modules._file.safe import UnsafePath
from modules.sysctl import SysctlError
from saltern.converge.plan import UNSET, Call, call
from states import sysctl as states
from states.sysctl import Parameter
from tests.plans import context

NAME = "net.ipv4.ip_forward"


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (Parameter(live="1", saved="1"), Parameter(live="1", saved="1"), []),
        (
            Parameter(live="0", saved=None),
            Parameter(live="1", saved="1"),
            [call(sysctl.assign, NAME, "1"), call(sysctl.persist, NAME, "1", "/etc/sysctl.d/50-x.conf")],
        ),
        (Parameter(live="0", saved=None), Parameter(live="1", saved=UNSET), [call(sysctl.assign, NAME, "1")]),
        (
            Parameter(live="1", saved="0"),
            Parameter(live="1", saved="1"),
            [call(sysctl.persist, NAME, "1", "/etc/sysctl.d/50-x.conf")],
        ),
    ],
)
def test_only_what_differs_is_changed(current: Parameter, wish: Parameter, expected: list[Call]) -> None:
    assert [step.do for step in states.steps(NAME, current, wish, "/etc/sysctl.d/50-x.conf")] == expected


@pytest.mark.parametrize(
    "name",
    ["", "ip_forward", "../../etc/passwd", "net/../../x.y", "net..x", "net.ipv4.*", "-net.x", "a b.c", "a.b\n", 5],
)
def test_a_name_that_is_none_is_refused_before_the_kernel_is_asked(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysctl, "live", None)
    with pytest.raises(SysctlError, match="not the name of a kernel parameter"):
        states.present(context(tmp_path), name, value=1)


@pytest.mark.parametrize("value", [None, ["1"], 1.5, "a\0b"])
def test_a_value_that_is_none_is_refused_before_the_kernel_is_asked(
    value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysctl, "live", None)
    with pytest.raises(SysctlError, match="not the value"):
        states.present(context(tmp_path), NAME, value=value)


def test_a_file_that_is_not_read_at_boot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SysctlError, match=r"must end in \.conf"):
        states.present(context(tmp_path), NAME, value=1, config="/etc/sysctl.d/x")
    with pytest.raises(UnsafePath):
        states.present(context(tmp_path), NAME, value=1, config="/etc/../x.conf")
