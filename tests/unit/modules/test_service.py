"""What systemd tells of a unit, and what is made of it."""

from __future__ import annotations

import pytest

from modules import service
from modules.service import NoSystemd, ServiceError, parse_show, starts_at_boot, unit_name

RUNNING = (
    "Type=notify\nResult=success\nId=ssh.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"
    "UnitFileState=enabled\nNeedDaemonReload=yes\n"
)
MISSING = "Id=nix.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nNeedDaemonReload=no\n"
BROKEN = (
    'Id=bad.service\nLoadState=bad-setting\nLoadError=org.freedesktop.systemd1.BadUnitSetting "Unit bad.service has a '
    'bad unit file setting."\nActiveState=inactive\n'
)
MASKED = "Id=m.service\nLoadState=masked\nActiveState=inactive\nSubState=dead\nUnitFileState=masked\n"


def test_a_units_fields_are_read() -> None:
    found = parse_show(RUNNING, "ssh.service")
    assert (found.exists, found.is_running, found.is_masked) == (True, True, False)
    assert (found.file, found.type, found.needs_reload) == ("enabled", "notify", True)
    assert not parse_show(MISSING, "nix.service").exists
    assert parse_show(MASKED, "m.service").is_masked
    assert "bad unit file setting" in parse_show(BROKEN, "bad.service").load_error


@pytest.mark.parametrize(
    ("active", "runs"),
    [
        ("active", True),
        ("reloading", True),
        ("activating", False),
        ("deactivating", False),
        ("inactive", False),
        ("failed", False),
    ],
)
def test_only_what_is_up_counts_as_running(active: str, runs: bool) -> None:
    assert parse_show(f"LoadState=loaded\nActiveState={active}\n", "x.service").is_running is runs


@pytest.mark.parametrize(
    ("file_state", "wished_on", "wished_off"),
    [
        ("enabled", True, True),
        ("alias", True, True),
        ("disabled", False, False),
        ("", False, False),
        ("masked", False, False),
        ("linked", False, False),
        ("static", True, False),
        ("indirect", True, False),
        ("enabled-runtime", False, True),
    ],
)
def test_what_starts_at_boot(file_state: str, wished_on: bool, wished_off: bool) -> None:
    assert starts_at_boot(file_state, True) is wished_on
    assert starts_at_boot(file_state, False) is wished_off


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("ssh", "ssh.service"),
        ("ssh.service", "ssh.service"),
        ("nfs-client.target", "nfs-client.target"),
        ("getty@tty1", "getty@tty1.service"),
        ("var-lib-one\\x2d1.mount", "var-lib-one\\x2d1.mount"),
        ("foo.bar", "foo.bar.service"),
    ],
)
def test_a_name_gets_its_suffix(name: str, full: str) -> None:
    assert unit_name(name) == full


@pytest.mark.parametrize("name", ["", "--now", "-a", "a b", "a;b", "a/b", "a\n", "x" * 300, "$(id)"])
def test_what_is_no_units_name_is_refused(name: str) -> None:
    with pytest.raises(ServiceError, match="not the name of a unit"):
        unit_name(name)


def test_without_systemd_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BOOTED", "/nix/nix")
    with pytest.raises(NoSystemd, match="no systemd here"):
        service.unit("ssh")
