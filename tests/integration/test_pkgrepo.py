"""Repositories that the real apt fetches and proves, in a root of its own, by `saltern-call` and by their plans."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from modules import pkg
from modules._pkg import repos
from saltern.context import Context
from saltern.errors import SalternError
from saltern.marks import permit_acting
from states import pkgrepo
from tests.integration.commands import run
from tests.plans import context, converge

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ["apt-get", "gpg", "gpgconf"])), reason="needs root, apt and gpg"
)

PACKAGES = "Package: {}\nVersion: 1\nArchitecture: all\nMaintainer: T\nFilename: ./x.deb\nSize: 1\nSHA256: {}\n"


class Signer:
    """A key of its own that signs repositories."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.home = folder
        self.gpg("--passphrase", "", "--quick-generate-key", "T <t@example.org>", "ed25519", "sign", "never")
        self.public = self.gpg("--export")
        self.armored = self.gpg("--armor", "--export").decode()
        said = self.gpg("--with-colons", "--list-keys").decode()
        self.fingerprint = next(line.split(":")[9] for line in said.splitlines() if line.startswith("fpr"))

    def gpg(self, *words: str) -> bytes:
        argv = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback", *words]
        return subprocess.run(argv, check=True, capture_output=True, timeout=120).stdout

    def sign(self, release: Path) -> None:
        self.gpg("--yes", "--clearsign", "--output", str(release.with_name("InRelease")), str(release))


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Signer]]:
    """Two who sign."""
    folder = tmp_path_factory.mktemp("g")
    made = [Signer(folder / name) for name in ("a", "b")]
    yield made
    for one in made:
        subprocess.run(["gpgconf", "--homedir", str(one.home), "--kill", "all"], check=True, timeout=60)


class Apt:
    """An apt with a root of its own, and a repository beside it with one package for each component."""

    def __init__(self, folder: Path) -> None:
        self.root, self.repository = folder / "node", folder / "repository"
        for name in ("etc/apt/sources.list.d", "etc/apt/apt.conf.d", "var/lib/apt/lists/partial", "var/lib/dpkg"):
            (self.root / name).mkdir(parents=True)
        (self.root / "var/cache/apt/archives/partial").mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        self.config = folder / "apt.conf"
        self.config.write_text(
            f'Dir "{self.root}";\nDir::State::status "{self.root}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
        )
        self.sources = self.root / "etc/apt/sources.list.d"
        release = f"Origin: T\nSuite: stable\nComponents: main extra\nArchitectures: {self.arch}\nSHA256:\n"
        for comp in ("main", "extra"):
            name = f"{comp}/binary-{self.arch}/Packages"
            text = PACKAGES.format(f"thing-{comp}", "0" * 64)
            (self.repository / "dists/stable" / name).parent.mkdir(parents=True)
            (self.repository / "dists/stable" / name).write_text(text)
            release += f" {hashlib.sha256(text.encode()).hexdigest()} {len(text)} {name}\n"
        self.release = self.repository / "dists/stable/Release"
        self.release.write_text(release)

    @property
    def arch(self) -> str:
        argv = ["dpkg", "--print-architecture"]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def line(self, *comps: str, options: str = "") -> str:
        words = ["deb", options, f"file:{self.repository}", "stable", *(comps or ("main",))]
        return " ".join(filter(None, words))


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signers: list[Signer]) -> Apt:
    made = Apt(tmp_path)
    signers[0].sign(made.release)
    monkeypatch.setenv("APT_CONFIG", str(made.config))
    return made


@pytest.fixture
def ctx(tmp_path: Path, signers: list[Signer]) -> Context:
    made = context(tmp_path)
    (tmp_path / "tree/key.asc").write_text(signers[0].armored)
    (tmp_path / "tree/other.gpg").write_bytes(signers[1].public)
    return made


def known() -> list[str]:
    said = subprocess.run(["apt-cache", "pkgnames"], check=True, capture_output=True, text=True, timeout=60).stdout
    return sorted(said.split())


def test_a_repository_is_there_with_its_key_and_its_index(ctx: Context, apt: Apt, signers: list[Signer]) -> None:
    plan = converge(pkgrepo.managed, ctx, apt.line(), file="mine", key_url="salt://key.asc")
    keyring = apt.root / "etc/apt/keyrings/mine.gpg"
    assert [step.sentence.split()[0] for step in plan.steps] == ["make", "write", "add"]
    assert signers[0].fingerprint in plan.steps[1].sentence
    assert (apt.sources / "mine.list").read_text() == apt.line(options=f"[signed-by={keyring}]") + "\n"
    assert (keyring.read_bytes(), keyring.stat().st_mode & 0o777) == (signers[0].public, 0o644)
    assert known() == ["thing-main"]
    converge(pkgrepo.managed, ctx, apt.line("main", "extra"), file="mine", key_url="salt://key.asc")
    assert known() == ["thing-extra", "thing-main"]


