"""The door to libvirt: bounded, and with errors that say what to do."""

from __future__ import annotations

import builtins
import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("libvirt")

from modules._virt import hypervisor
from modules._virt.hypervisor import LibvirtError, LibvirtUnavailable
from tests.plans import context


def test_the_uri_is_the_minions_unless_one_is_given(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    assert hypervisor.uri_of(ctx) == "qemu:///system"
    assert hypervisor.uri_of(ctx, "test:///default") == "test:///default"


def test_a_session_looks_up_what_there_is_and_what_not() -> None:
    with hypervisor.session("test:///default") as connection:
        assert hypervisor.find_domain(connection, "test").name() == "test"
        assert hypervisor.find_domain(connection, "other") is None


def test_an_error_is_libvirts_own_sentence_after_what_was_tried(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(LibvirtError, match=r"^find it: Domain not found") as raised,
        hypervisor.session("test:///default") as connection,
        hypervisor.translating("find it"),
    ):
        connection.lookupByName("other")
    assert raised.value.code == hypervisor.library().VIR_ERR_NO_DOMAIN
    assert capfd.readouterr().err == "", "libvirt's own printing is off"


def test_a_daemon_that_is_down_is_told_at_once_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LibvirtUnavailable, match=r"start its daemon .* libvirt_uri"):
        hypervisor.connect(f"qemu+unix:///system?socket={tmp_path}/none")


def test_a_daemon_that_accepts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        with pytest.raises(LibvirtUnavailable, match=r"did not answer within 0\.3 s"):
            hypervisor.connect(f"qemu+unix:///system?socket={path}", timeout_s=0.3)


def test_a_missing_python_module_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "libvirt":
            raise ModuleNotFoundError(name)
        return import_(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LibvirtUnavailable, match=r"saltern\[kvm\]"):
        hypervisor.library()
