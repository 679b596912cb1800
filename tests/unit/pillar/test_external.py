"""External pillars: only what the configuration names is asked, in bounded time, and a mistake has its place."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pillar.compiler import compile_pillar
from pillar.ext_pillar import externals
from pillar.external import External, ExternalError, Values
from pillar.git import Repository
from saltern.errors import ConfigError, SalternError
from saltern.files import LocalFiles
from saltern.targeting import MinionView
from tests.patience import WAIT_S

NODE = MinionView("on-node1", {"os": "Debian"})


def made(folder: Path, *listed: Any, nodegroups: Mapping[str, Any] | None = None) -> list[External]:
    return externals(list(listed), folder, nodegroups or {})


def values(folder: Path, *listed: Any, **more: Any) -> Values:
    [one] = made(folder, *listed, **more)
    one.refresh()
    return one.of(NODE)


def script(folder: Path, text: str) -> str:
    file = folder / "inventory"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ("file_tree", "wants one `kind: options`"),
        ({"mysql": {}}, "there is no kind 'mysql'"),
        ({"cmd_jso": ["/x"]}, "cmd_json"),
        ({"cmd_json": "echo {}"}, "since there is no shell"),
        ({"cmd_json": ["echo", "{}"]}, "full path"),
        ({"cmd_json": []}, "wants a list of texts"),
        ({"cmd_yaml": {"command": ["/x"], "timout": 1}}, "timeout"),
        ({"cmd_yaml": {"command": ["/x"], "timeout": -1}}, "wants a number"),
        ({"file_tree": {"root_dir": "x"}}, "wants a full path"),
        ({"file_tree": {}}, "wants root_dir"),
        ({"git": {"url": "ext::sh -c x"}}, "url wants"),
        ({"git": {"url": "--upload-pack=x"}}, "url wants"),
        ({"git": ["-x /srv/a.git"]}, "not the name of a branch"),
        ({"git": {"url": "/srv/a.git", "root": "../x"}}, "a folder of the repository"),
        ({"http_json": "http://cmdb.example/"}, "wants https"),
        ({"http_json": "file:///etc/passwd"}, "wants https"),
        ({"http_json": {"url": "https://a/", "headers": {"a": 1}}}, "headers wants texts"),
    ],
)
def test_a_wrong_setting_is_told_with_its_number(tmp_path: Path, listed: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match="ext_pillar 1") as caught:
        made(tmp_path, listed)
    assert problem in str(caught.value)


# --- programs


@pytest.mark.parametrize(
    ("kind", "text"), [("cmd_json", """echo '{"id": "'$1'"}'"""), ("cmd_yaml", """echo "id: $1" """)]
)
def test_a_program_is_asked_for_the_minion(tmp_path: Path, kind: str, text: str) -> None:
    command = [script(tmp_path, text), "%s"]
    assert values(tmp_path, {kind: command}) == {"id": "on-node1"}
    assert values(tmp_path, {kind: {"command": command, "key": "a:b"}}) == {"a": {"b": {"id": "on-node1"}}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("echo nonsense; echo CANARY >&2; exit 3", "ended with 3"),
        ("sleep 3600", "did not end within 0.2 s"),
        ("echo '{'", "not JSON"),
        ("echo '[1]'", "no mapping of names to values, but list"),
    ],
)
def test_a_program_that_fails_is_an_error_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    limit_s = 0.2 if "sleep" in text else WAIT_S
    with pytest.raises(ExternalError, match=r"ext_pillar 1 \(cmd_json\)") as caught:
        values(tmp_path, {"cmd_json": {"command": [script(tmp_path, text)], "timeout": limit_s}})
    assert problem in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_program_is_asked_again_unless_its_values_may_be_kept(tmp_path: Path) -> None:
    count = tmp_path / "count"
    command = [script(tmp_path, f"echo x >> {count}; echo a: $(wc -l < {count})")]
    [kept], [asked] = (
        made(tmp_path, {"cmd_yaml": {"command": command, "cache": 1000}}),
        made(tmp_path, {"cmd_yaml": command}),
    )
    assert [kept.of(NODE), kept.of(NODE), asked.of(NODE), asked.of(NODE)] == [{"a": 1}, {"a": 1}, {"a": 2}, {"a": 3}]


# --- files


def tree(folder: Path, files: Mapping[str, str]) -> str:
    for path, text in files.items():
        (folder / "ext" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "ext" / path).write_text(text)
    return str(folder / "ext")


def test_files_are_values_and_those_of_the_host_win(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "hosts/on-node1/tls/key": "own\n",
            "hosts/on-node2/tls/key": "other\n",
            "nodegroups/nodes/tls/key": "group\n",
            "nodegroups/nodes/tls/ca": "ca\n\n",
            "nodegroups/filers/x": "x",
        },
    )
    groups = {"nodes": "on-*", "filers": "filer*"}
    assert values(tmp_path, {"file_tree": root}, nodegroups=groups) == {"tls": {"key": "own", "ca": "ca\n"}}
    kept = values(tmp_path, {"file_tree": {"root_dir": root, "keep_newline": True}})
    assert kept == {"tls": {"key": "own\n"}}


def test_a_link_to_a_directory_is_not_followed_unless_told(tmp_path: Path) -> None:
    root = tree(tmp_path, {"hosts/on-node1/a": "1", "secret/key": "k"})
    os.symlink(tmp_path / "ext/secret", tmp_path / "ext/hosts/on-node1/link")
    assert values(tmp_path, {"file_tree": root}) == {"a": "1"}
    followed = values(tmp_path, {"file_tree": {"root_dir": root, "follow_dir_links": True}})
    assert followed == {"a": "1", "link": {"key": "k"}}


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    root = tree(tmp_path, {"hosts/on-node1/a": ""})
    (tmp_path / "ext/hosts/on-node1/a").write_bytes(b"a\xff")
    with pytest.raises(ExternalError, match="hosts/on-node1/a is not UTF-8 at byte 1"):
        values(tmp_path, {"file_tree": root})


# --- git


class Origin:
    """A repository with a pillar tree below `p/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "origin"
        (self.folder / "p").mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit({"p/top.sls": "base: {'*': [all]}\n", "p/all.sls": "os: {{ grains.os }}\nn: 1\n"})

    def git(self, *words: str) -> None:
        settings = ("-c", "user.name=x", "-c", "user.email=x@example", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *settings, "-C", str(self.folder), *words], check=True, capture_output=True)

    def commit(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            (self.folder / path).write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "x")

    def source(self, folder: Path, **more: Any) -> External:
        [one] = made(folder / "var", {"git": {"url": str(self.folder), "root": "p", "interval": 0, **more}})
        return one


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path)


def pillar(one: External, files: LocalFiles | None = None, **more: Any) -> dict[str, Any]:
    return compile_pillar(files or LocalFiles({}), NODE.id, NODE.grains, external=[one.of(NODE)], **more)


def test_a_repository_is_a_pillar_tree_of_its_own(origin: Origin, tmp_path: Path) -> None:
    one = origin.source(tmp_path)
    one.refresh()
    assert pillar(one) == {"os": "Debian", "n": 1}
    before = one.revision()
    origin.commit({"p/all.sls": "n: 2\n"})
    one.refresh()
    assert pillar(one) == {"n": 2}
    assert one.revision() != before


def test_a_repository_that_is_gone_is_used_as_it_was(origin: Origin, tmp_path: Path) -> None:
    origin.source(tmp_path).refresh()
    origin.folder.rename(tmp_path / "gone")
    one = origin.source(tmp_path)
    one.refresh()
    assert pillar(one)["n"] == 1


def test_a_repository_that_never_came_is_an_error_of_the_pillar(tmp_path: Path) -> None:
    [one] = made(tmp_path / "var", {"git": [f"main {tmp_path}/nix.git"]})
    one.refresh()
    with pytest.raises(ExternalError, match=r"ext_pillar 1 \(git\)"):
        one.of(NODE)


def test_it_is_looked_at_once_in_an_interval(origin: Origin, tmp_path: Path) -> None:
    one = origin.source(tmp_path, interval=1000)
    one.refresh()
    origin.commit({"p/all.sls": "n: 2\n"})
    one.refresh()
    assert pillar(one)["n"] == 1


def test_a_link_in_a_repository_is_no_way_out_of_it(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "outside.sls").write_text("stolen: CANARY\n")
    os.remove(origin.folder / "p/all.sls")
    os.symlink(tmp_path / "outside.sls", origin.folder / "p/all.sls")
    origin.commit({})
    one = origin.source(tmp_path)
    one.refresh()
    with pytest.raises(SalternError) as caught:
        pillar(one)
    assert "CANARY" not in str(caught.value)


def test_credentials_of_an_address_are_not_told(tmp_path: Path) -> None:
    [one] = made(tmp_path, {"git": {"url": "https://user:CANARY@127.0.0.1:1/x.git", "timeout": 20}})
    assert isinstance(one, Repository)
    one.refresh()
    with pytest.raises(ExternalError) as caught:
        one.of(NODE)
    assert "CANARY" not in str(caught.value)


# --- servers


class Handler(BaseHTTPRequestHandler):
    """Answers by its path; notes what it was asked."""

    seen: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization")))
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "/on-node1")
            self.end_headers()
            return
        self.send_response(404 if "nix" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"[1]" if "list" in self.path else json.dumps({"path": self.path}).encode())

    def log_message(self, *_: Any) -> None:
        pass


class Server(HTTPServer):
    """One that says nothing of clients that turn away."""

    def handle_error(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own for localhost, with its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(
        [
            *("openssl", *words, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(folder / "key"), "-out", str(folder / "cert")),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "both").write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return folder


@pytest.fixture
def server(certificate: Path) -> Iterator[str]:
    """The address of a server with TLS."""
    Handler.seen.clear()
    httpd = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "both")
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"https://localhost:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_a_server_is_asked_for_the_minion_with_what_the_configuration_says(
    tmp_path: Path, server: str, certificate: Path
) -> None:
    options = {"url": f"{server}/%s", "ca_file": str(certificate / "cert"), "username": "u", "password": "p"}
    assert values(tmp_path, {"http_json": options}) == {"path": "/on-node1"}
    assert Handler.seen == [("/on-node1", "Basic dTpw")]


@pytest.mark.parametrize(
    ("path", "problem"), [("/nix", "answers 404"), ("/away", "answers 302"), ("/list", "no mapping")]
)
def test_what_a_server_should_not_answer_is_told(
    tmp_path: Path, server: str, certificate: Path, path: str, problem: str
) -> None:
    with pytest.raises(ExternalError, match=problem):
        values(tmp_path, {"http_json": {"url": server + path, "ca_file": str(certificate / "cert")}})
    assert len(Handler.seen) == 1


def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(tmp_path: Path, server: str) -> None:
    with pytest.raises(ExternalError, match="CERTIFICATE_VERIFY_FAILED"):
        values(tmp_path, {"http_json": f"{server}/%s"})
    assert Handler.seen == []


# --- together


def test_external_values_come_over_the_tree_or_below_it(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/top.sls").write_text("base: {'*': [all]}\n")
    (tmp_path / "base/all.sls").write_text("a: 1\nb: {x: 1}\nseen: {{ pillar.get('c', 'nothing') }}\n")
    files = LocalFiles({"base": [str(tmp_path / "base")]})
    outside = {"a": 2, "b": {"y": 2}, "c": 3}

    def found(**more: Any) -> dict[str, Any]:
        return compile_pillar(files, NODE.id, {}, external=[outside], **more)

    assert found() == {"a": 2, "b": {"x": 1, "y": 2}, "seen": "nothing", "c": 3}
    assert found(external_first=True) == {"a": 1, "b": {"x": 1, "y": 2}, "seen": 3, "c": 3}
    assert found(override={"c": 9})["c"] == 9
