"""What a user may get wrong: one clear message with its place, the documented exit code, and nothing changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import commands
from tests.integration.commands import SCREEN, Ran
from tests.integration.system import System, free_port, system, wait_for

STATE = "changed:\n  file.managed:\n    - name: {mark}\n"  # before the mistake, on three lines
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

# SLS → text behind STATE, how the message begins, what else it says
SLS = {
    "tab": ("x:\n  test.nop:\n\t- name: a\n", "tab.sls:6:1: a tab", "indented by spaces"),
    "brackets": ("x: [1,\n", "brackets.sls:5:1: not YAML", ""),
    "function": ("x:\n  file.manged: []\n", "function.sls:5:3: there is no state 'file.manged'", "'file.managed'?"),
    "namespace": ("x:\n  fil.managed: []\n", "namespace.sls:5:3: there is no state 'fil.managed'", "'file'?"),
    "argument": (
        "x:\n  file.managed:\n    - name: /x\n    - contnets: a\n",
        "argument.sls:7:7: file.managed takes no argument 'contnets'",
        "'contents'?",
    ),
    "type": ("x:\n  file.managed:\n    - name: /x\n    - makedirs: [1]\n", "type.sls:7:7: the argument 'makedirs'", ""),
    "requisite": (
        "x:\n  test.nop:\n    - require:\n      - file: chnged\n",
        "requisite.sls:7:9: require names 'file: chnged', which no state is",
        "'changed'",
    ),
    "circle": (
        "x:\n  test.nop:\n    - require: [test: y]\ny:\n  test.nop:\n    - require: [test: x]\n",
        "circle.sls:5:3: requisites in a circle: test: x → test: y → test: x",
        "",
    ),
    "variable": (
        "x:\n  test.nop:\n    - name: {{ nothing }}\n",
        "variable.sls:6:16: the variable 'nothing'",
        "default(",
    ),
    "key": (
        "x:\n  test.nop:\n    - name: {{ pillar.site.nam }}\n",
        "key.sls:6:28: the mapping has no key 'nam'",
        "'name'?",
    ),
    "jinja": ("x:\n  test.nop:\n    - name: {% if %}\n", "jinja.sls:6:13: Jinja:", ""),
    "one": ("include: [two]\n", "two.sls:1:11: a loop of includes: one → two → one", ""),
    "self": ("include: [self]\n", "self.sls:4:11: a loop of includes: self → self", ""),
    "includes": ("include: [tow]\n", "includes.sls:4:11: there is no SLS 'tow'", "'two'?"),
    "twice": ("x:\n  test.nop: []\nx:\n  test.nop: []\n", "twice.sls:6:1: the key 'x' stands here again", "line 4"),
    "both": ("include: [other]\nx:\n  test.nop: []\n", "both.sls:5:1: the id 'x' is declared twice", "other.sls:1:1"),
    "bomb": (BOMB, "bomb.sls:10:8: the aliases multiply the document", ""),
    "python": ("x: !!python/object/apply:os.system [id]\n", "python.sls:4:4: the tag !!python/object", "not allowed"),
    "endless": ("{% for a in range(10 ** 9) %}{% endfor %}\n", "endless.sls:4:1: ", "100000"),
    "binary": ("\0\n", "binary.sls:4:1: not YAML", "control characters"),
}
MORE_SLS = {"two": "include: [one]\n", "other": "x:\n  test.nop: []\n", "good": ""}

PILLAR = {
    "tab": ("a:\n\tb: 1\n", "site.sls:2:1: a tab"),
    "variable": ("a: 1\nb: {{ nothing }}\n", "site.sls:2:7: the variable 'nothing'"),
    "include": ("include: [nono]\n", "site.sls:1:11: there is no SLS 'nono'"),
    "twice": ("a: 1\na: 2\n", "site.sls:2:1: the key 'a'"),
    "function": ("a: {{ salt['cmd.run']('id') }}\n", "site.sls:1:13: there is no function 'cmd.run' here"),
    "attribute": ("a: {{ ''.__class__ }}\n", "site.sls:1:10: access to attribute '__class__'"),
    "list": ("- a\n", "site.sls:1:1: a pillar SLS is a mapping"),
    "bomb": (BOMB, "site.sls:7:8: the aliases multiply"),
}

TARGETS = [  # option and target, the message, where its caret stands
    (("-C", "n1 and (os"), "this '(' is never closed", 7),
    (("-C", "X@a"), "unknown letter 'X'", 0),
    (("-C", "n1 or"), "", 5),
    (("-E", "n("), "missing ), unterminated", 1),
    (("-P", "os:(a"), "missing )", 3),
    (("-G", "os"), "':' and a value are missing", 2),
    (("-S", "300.1.1.1/8"), "not an IP address", 0),
    (("-N", "none"), "there is no nodegroup 'none'", 0),
    (("../../etc/passwd",), "'/' stands in no minion id", 2),
]

USAGE = [  # command, words, the message; each ends with 2
    ("saltern", ["--nope", "n1", "test.ping"], "there is no option --nope"),
    ("saltern", ["n1"], "FUNCTION is missing"),
    ("saltern", [], "TARGET and FUNCTION are missing"),
    ("saltern", ["n1", "testping"], "'testping' is not the name of a function"),
    ("saltern", ["n1", "../../x.y"], "is not the name of a function"),
    ("saltern", ["n2", "test.ping"], "no minion matches 'n2'"),
    ("saltern", ["n1", "test.ping", "--out", "xml"], "--out takes one of"),
    ("saltern-run", ["--nope"], "there is no option --nope"),
    ("saltern-run", ["jobs.lst_jobs"], "Did you mean 'jobs.list_jobs'?"),
    ("saltern-run", ["jobs.lookup_jid", "12"], "not a job id: '12'"),
    ("saltern-run", ["jobs.lookup_jid", "20260101000000000000"], "there is no job 20260101000000000000"),
    ("saltern-run", ["jobs.lookup_jid"], "jid"),
    ("saltern-key", ["accpt"], "Did you mean 'accept'?"),
    ("saltern-key", ["accept", "nobody"], "no pending key matches 'nobody'"),
    ("saltern-key", ["token", "--ttl", "x"], "--ttl takes a time"),
    ("saltern-key", ["token", "--minion", "../x"], "'/' stands in no minion id"),
    ("saltern-master", ["--nope"], "--nope"),
]
NODE_USAGE = [
    ("saltern-call", ["--nope"], "there is no option --nope"),
    ("saltern-call", ["--local", "test.pong"], "Did you mean 'test.ping'?"),
    ("saltern-call", ["--local", "test.echo"], "test.echo wants text"),
    ("saltern-minion", ["--nope"], "--nope"),
    ("saltern-minion", ["join", "garbage"], "not a join token"),
]

CALLS = [  # a wrong call that only the minion can know to be wrong; each ends with 1
    (["test.pong"], "there is no function 'test.pong'. Did you mean 'test.ping'?"),
    (["tst.ping"], "no namespace 'tst'. Did you mean 'test'?"),
    (["test.ping", "a"], "test.ping takes no argument, not 1"),
    (["test.echo"], "test.echo wants text"),
    (["saltutil.kill_job", "12"], "job 12 does not run here"),
    (["saltutil.kill_job"], "saltutil.kill_job wants jid"),
    (["saltutil.signal_job", "12", "none"], "a signal is a number that kill(1) knows, like 15, not 'none'"),
    (["state.apply", "good", "tset=True"], "has no argument 'tset'. Did you mean 'test'?"),
    (["state.apply", "good", "test=maybe"], "test= is True or False, not 'maybe'"),
    (["state.apply", "good", "pillar=foo"], "pillar= wants a mapping"),
    (["state.apply", "god"], "there is no SLS 'god' in environment 'base'. Did you mean 'good'?"),
    (["state.apply", "../../etc/passwd"], "there is no SLS '../../etc/passwd'"),
    (["state.apply", "good", "saltenv=../x"], "there is no environment '../x'"),
    (["state.single", "file.nope", "x"], "there is no state 'file.nope'"),
    (["state.show_sls", "tab"], "tab.sls:6:1: a tab"),
]


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A master with the mistakes above in its tree, and its minion `n1`. No daemon may ever log a traceback."""
    with system(tmp_path_factory.mktemp("bad")) as made:
        for name, (text, _, _) in SLS.items():
            (made.states / f"{name}.sls").write_text(STATE.format(mark=mark(made)) + text)
        for name, text in MORE_SLS.items():
            (made.states / f"{name}.sls").write_text(text)
        (made.states / "marks.sls").write_text(STATE.format(mark=mark(made)))
        (made.pillar / "top.sls").write_text("base:\n  n1: [site]\n")
        (made.pillar / "site.sls").write_text("site: {name: x}\n")
        made.minion("n1")
        yield made
        for daemon in (made.master, *made.minions.values()):
            assert "Traceback" not in daemon.log, daemon.log


