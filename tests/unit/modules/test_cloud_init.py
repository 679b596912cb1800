"""Seeds and contexts: what the arguments become, what is refused, and that nothing can be smuggled in."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from modules import cloud_init
from modules._file.contents import Contents
from modules._seed import iso as seed_iso
from modules._seed.sha512_crypt import crypted, salt_of
from modules._seed.values import SeedError, interfaces, ssh_key
from modules.cloud_init import Seed, seed
from saltern.marks import permit_acting
from saltern.secret import Secret
from tests.patience import WAIT_S

ED25519 = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode() + " ada@host"
MAC = "52:54:00:00:43:02"
NIC = {
    "mac": "52:54:00:00:43:01",
    "addresses": ["10.0.43.5/24", "10.0.43.6/24", "2001:db8::5/64"],
    "gateway": ["10.0.43.254", "fe80::1"],
    "dns": ["10.0.43.254"],
    "search": "example.org",
    "mtu": 1400,
}
HASH = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def body(found: Seed, name: str) -> str:
    return (found.files[name].data or b"").decode()


def loaded(found: Seed, name: str = "user-data") -> Any:
    return yaml.safe_load(body(found, name))


def sourced(found: Seed, tmp_path: Path, *names: str) -> list[str]:
    """What a shell that sources the context sees."""
    file = tmp_path / "context.sh"
    file.write_bytes(found.files["context.sh"].data or b"")
    script = '. "$0"; for name; do eval "printf \'%s\\0\' \\"\\${$name}\\""; done'
    ran = subprocess.run(["/bin/sh", "-c", script, str(file), *names], capture_output=True, timeout=WAIT_S, check=True)
    return ran.stdout.decode().split("\0")[:-1]


# --- NoCloud


def test_without_arguments_a_seed_holds_what_nocloud_asks_for() -> None:
    found = seed(instance_id="i-1")
    assert body(found, "user-data") == "#cloud-config\n{}\n"
    assert body(found, "meta-data") == "instance-id: i-1\n"
    assert sorted(found.files) == ["meta-data", "user-data"]
    assert found.label == "cidata"


def test_each_argument_becomes_what_cloud_init_documents() -> None:
    found = seed(
        hostname="web.example.org",
        ssh_keys=[ED25519],
        users=["default", {"name": "eve", "ssh_keys": ED25519, "groups": ["adm"]}],
        packages=["nginx", ["curl", "8.1"]],
        runcmd=["echo a; echo b", ["touch", "/a b"]],
        write_files=[{"path": "/etc/x", "content": "a\nb\n", "permissions": 644}, {"path": "/b", "content": b"\xff"}],
        user_data={"timezone": "Europe/Berlin"},
    )
    assert loaded(found) == {
        "fqdn": "web.example.org",
        "ssh_authorized_keys": [ED25519],
        "users": ["default", {"name": "eve", "groups": ["adm"], "ssh_authorized_keys": [ED25519]}],
        "packages": ["nginx", ["curl", "8.1"]],
        "write_files": [
            {"path": "/etc/x", "content": "a\nb\n", "permissions": "0644"},
            {"path": "/b", "content": "/w==", "encoding": "b64"},
        ],
        "runcmd": ["echo a; echo b", ["touch", "/a b"]],
        "timezone": "Europe/Berlin",
    }
    assert loaded(found, "meta-data")["local-hostname"] == "web.example.org"


def test_interfaces_become_a_network_config_of_version_2() -> None:
    found = seed(interfaces=[NIC, {"mac": "52:54:00:00:43:02"}, {"name": "lan", "dhcp": False}])
    assert loaded(found, "network-config") == {
        "version": 2,
        "ethernets": {
            "eth0": {
                "match": {"macaddress": "52:54:00:00:43:01"},
                "set-name": "eth0",
                "addresses": ["10.0.43.5/24", "10.0.43.6/24", "2001:db8::5/64"],
                "routes": [{"to": "0.0.0.0/0", "via": "10.0.43.254"}, {"to": "::/0", "via": "fe80::1"}],
                "nameservers": {"addresses": ["10.0.43.254"], "search": ["example.org"]},
                "mtu": 1400,
            },
            "eth1": {"match": {"macaddress": "52:54:00:00:43:02"}, "set-name": "eth1", "dhcp4": True},
            "lan": {},
        },
    }


def test_a_gateway_outside_the_network_is_reached_on_the_link() -> None:
    found = seed(interfaces=[{"addresses": "192.0.2.9/32", "gateway": "198.51.100.1"}])
    route = loaded(found, "network-config")["ethernets"]["eth0"]["routes"]
    assert route == [{"to": "0.0.0.0/0", "via": "198.51.100.1", "on-link": True}]


def test_a_network_of_cloud_inits_own_is_passed_on_without_its_outer_key() -> None:
    inner = {"version": 1, "config": [{"type": "physical", "name": "eth0"}]}
    assert loaded(seed(network={"network": inner}), "network-config") == inner
    with pytest.raises(SeedError, match="version: 2"):
        seed(network={"ethernets": {}})


def test_other_contents_are_another_instance_and_the_same_are_the_same() -> None:
    arguments: dict[str, Any] = {"hostname": "a", "ssh_keys": [ED25519]}
    first = seed(**arguments)
    assert first == seed(**arguments)
    others: list[dict[str, Any]] = [
        {"hostname": "b"},
        {"packages": ["x"]},
        {"interfaces": []},
        {"vendor_data": {"a": 1}},
    ]
    ids = {loaded(seed(**{**arguments, **other}), "meta-data")["instance-id"] for other in [{}, *others]}
    assert len(ids) == 5
    assert loaded(seed(instance_id="mine", **arguments), "meta-data")["instance-id"] == "mine"


def test_a_script_stays_itself_and_the_other_arguments_come_as_vendor_data() -> None:
    found = seed(user_data="#!/bin/sh\necho hi", packages=["nginx"])
    assert body(found, "user-data") == "#!/bin/sh\necho hi\n"
    assert loaded(found, "vendor-data") == {"packages": ["nginx"]}
    with pytest.raises(SeedError, match="no place for packages"):
        seed(user_data="#!/bin/sh\n", vendor_data={"a": 1}, packages=["nginx"])


def test_a_cloud_config_as_text_is_one_with_the_other_arguments() -> None:
    assert loaded(seed(user_data="#cloud-config\nlocale: C\n", packages=["x"])) == {"packages": ["x"], "locale": "C"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"user_data": {"packages": []}, "packages": ["x"]}, "give it in one place"),
        ({"user_data": "echo hi"}, "first line"),
        ({"user_data": "#cloud-config\na: [1\n", "packages": ["x"]}, "user_data, line"),
        ({"user_data": "#cloud-config\n- a\n", "packages": ["x"]}, "is a mapping"),
        ({"user_data": {"a": object()}}, "of type object"),
        ({"hostname": "-a"}, "not a host name"),
        ({"hostname": "a_b"}, "not a host name"),
        ({"hostname": "a\nb: c"}, "not a host name"),
        ({"instance_id": "a\nb"}, "one line"),
        ({"ssh_keys": ["ssh-ed25519 AAAA"]}, "not a public SSH key"),
        ({"ssh_keys": [ED25519 + "\n" + ED25519]}, "one line"),
        ({"ssh_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "private key"),
        ({"password": ""}, "empty"),
        ({"password": "$y$j9T$abc$def"}, r"\$6\$"),
        ({"users": [{"groups": "a"}]}, "with a `name`"),
        ({"users": [{"name": "a", "password": "x", "passwd": "y"}]}, "name one"),
        ({"users": [{"name": "a", "plain_text_passwd": "y"}]}, "write `password`"),
        ({"packages": [{"a": 1}]}, "packages"),
        ({"runcmd": [{}]}, "runcmd"),
        ({"write_files": [{"path": "etc/x"}]}, "absolute"),
        ({"write_files": [{"path": "/x", "contents": "y"}]}, "Did you mean 'content'"),
        ({"interfaces": [{"adress": "10.0.0.1/24"}]}, "Did you mean 'addresses'"),
        ({"interfaces": [{"addresses": "10.0.0.1"}]}, "prefix length"),
        ({"interfaces": [{"addresses": "10.0.0.0/24"}]}, "not an address of a host"),
        ({"interfaces": [{"addresses": "10.0.0.255/24"}]}, "not an address of a host"),
        ({"interfaces": [{"gateway": "10.0.0.1"}]}, "needs an IPv4 address"),
        ({"interfaces": [{"address": "10.0.0.1/24", "gateway": "10.0.0.1"}]}, "its own gateway"),
        ({"interfaces": [{"address": "10.0.0.1/24", "gateway": ["10.0.0.2", "10.0.0.3"]}]}, "same family"),
        ({"interfaces": [{"mac": "01:00:5e:00:00:01"}]}, "MAC"),
        ({"interfaces": [{"mac": 185}]}, "in quotes"),
        ({"interfaces": [{"name": "a b"}]}, "name of an interface"),
        ({"interfaces": [{"name": "a"}, {"name": "a"}]}, "same name"),
        ({"interfaces": [{"mtu": 40}]}, "MTU"),
        ({"interfaces": [{"dhcp": "maybe"}]}, "true or false"),
        ({"interfaces": [], "network": {"version": 2}}, "name one"),
        ({"variables": {"A": "b"}}, "OpenNebula"),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(SeedError, match=said):
        seed(**arguments)


@given(TEXT, TEXT)
@example("", "\x85")
@example("\u2028", "a\n\u2029")
def test_no_text_becomes_anything_but_that_text_in_yaml(key: str, value: str) -> None:
    found = loaded(seed(user_data={key: value, "list": [value]}))
    assert found == {key: value, "list": [value]}


# --- secrets


def test_the_guest_is_given_the_hash_of_a_password_alone() -> None:
    found = seed(hostname="a", password=Secret("geheim1"), users=[{"name": "eve", "password": Secret("geheim2")}])
    text = body(found, "user-data")
    assert "geheim" not in text
    data = loaded(found)
    assert data["password"] == crypted("geheim1", salt_of(("saltern", "a", "")))
    assert data["users"][0]["passwd"].startswith("$6$")
    assert data["users"][0]["lock_passwd"] is False
    assert data["chpasswd"] == {"expire": False}
    assert seed(password=HASH) == seed(password=Secret(HASH))


def test_a_seed_with_a_secret_shows_only_which_settings_differ_also_when_the_secret_goes() -> None:
    def read_back(one: Seed) -> Seed:
        files = {name: text.data or b"" for name, text in one.files.items()}
        hidden = cloud_init.hidden_names(files)
        return Seed(one.label, {n: Contents(b, hidden="x" if n in hidden else None) for n, b in files.items()})

    key = Secret("wireguard-key")
    old = read_back(seed(instance_id="i", user_data={"a": 1, "b": {"inner": key}}, packages=["x"]))
    new = seed(instance_id="i", user_data={"a": 2}, packages=["x"])
    shown = old.diff(new)
    assert "wireguard-key" not in shown + repr(old) + repr(new)
    assert "<holds a secret; what differs: b, a>" in shown or "what differs: a, b>" in shown
    assert "packages" not in shown


def test_an_id_made_of_secrets_is_not_shown_either() -> None:
    first, second = (seed(user_data={"pin": Secret(pin)}) for pin in ("1234", "4321"))
    instance = loaded(first, "meta-data")["instance-id"]
    shown = first.diff(second) + repr(first)
    assert instance not in shown
    assert "meta-data:\n<holds a secret; what differs: instance-id>" in shown


def test_a_seed_without_secrets_shows_its_files_line_by_line() -> None:
    shown = seed(instance_id="1", hostname="a").diff(seed(instance_id="1", hostname="b", packages=["x"]))
    assert "meta-data:\n" in shown
    assert "-local-hostname: a\n+local-hostname: b\n" in shown
    assert "+packages:\n" in shown


@pytest.mark.parametrize("password", ["Hello world!", "x" * 200, "ä" * 33, "p" * 63, "p" * 64, "p" * 65])
def test_the_hash_is_the_one_that_openssl_makes(password: str) -> None:
    ran = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", "saltstring", "-stdin"],
        input=password + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
    )
    assert crypted(password, "saltstring") == ran.stdout.strip()


def test_the_hash_is_the_one_of_the_specification() -> None:
    assert crypted("Hello world!", "saltstring") == HASH


# --- OpenNebula


def test_a_context_has_the_documented_variables(tmp_path: Path) -> None:
    found = seed(format="opennebula", hostname="web", ssh_keys=[ED25519, ED25519], interfaces=[NIC, {"mac": MAC}])
    assert found.label == "CONTEXT"
    wanted = {
        "SET_HOSTNAME": "web",
        "SSH_PUBLIC_KEY": f"{ED25519}\n{ED25519}",
        "NETWORK": "YES",
        "ETH0_MAC": "52:54:00:00:43:01",
        "ETH0_IP": "10.0.43.5",
        "ETH0_MASK": "255.255.255.0",
        "ETH0_NETWORK": "10.0.43.0",
        "ETH0_GATEWAY": "10.0.43.254",
        "ETH0_IP6": "2001:db8::5",
        "ETH0_IP6_PREFIX_LENGTH": "64",
        "ETH0_IP6_GATEWAY": "fe80::1",
        "ETH0_DNS": "10.0.43.254",
        "ETH0_SEARCH_DOMAIN": "example.org",
        "ETH0_MTU": "1400",
        "ETH0_METHOD": "static",
        "ETH0_IP6_METHOD": "static",
        "ETH0_ALIAS0_MAC": "52:54:00:00:43:01",
        "ETH0_ALIAS0_IP": "10.0.43.6",
        "ETH0_ALIAS0_MASK": "255.255.255.0",
        "ETH1_METHOD": "dhcp",
    }
    assert sourced(found, tmp_path, *wanted) == list(wanted.values())


def test_commands_and_files_of_a_context_are_a_script_that_does_them(tmp_path: Path) -> None:
    target, out = tmp_path / "a dir/it's", tmp_path / "out"
    found = seed(
        format="opennebula",
        write_files=[
            {"path": str(target), "content": "$(id)\n'", "permissions": "0600"},
            {"path": str(target), "content": "+", "append": True, "permissions": "0600"},
        ],
        runcmd=[["cp", str(target), str(out)], f"echo done >>{out}"],
    )
    script = base64.b64decode(sourced(found, tmp_path, "START_SCRIPT_BASE64")[0])
    subprocess.run(["/bin/sh"], input=script, check=True, timeout=WAIT_S)
    assert out.read_text() == "$(id)\n'+done\n"
    assert target.stat().st_mode & 0o777 == 0o600


@given(TEXT)
def test_no_text_becomes_anything_but_that_text_in_a_context(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    found = seed(format="opennebula", variables={"MINE": text})
    assert sourced(found, tmp_path_factory.mktemp("c"), "MINE") == [text]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"packages": ["x"]}, "packages can't be said"),
        ({"users": ["default"]}, "users can't be said"),
        ({"network": {"version": 2}}, "network"),
        ({"instance_id": "i"}, "instance_id"),
        ({"interfaces": [{}]}, "needs its `mac`"),
        ({"variables": {"a b": "c"}}, "capital letters"),
        ({"variables": {"PATH": "/x"}}, "can't be the name"),
        ({"variables": {"LD_AUDIT": "/x"}}, "can't be the name"),
        ({"variables": {"A": "\0"}}, "NUL"),
        ({"write_files": [{"path": "/x", "content": "y", "encoding": "gz"}]}, "encoding"),
    ],
)
def test_what_a_context_cannot_say_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(SeedError, match=said):
        seed(format="opennebula", **arguments)


def test_a_context_with_a_password_gives_its_hash_and_hides_itself(tmp_path: Path) -> None:
    found = seed(format="opennebula", password=Secret("geheim"), hostname="a")
    hashed = base64.b64decode(sourced(found, tmp_path, "CRYPTED_PASSWORD_BASE64")[0]).decode()
    assert hashed == crypted("geheim", salt_of(("saltern", "a", "")))
    other = seed(format="opennebula", hostname="b")
    assert found.diff(other) == ("context.sh:\n<holds a secret; what differs: SET_HOSTNAME, CRYPTED_PASSWORD_BASE64>\n")


# --- the volume


def test_the_same_files_give_the_same_bytes_in_any_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    files = {"user-data": b"x" * 5000, "meta-data": b"", "network-config": b"y"}
    first = seed_iso.iso(files, "cidata")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    time.tzset()
    try:
        assert seed_iso.iso(dict(reversed(files.items())), "cidata") == first
    finally:
        monkeypatch.undo()
        time.tzset()
    assert seed_iso.read(first) == files
    assert seed_iso.label_of(first) == "cidata"


@given(st.binary(max_size=200), st.integers(0, 60000))
def test_a_damaged_volume_is_refused_or_read_and_nothing_else(noise: bytes, at: int) -> None:
    volume = seed_iso.iso({"user-data": b"a", "meta-data": b"b"}, "cidata")
    damaged = volume[:at] + noise + volume[at + len(noise) :]
    try:
        found = seed_iso.read(damaged)
    except SeedError:
        return
    assert all(isinstance(data, bytes) for data in found.values())


def test_isoinfo_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "seed.iso"
    made = seed(hostname="a", interfaces=[NIC])
    with permit_acting():
        cloud_init.write(str(path), made.files)
    for name in made.files:
        for extension in ("-R", "-J"):
            words = ["isoinfo", extension, "-i", str(path), "-x", f"/{name}"]
            ran = subprocess.run(words, capture_output=True, check=True, timeout=WAIT_S)
            assert ran.stdout == made.files[name].data
    described = subprocess.run(["isoinfo", "-d", "-i", str(path)], capture_output=True, text=True, check=True).stdout
    assert "Volume id: cidata\n" in described
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_seed_is_never_replaced(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"data" * 20000)
    with pytest.raises(SeedError, match="is no seed"):
        cloud_init.read(str(disk))
    with permit_acting(), pytest.raises(SeedError, match="not replaced"):
        cloud_init.write(str(disk), {"meta-data": "a"})
    assert disk.read_bytes() == b"data" * 20000


def test_a_seed_shown_to_a_user_keeps_its_secrets(tmp_path: Path) -> None:
    path = str(tmp_path / "seed.iso")
    made = seed(instance_id="i", password=Secret("geheim"))
    with permit_acting():
        cloud_init.write(path, made.files)
    assert cloud_init.read(path) == made
    assert cloud_init.show(path) == {
        "label": "cidata",
        "files": {"meta-data": "# secret: user-data\ninstance-id: i\n", "user-data": "<holds a secret>"},
    }
    assert cloud_init.show(path + "x") is None


def test_a_seed_of_too_much_and_one_of_foreign_files_are_refused() -> None:
    with pytest.raises(SeedError, match="MiB"):
        seed_iso.iso({"user-data": bytes(9 << 20)}, "cidata")
    with pytest.raises(SeedError, match="no file 'x'"):
        seed_iso.iso({"x": b""}, "cidata")


def test_a_key_may_have_options_and_interfaces_their_short_words() -> None:
    assert ssh_key(f'no-pty,command="ls -l" {ED25519}')
    (one,) = interfaces([{"hwaddr": "52-54-00-00-43-AA", "address": "10.0.0.1/24"}])
    assert one.mac == "52:54:00:00:43:aa"
    assert not one.dhcp
