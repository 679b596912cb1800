"""Settings: defaults, files, and errors that name file, line and option."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from saltern.config import Config, load_master, load_minion
from saltern.errors import ConfigError


def write(root: Path, name: str, text: str | bytes) -> Path:
    file = root / "etc/saltern" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o644)
    return file


def test_without_files_the_defaults_hold(tmp_path: Path) -> None:
    assert load_minion(tmp_path) == Config(root=tmp_path)
    master = load_master(tmp_path)
    assert master.file_roots == {"base": [f"{tmp_path}/srv/saltern/states"]}
    assert master.pillar_roots == {"base": [f"{tmp_path}/srv/saltern/pillar"]}
    assert (master.control_port, master.files_port) == (4515, 4516)


def test_all_places_lie_below_the_root(tmp_path: Path) -> None:
    paths = load_minion(tmp_path).paths
    assert {paths.etc, paths.srv, paths.var, paths.run} == {
        tmp_path / "etc/saltern",
        tmp_path / "srv/saltern",
        tmp_path / "var/lib/saltern",
        tmp_path / "run/saltern",
    }


def test_the_files_of_the_folder_are_read_last_and_in_order(tmp_path: Path) -> None:
    write(tmp_path, "minion", "id: a\nmaster: one\nsaltenv: dev\n")
    write(tmp_path, "minion.d/20.conf", "id: c\n")
    write(tmp_path, "minion.d/10.conf", "id: b\nmaster: two\n")
    write(tmp_path, "minion.d/30.conf~", "id: d\n")
    config = load_minion(tmp_path)
    assert (config.id, config.master, config.saltenv) == ("c", "two", "dev")


def test_another_folder_may_be_named(tmp_path: Path) -> None:
    write(tmp_path, "minion", "id: a\n")
    assert load_minion(Path("/nonexistent"), tmp_path / "etc/saltern").id == "a"


def test_nothing_is_read_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minion").write_text("id: evil\n")
    monkeypatch.chdir(tmp_path)
    assert load_minion(tmp_path / "elsewhere").id == ""


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    write(tmp_path, "master", "timeout: 5\n")
    timeout = load_master(tmp_path).timeout
    assert (timeout, type(timeout)) == (5.0, float)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_changes_nothing(text: str, tmp_path: Path) -> None:
    write(tmp_path, "minion", text)
    assert load_minion(tmp_path) == Config(root=tmp_path)


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("id: a\nmastre: b\n", ":2", "unknown option 'mastre'. Did you mean 'master'?"),
        ("root: /\n", ":1", "unknown option 'root'"),
        ("5: a\n", ":1", "unknown option 5"),
        ("id: a\n\n# c\nid_: b\n", ":4", "unknown option 'id_'"),
        ("id: 5\n", ":1", "option id wants a text, not 5"),
        ("worker_idle_s: true\n", ":1", "option worker_idle_s wants a number, not True"),
        ("worker_idle_s: -1\n", ":1", "wants a number from 0, not -1.0"),
        ("reconnect_max_s: .inf\n", ":1", "wants a number from 0, not inf"),
        ("reconnect_max_s: .nan\n", ":1", "wants a number from 0, not nan"),
        ("grains: [a]\n", ":1", "option grains wants a mapping"),
        ("file_roots: {base: /srv}\n", ":1", "wants lists of folders by environment"),
        ("pillarenv: a b\n", ":1", "option pillarenv wants the name of an environment"),
        ("pillarenv: 1\n", ":1", "option pillarenv wants a text, not 1"),
        ("pillar_roots: {base: [1]}\n", ":1", "wants lists of folders by environment"),
        ("- a\n", "", "expected options as `name: value` lines"),
        ("id: a\n\tb: c\n", ":2:1", "cannot start any token"),
        ("id: [\n", ":2:1", "expected the node content"),
        ("id: !!python/name:os.system\n", ":1:5", "could not determine a constructor"),
        ("id: 2024-99-99\n", "", "month must be in"),
        (b"id: \xff\n", "", "not UTF-8 at byte 4"),
    ],
)
def test_a_bad_option_is_an_error_at_its_place(text: str | bytes, place: str, problem: str, tmp_path: Path) -> None:
    file = write(tmp_path, "minion", text)
    with pytest.raises(ConfigError) as caught:
        load_minion(tmp_path)
    assert str(caught.value).startswith(f"{file}{place}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("control_port: 0\n", "a port from 1 to 65535"),
        ("files_port: 65536\n", "a port from 1 to 65535"),
        ("files_port: yes\n", "a whole number"),
        ("users: [1]\n", "a list of texts"),
        ("users: root\n", "a list"),
    ],
)
def test_a_bad_option_of_the_master_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    write(tmp_path, "master", text)
    with pytest.raises(ConfigError, match=problem):
        load_master(tmp_path)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o622])
def test_a_file_that_others_may_write_is_refused(mode: int, tmp_path: Path) -> None:
    write(tmp_path, "minion", "id: a\n").chmod(mode)
    with pytest.raises(ConfigError, match="others may write"):
        load_minion(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(write(tmp_path, "minion", "id: a\n"), 65534, 65534)
    with pytest.raises(ConfigError, match="others may write"):
        load_minion(tmp_path)


def test_a_folder_in_the_place_of_the_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "etc/saltern/minion").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"etc/saltern/minion: Is a directory"):
        load_minion(tmp_path)


def test_a_file_in_the_place_of_the_folder_holds_no_settings(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/saltern").write_text("")
    assert load_minion(tmp_path) == Config(root=tmp_path)


def test_a_minion_file_of_salt_is_read_as_it_is(tmp_path: Path) -> None:
    text = "root_dir: /somewhere\ncachedir: /var/cache\nnodegroups: {web: 'web*'}\nid: w1\nmodule_options: {a: 1}\n"
    (tmp_path / "minion").write_text(text)
    config = load_minion(directory=tmp_path)
    assert (config.root, config.id) == (Path("/somewhere"), "w1")
    assert config.module_options == {
        "root_dir": "/somewhere",
        "cachedir": "/var/cache",
        "nodegroups": {"web": "web*"},
        "a": 1,
    }
    assert load_minion(tmp_path / "r", tmp_path).root == tmp_path / "r"
    (tmp_path / "minion").write_text("cachdir: /var/cache\n")
    with pytest.raises(ConfigError, match="unknown option 'cachdir'"):
        load_minion(directory=tmp_path)


def test_what_a_minion_file_includes_counts_after_minion_d(tmp_path: Path) -> None:
    write(tmp_path, "minion", "id: a\nsaltenv: one\ninclude: [more/*.conf, last]\ngrains: {a: 1, b: 1}\n")
    write(tmp_path, "minion.d/x.conf", "id: b\nmaster: m\ngrains: {a: 2}\n")
    write(tmp_path, "more/x.conf", "id: c\n")
    write(tmp_path, "last", "saltenv: two\n")
    config = load_minion(tmp_path)
    assert (config.id, config.master, config.saltenv, config.grains) == ("c", "m", "two", {"a": 2})
    write(tmp_path, "minion", "id: a\ndefault_include: other/*.conf\n")
    write(tmp_path, "other/x.conf", "saltenv: three\n")
    config = load_minion(tmp_path)
    assert (config.id, config.master, config.saltenv) == ("a", "", "three")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("include: nowhere\n", "nowhere: included, but there is no such file"),
        ("id: a\ninclude: {a: 1}\n", "minion:2: option include wants a file or a list of files"),
        ("renderer: jinja|json\n", "minion:1: option renderer: there is only 'jinja|yaml', not 'jinja|json'"),
        ("jinja_trim_blocks: true\n", "option jinja_trim_blocks: there is only False, not True"),
    ],
)
def test_an_option_that_asks_for_what_there_is_not_is_refused(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "minion", text)
    with pytest.raises(ConfigError) as caught:
        load_minion(tmp_path)
    assert said in str(caught.value)


def test_options_of_salt_and_our_own_have_one_meaning_each() -> None:
    from saltern.salt_options import ACTIVE, FIXED, INERT

    assert not (INERT | FIXED.keys()) & set(Config.__dataclass_fields__)
    assert not ACTIVE & INERT
    assert not FIXED.keys() & (ACTIVE | INERT)