def mark(master: System) -> Path:
    """The file that is there when a state ran."""
    return master.folder / "n1" / "changed"


def saltern(master: System, *words: str) -> Ran:
    """The command `saltern` for a minion that must not have changed by it."""
    ran = commands.run("saltern", master.master.root, *words)
    assert not mark(master).exists()
    return ran


def is_one_message(ran: Ran) -> None:
    """What was printed fits a screen, tells of no internals, and ends as it should."""
    assert 0 < len(ran.text.splitlines()) <= SCREEN, ran.text
    assert not re.search(r"File \"|<lambda>|object at 0x|\bbug in\b", ran.text), ran.text


@pytest.mark.parametrize("name", SLS)
def test_a_mistake_in_an_sls_ends_the_run_before_it_begins(master: System, name: str) -> None:
    _, begins, more = SLS[name]
    ran = saltern(master, "n1", "state.apply", name)
    assert ran.code == 1
    assert f"\n    {begins}" in ran.out, ran.out
    assert more in ran.out, ran.out
    assert ran.out.count(".sls:") <= 3, ran.out  # the place, and where the other half of the mistake stands
    is_one_message(ran)


@pytest.mark.parametrize("name", PILLAR)
def test_a_mistake_in_the_pillar_refuses_the_job(master: System, name: str) -> None:
    text, begins = PILLAR[name]
    right = (master.pillar / "site.sls").read_text()
    (master.pillar / "site.sls").write_text(text)
    try:
        for function in (["state.apply", "marks"], ["pillar.items"]):
            ran = saltern(master, "n1", *function)
            assert ran.code == 1
            assert f"the pillar of n1 can't be rendered:\n    {begins}" in ran.out, ran.out
            is_one_message(ran)
    finally:
        (master.pillar / "site.sls").write_text(right)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("base:\n  '*': [site\n", "top.sls:3:1: not YAML"),
        ("base:\n  'X@n':\n    - match: compound\n    - site\n", "top.sls:2:3: can't read the target"),
        ("base:\n  '*': [sit]\n", "top.sls:2:9: there is no SLS 'sit'"),
    ],
)
def test_a_mistake_in_a_top_file_has_its_place(master: System, text: str, begins: str) -> None:
    for tree in (master.states, master.pillar):
        top = tree / "top.sls"
        right = top.read_text() if top.exists() else ""
        top.write_text(text)
        try:
            ran = saltern(master, "n1", "state.highstate")
            assert ran.code == 1
            assert begins in ran.out, ran.out
            is_one_message(ran)
        finally:
            top.write_text(right)