def test_a_repository_that_cant_be_proved_is_not_left_behind(ctx: Context, apt: Apt) -> None:
    plan = pkgrepo.managed(ctx, apt.line(), file="mine", key_url="salt://other.gpg")
    with permit_acting(), pytest.raises(SalternError, match=r"NO_PUBKEY|not signed|couldn't be verified"):
        [step.do() for step in plan.steps]
    assert list(apt.sources.iterdir()) == []
    text = f"# mine\n{apt.line(options='[trusted=yes]')}\n"
    (apt.sources / "mine.list").write_text(text)
    plan = pkgrepo.managed(ctx, apt.line("main", "nix"), file="mine", key_url="salt://other.gpg")
    with permit_acting(), pytest.raises(SalternError, match="can't be fetched"):
        [step.do() for step in plan.steps]
    assert (apt.sources / "mine.list").read_text() == text


def test_a_key_is_given_in_several_ways_and_checked(
    ctx: Context, apt: Apt, signers: list[Signer], tmp_path: Path
) -> None:
    first, second = signers
    path = tmp_path / "tree/key.asc"
    target = apt.root / "etc/apt/keyrings/k.asc"
    arguments: dict[str, Any] = {"file": "mine", "signedby": str(target)}
    converge(pkgrepo.managed, ctx, apt.line(), key_url=str(path), keyid=first.fingerprint[-16:], **arguments)
    assert target.read_text().startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    assert not pkgrepo.managed(ctx, apt.line(), key_text=first.armored, **arguments).steps
    with pytest.raises(SalternError, match=f"is not the key {second.fingerprint}: it has {first.fingerprint.lower()}"):
        pkgrepo.managed(ctx, apt.line(), key_url=str(path), keyid=second.fingerprint, **arguments)
    with pytest.raises(SalternError, match="is no key for a repository"):
        pkgrepo.managed(ctx, apt.line(), key_text="<html>", **arguments)
    assert "no key /nix" in str(pkgrepo.managed(ctx, apt.line(), key_url="/nix", **arguments).unknown)
    with pytest.raises(SalternError, match="needs `key_hash`"):
        pkgrepo.managed(ctx, apt.line(), key_url="https://repo.example/key", **arguments)
    plan = pkgrepo.managed(ctx, apt.line(), key_url="https://repo.example/key", keyid=first.fingerprint, **arguments)
    assert not plan.steps


def test_a_key_from_the_network_is_proved_by_its_hash(
    ctx: Context, apt: Apt, signers: list[Signer], tmp_path: Path
) -> None:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        arguments: dict[str, Any] = {
            "file": "mine",
            "key_url": f"http://127.0.0.1:{server.server_port}/tree/key.asc",
            "key_hash": f"sha256:{hashlib.sha256(signers[0].armored.encode()).hexdigest()}",
        }
        with pytest.raises(SalternError, match="is not what was meant"):
            pkgrepo.managed(ctx, apt.line(), **{**arguments, "key_hash": f"sha256:{'0' * 64}"})
        pkgrepo.managed(ctx, apt.line(), **arguments)
        server.shutdown()
    converge(pkgrepo.managed, ctx, apt.line(), **arguments)  # kept since: nobody is asked
    assert (apt.root / "etc/apt/keyrings/mine.gpg").read_bytes() == signers[0].public


def test_a_key_that_was_exchanged_is_written_again(ctx: Context, apt: Apt, signers: list[Signer]) -> None:
    converge(pkgrepo.managed, ctx, apt.line(), file="mine", key_url="salt://key.asc")
    keyring = apt.root / "etc/apt/keyrings/mine.gpg"
    keyring.write_bytes(signers[1].public)
    plan = converge(pkgrepo.managed, ctx, apt.line(), file="mine", key_url="salt://key.asc")
    assert [step.sentence.split()[0] for step in plan.steps] == ["write", "fetch"]
    keyring.write_text(signers[0].armored)  # apt reads no armor in a file of this name
    assert len(converge(pkgrepo.managed, ctx, apt.line(), file="mine", key_url="salt://key.asc").steps) == 2


def test_a_repository_that_is_there_is_changed_where_it_is(ctx: Context, apt: Apt) -> None:
    main = apt.root / "etc/apt/sources.list"
    main.write_text(f"# the node's\n# {apt.line(options='[trusted=yes]')}\ndeb http://127.0.0.1:1/x other main\n")
    name = apt.line("main", "extra", options="[trusted=yes]")
    plan = converge(pkgrepo.managed, ctx, name, file="mine")  # that another in the file does not answer is no matter
    assert [step.sentence.split()[0] for step in plan.steps] == ["change"]
    assert known() == ["thing-extra", "thing-main"]
    assert main.read_text() == f"# the node's\n{name}\ndeb http://127.0.0.1:1/x other main\n"
    assert list(apt.sources.iterdir()) == []
    plan = converge(pkgrepo.managed, ctx, name, disabled=True)
    assert [step.sentence for step in plan.steps] == [f"disable {name} in {main}"]
    assert f"\n# {name}\n" in main.read_text()
    converge(pkgrepo.absent, ctx, apt.line("extra"))
    assert f"\n# {apt.line(options='[trusted=yes]')}\n" in main.read_text()
    converge(pkgrepo.absent, ctx, apt.line())
    assert main.read_text() == "# the node's\ndeb http://127.0.0.1:1/x other main\n"


