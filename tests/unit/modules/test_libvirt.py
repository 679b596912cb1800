"""The door to libvirt: bounded, and with errors that say what to do."""

from __future__ import annotations

import builtins
import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("libvirt")

from modules import _libvirt
from modules._libvirt import LibvirtError, LibvirtUnavailable
from tests.plans import context


def test_the_uri_is_the_minions_unless_one_is_given(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    assert _libvirt.uri_of(ctx) == "qemu:///system"
    assert _libvirt.uri_of(ctx, "test:///default") == "test:///default"


def test_a_session_looks_up_what_there_is_and_what_not() -> None:
    with _libvirt.session("test:///default") as connection:
        assert _libvirt.find_domain(connection, "test").name() == "test"
        assert _libvirt.find_domain(connection, "other") is None


def test_an_error_is_libvirts_own_sentence_after_what_was_tried(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(LibvirtError, match=r"^find it: Domain not found") as raised,
        _libvirt.session("test:///default") as connection,
        _libvirt.translating("find it"),
    ):
        connection.lookupByName("other")
    assert raised.value.code == _libvirt.library().VIR_ERR_NO_DOMAIN
    assert capfd.readouterr().err == "", "libvirt's own printing is off"


def test_a_daemon_that_is_down_is_told_at_once_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LibvirtUnavailable, match=r"start its daemon .* libvirt_uri"):
        _libvirt.connect(f"qemu+unix:///system?socket={tmp_path}/none")


def test_a_daemon_that_accepts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        with pytest.raises(LibvirtUnavailable, match=r"did not answer within 0\.3 s"):
            _libvirt.connect(f"qemu+unix:///system?socket={path}", timeout_s=0.3)


def test_a_missing_python_module_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "libvirt":
            raise ModuleNotFoundError(name)
        return import_(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LibvirtUnavailable, match=r"saltern\[kvm\]"):
        _libvirt.library()