@pytest.mark.parametrize(("target", "message", "column"), TARGETS, ids=lambda value: str(value))
def test_a_target_that_does_not_parse_has_a_caret(
    master: System, target: tuple[str, ...], message: str, column: int
) -> None:
    ran = saltern(master, *target, "test.ping")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err, ran.err
    lines = ran.err.splitlines()
    at = lines.index(f"  {target[-1]}")
    assert lines[at + 1] == "  " + " " * column + "^", ran.err
    is_one_message(ran)


@pytest.mark.parametrize(("command", "words", "message"), USAGE)
def test_a_command_line_that_is_wrong_ends_with_2(master: System, command: str, words: list[str], message: str) -> None:
    ran = commands.run(command, master.master.root, *words)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err, ran.err
    is_one_message(ran)


@pytest.mark.parametrize(("command", "words", "message"), NODE_USAGE)
def test_so_does_one_on_the_node(master: System, command: str, words: list[str], message: str) -> None:
    ran = commands.run(command, master.minions["n1"].root, *words)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err, ran.err
    is_one_message(ran)


@pytest.mark.parametrize(("words", "message"), CALLS)
def test_a_call_that_the_minion_refuses_ends_with_1(master: System, words: list[str], message: str) -> None:
    ran = saltern(master, "n1", *words)
    assert ran.code == 1
    assert message in ran.out, ran.out
    is_one_message(ran)