def test_only_its_own_index_is_fetched(ctx: Context, apt: Apt) -> None:
    (apt.root / "etc/apt/sources.list").write_text("deb http://127.0.0.1:1/nobody stable main\n")
    there = apt.root / "var/lib/apt/lists/other_dists_stable_InRelease"
    there.touch()
    converge(pkgrepo.managed, ctx, apt.line(options="[trusted=yes]"))
    assert there.exists()
    assert [path.suffix for path in apt.sources.iterdir()] == [".list"]


def test_a_stanza_is_made_changed_and_deleted(ctx: Context, apt: Apt) -> None:
    file = apt.sources / "mine.sources"
    converge(pkgrepo.managed, ctx, apt.line(), file="mine.sources", key_url="salt://key.asc", comments="ours")
    assert file.read_text().splitlines()[:2] == ["# ours", "Types: deb"]
    assert f"Signed-By: {apt.root}/etc/apt/keyrings/mine.gpg\n" in file.read_text()
    converge(pkgrepo.managed, ctx, apt.line("main", "extra"), file="mine.sources", key_url="salt://key.asc")
    assert known() == ["thing-extra", "thing-main"]
    converge(pkgrepo.managed, ctx, apt.line(), file="mine.sources", enabled=False)
    assert "Enabled: no\n" in file.read_text()
    converge(pkgrepo.absent, ctx, apt.line())
    assert not file.exists()


def test_a_stanza_of_several_is_refused_by_the_preview(ctx: Context, apt: Apt) -> None:
    text = f"Types: deb deb-src\nURIs: file:{apt.repository}\nSuites: stable\nComponents: main\nTrusted: yes\n"
    (apt.sources / "both.sources").write_text(text)
    assert not pkgrepo.managed(ctx, apt.line(options="[trusted=yes]")).steps
    for state, name in ((pkgrepo.managed, apt.line("main", "extra")), (pkgrepo.absent, apt.line())):
        with pytest.raises(SalternError, match="together with others"):
            state(ctx, name)


def test_a_file_is_cleaned_where_that_is_asked_for(ctx: Context, apt: Apt) -> None:
    name = apt.line(options="[trusted=yes]")
    (apt.sources / "mine.list").write_text(f"deb http://127.0.0.1:1/x other main\n{name}\n")
    converge(pkgrepo.managed, ctx, name, file="mine", clean_file=True)
    assert (apt.sources / "mine.list").read_text() == f"{name}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keyid": "ABCDEF0123456789"}, "no key server is asked"),
        ({"keyserver": "keys.example"}, "no key server is asked"),
        ({"consolidate": True}, "`consolidate` would rewrite"),
        ({"clean_file": True}, "name it by `file`"),
        ({"key_url": "/x", "key_text": "y"}, "name one of them"),
        ({"key_url": "/x", "keyid": "me"}, "not the id of a key"),
    ],
)
def test_what_cant_be_done_is_refused_before_a_run(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SalternError, match=message):
        pkgrepo._check_managed("deb http://x.example/d stable main", **arguments)


def test_the_functions_of_pkg_list_change_and_delete(apt: Apt) -> None:
    name, place = apt.line(options="[trusted=yes]"), f"file:{apt.repository}"
    with permit_acting():
        made = pkg.mod_repo(name, file="mine", comps=["main", "extra"])
        assert made["comps"] == ["main", "extra"]
        assert pkg.list_repos() == {place: [made]}
        assert pkg.get_repo(name) == made
        pkg.mod_repo(name, disabled=True)
        assert pkg.get_repo(name)["line"] == f"# {name}"
        assert pkg.del_repo(apt.line()) == f"taken from {apt.sources}/mine.list"
        assert pkg.del_repo(apt.line()) == "it is not there"
    assert pkg.get_repo(name) == {}
    assert repos.places().main == f"{apt.root}/etc/apt/sources.list"


def test_a_tree_makes_a_repository_by_the_command(apt: Apt, signers: list[Signer], tmp_path: Path) -> None:
    states = tmp_path / "states"
    states.mkdir()
    (states / "key.asc").write_text(signers[0].armored)
    (states / "repo.sls").write_text(
        f"mine:\n  pkgrepo.managed:\n    - name: {apt.line()}\n    - file: mine\n    - key_url: salt://key.asc\n"
        f"    - keyid: {signers[0].fingerprint}\n"
    )
    words = ("--file-root", str(states), "--pillar-root", str(states), "--out", "json", "state.apply", "repo")
    for more, result, changed in ((("test=True",), None, True), ((), True, True), ((), True, False)):
        ran = run("saltern-call", tmp_path / "root", "--local", *words, *more)
        [one] = ran.returns["local"].values()
        assert (one["result"], bool(one["changes"])) == (result, changed), one
        assert (apt.sources / "mine.list").exists() is not (result is None)
    (states / "repo.sls").write_text("mine:\n  pkgrepo.managed:\n    - name: deb http://x.example stable\n")
    ran = run("saltern-call", tmp_path / "root", "--local", *words)
    [told] = ran.returns["local"]
    assert told.startswith("repo.sls:")
    assert "lacks components" in told
