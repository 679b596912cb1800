"""A state tree that brings code: modules, states, grains and runners, typed ones and such as were made for Salt."""

from __future__ import annotations

from pathlib import Path

TYPED_MODULE = '''
"""Notes, one a file."""

from __future__ import annotations

from pathlib import Path

from modules._note_folder import folder
from saltern.context import Context
from saltern.marks import acting, reading


@reading
def read(ctx: Context, name: str) -> str | None:
    """The note NAME, or None."""
    try:
        return (folder(ctx) / name).read_text()
    except FileNotFoundError:
        return None


@acting
def write(ctx: Context, name: str, text: str) -> bool:
    """Write the note NAME."""
    (folder(ctx) / name).write_text(text)
    return True


@reading
def version() -> int:
    return 1


def helper() -> None:
    """Not offered: it has no mark."""
'''
PART = """
from pathlib import Path


def folder(ctx):
    return Path(ctx.config.root)
"""
TYPED_STATE = """
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modules import note
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import state


@dataclass(frozen=True)
class Note:
    text: str


@state
def present(ctx: Context, name: str, *, text: str) -> Plan:
    found = note.read(ctx, name)
    current, wish = (None if found is None else Note(found)), Note(text)
    return Plan(current, wish, steps(ctx, name, current, wish))


def steps(ctx: Context, name: str, current: Note | None, wish: Note) -> Iterator[Step]:
    if current != wish:
        before = current.text if current else None
        yield Step(f"write the note {name}", before, wish.text, do=call(note.write, ctx, name, wish.text))
"""
WILD_MODULE = '''
"""
Manage little key files

:depends: sh
"""
import logging

import salt.utils.files
import salt.utils.path
from salt.exceptions import CommandExecutionError, SaltInvocationError

log = logging.getLogger(__name__)

__virtualname__ = "keyfile"
__func_alias__ = {"set_": "set", "list_": "list"}


def __virtual__():
    if not salt.utils.path.which("sh"):
        return (False, "The keyfile module needs sh")
    return __virtualname__


def get(path, key, default=None):
    """
    CLI Example: salt '*' keyfile.get /etc/x key
    """
    return _read(path).get(key, default)


def set_(path, key, value, **kwargs):
    found = _read(path)
    found[key] = value
    with salt.utils.files.fopen(path, "w") as fh:
        fh.write("".join("{}={}\\n".format(*item) for item in sorted(found.items())))
    return True


def list_(path):
    if not __salt__["cmd.has_exec"]("sh"):
        raise CommandExecutionError("no shell")
    out = __salt__["cmd.run_all"](["cat", path], python_shell=False, output_loglevel="quiet")
    return out["stdout"].splitlines()


def about():
    __context__.setdefault("keyfile.asked", 0)
    __context__["keyfile.asked"] += 1
    return {
        "id": __opts__["id"],
        "kernel": __grains__["kernel"],
        "owner": __pillar__.get("owner"),
        "util": __utils__["keyutil.shout"]("a"),
    }


def fail():
    raise SaltInvocationError("it takes a path")


def bug():
    return {}["nothing"]


def _read(path):
    try:
        with salt.utils.files.fopen(path) as fh:
            return dict(line.rstrip("\\n").split("=", 1) for line in fh)
    except IOError:
        return {}
'''
WILD_STATE = '''
"""
Keys in key files
"""


def __virtual__():
    return "keyfile" if "keyfile.set" in __salt__ else (False, "keyfile module is missing")


def key_present(name, path, value, **kwargs):
    ret = {"name": name, "changes": {}, "result": False, "comment": ""}
    old = __salt__["keyfile.get"](path, name)
    if old == value:
        ret["result"] = True
        ret["comment"] = "Key {} is up to date".format(name)
        return ret
    ret["changes"] = {name: {"old": old, "new": value}}
    if __opts__["test"]:
        ret["result"] = None
        ret["comment"] = "Key {} would be set".format(name)
        return ret
    ret["result"] = __salt__["keyfile.set"](path, name, value)
    ret["comment"] = "Key {} was set".format(name)
    return ret


def managed(name, text):
    return __states__["file.managed"](name, contents=text)


def wrong(name):
    return "no result"


def mod_watch(name, sfun=None, **kwargs):
    return {"name": name, "changes": {"watched": sfun}, "result": True, "comment": "looked after"}
'''
WILD_GRAINS = """
import platform


def rack():
    return {"rack": "r" + str(len(__grains__["kernel"])), "machine_word": platform.machine()}


def _private():
    raise RuntimeError("never called")
"""
UTIL = """
def shout(text):
    return text.upper() + "!"
"""
TYPED_RUNNER = """
import os
import sys

from saltern.custom.master import Master


def greet(master: Master, target: str, word: str = "hello") -> dict[str, object]:
    "Greet TARGET."
    print("this goes to the log")
    ended = master.run(target, "test.echo", word)
    return {"up": master.call("manage.up"), "said": {id: one.value for id, one in ended.items()}, "pid": os.getpid()}


def fail(master: Master) -> None:
    raise KeyError("nothing")


def leave() -> None:
    os._exit(3)


def deep() -> None:
    sys.exit(4)
"""
WILD_RUNNER = '''
"""
Runs things, as in the wild
"""
import salt.client
import salt.utils.data


def ping(tgt, tgt_type="glob"):
    """
    Ping TGT
    """
    client = salt.client.get_local_client(__opts__["conf_file"])
    found = client.cmd(tgt, "test.ping", tgt_type=tgt_type)
    return {"found": found, "up": __salt__["manage.up"]()}
'''
SLS = """
greeting:
  note.present:
    - text: hello {{ grains['rack'] }}
colour:
  keyfile.key_present:
    - path: {{ pillar['keys'] }}
    - value: blue
    - watch:
      - note: greeting
"""


def put(tree: Path, files: dict[str, str]) -> None:
    """Write FILES below TREE."""
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)


CODE = {
    "_modules/note.py": TYPED_MODULE,
    "_modules/_note_folder.py": PART,
    "_states/note.py": TYPED_STATE,
    "_modules/keyfile_linux.py": WILD_MODULE,
    "_states/keyfile.py": WILD_STATE,
    "_grains/rack.py": WILD_GRAINS,
    "_utils/keyutil.py": UTIL,
    "_runners/deploy.py": TYPED_RUNNER,
    "_runners/wild.py": WILD_RUNNER,
    "notes.sls": SLS,
}