@pytest.mark.parametrize("name", ["../evil", "a/../b", "..", "/etc/passwd", "a b", "\x1b[2J"])
def test_a_minion_id_that_is_a_path_is_refused_on_the_node(master: System, tmp_path: Path, name: str) -> None:
    token = master.key("token", minion="*", ttl_s=60)["token"]
    for command, words in (
        ("saltern-minion", ["--id", name]),
        ("saltern-minion", ["--id", name, "join", token]),
        ("saltern-call", ["--local", "--id", name, "test.ping"]),
    ):
        ran = commands.run(command, tmp_path, *words)
        assert ran.code in (1, 2)
        assert "not a minion id" in ran.err, ran.err
        assert "\x1b" not in ran.text
        is_one_message(ran)
    assert not (tmp_path / "var").exists() or not list((tmp_path / "var").rglob("*evil*"))
    assert [record["id"] for record in master.key("list")["accepted"]] == ["n1"]


@pytest.mark.parametrize(
    ("command", "words"),
    [("saltern", ["*", "test.ping"]), ("saltern-run", ["manage.up"])],
)
def test_without_a_master_it_is_said_how_to_start_it(tmp_path: Path, command: str, words: list[str]) -> None:
    ran = commands.run(command, tmp_path, *words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"{command}: the master is not running: nobody listens on {tmp_path}/run/saltern/master.sock\n"
        f"Start it with: saltern-master --root {tmp_path}\n"
    )


def test_joining_a_master_that_is_not_there_ends_soon(master: System, tmp_path: Path) -> None:
    gone = System(tmp_path / "gone", control_port=free_port())
    gone.start()
    token = gone.key("token", minion="*", ttl_s=60)["token"]
    gone.close()
    ran = commands.run("saltern-minion", tmp_path / "node", "join", token)
    assert ran.code == 1
    assert f"no master answers at 127.0.0.1:{gone.control_port}" in ran.err, ran.err
    is_one_message(ran)


def test_an_agent_without_a_master_says_so_once_and_waits(tmp_path: Path) -> None:
    with system(tmp_path) as made:
        daemon = made.prepare("n1")
        made.master.stop()
        daemon.start()
        wait_for("it says so", lambda: f"no master answers at 127.0.0.1:{made.control_port}" in daemon.log)
        wait_for("it tries on", lambda: commands.run("saltern-call", daemon.root, "pillar.items").code == 1)
        assert daemon.log.count("no master answers") == 1
        made.start()
        made.wait_up("n1")
        assert "Traceback" not in daemon.log


def test_another_master_at_the_address_gets_nothing_and_is_told_apart(tmp_path: Path) -> None:
    with system(tmp_path / "right") as right:
        daemon = right.minion("n1")
        token = right.key("token", minion="n2", ttl_s=60)["token"]
        right.master.stop()
        with system(tmp_path / "false", control_port=right.control_port, files_port=right.files_port) as false:
            wait_for("the minion says so", lambda: "does not hold the key that this minion trusts" in daemon.log)
            assert false.key("list") == {"accepted": [], "pending": [], "rejected": []}
            ran = commands.run("saltern-minion", tmp_path / "n2", "join", token)
            assert ran.code == 1
            assert "does not hold the key" in ran.err
            is_one_message(ran)
        right.start()
        right.wait_up("n1")
        assert "Traceback" not in daemon.log
        assert len(daemon.log.splitlines()) < SCREEN
