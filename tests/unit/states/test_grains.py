"""Static grains: what is written to their file, and what of the node is seen beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from saltern.errors import SalternError
from states import grains
from tests.plans import context, converge

KEPT = {"roles": ["web"], "site": "a", "deep": {"x": 1}}


@pytest.mark.parametrize(
    ("state", "name", "arguments", "changed"),
    [
        (grains.present, "site", {"value": "b"}, {"site": "b"}),
        (grains.present, "site", {"value": "a"}, {}),
        (grains.present, "deep:y", {"value": 2}, {"deep": {"x": 1, "y": 2}}),
        (grains.present, "deep|y", {"value": 2, "delimiter": "|"}, {"deep": {"x": 1, "y": 2}}),
        (grains.present, "roles", {"value": ["db"], "force": True}, {"roles": ["db"]}),
        (grains.present, "os", {"value": "Debian"}, {}),
        (grains.present, "os", {"value": "Mine"}, {"os": "Mine"}),
        (grains.absent, "site", {}, {"site": None}),
        (grains.absent, "site", {"destructive": True}, {"site": ...}),
        (grains.absent, "nix", {}, {}),
        (grains.append, "roles", {"value": "db"}, {"roles": ["web", "db"]}),
        (grains.append, "site", {"value": "b", "convert": True}, {"site": ["a", "b"]}),
        (grains.list_present, "roles", {"value": ["db", "web"]}, {"roles": ["web", "db"]}),
        (grains.list_present, "new", {"value": "x"}, {"new": ["x"]}),
        (grains.list_absent, "roles", {"value": "web"}, {"roles": []}),
        (grains.list_absent, "nix", {"value": "web"}, {}),
    ],
)
def test_a_grain_is_as_wished_and_the_others_stay(
    tmp_path: Path, state: Any, name: str, arguments: dict[str, Any], changed: dict[str, Any]
) -> None:
    file = tmp_path / "root/etc/saltern/grains"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(KEPT))
    converge(state, context(tmp_path, grains={**KEPT, "os": "Debian"}), name, **arguments)
    wanted = {key: value for key, value in {**KEPT, **changed}.items() if value is not ...}
    assert yaml.safe_load(file.read_text()) == wanted


@pytest.mark.parametrize(
    ("state", "arguments", "message"),
    [
        (grains.present, {"value": 1}, "`force: True` replaces it"),
        (grains.absent, {}, "`force: True` deletes it"),
        (grains.list_present, {"value": 1}, "is no list"),
        (grains.append, {"value": 1}, "is no list"),
    ],
)
def test_what_has_another_form_is_not_overwritten(
    tmp_path: Path, state: Any, arguments: dict[str, Any], message: str
) -> None:
    ctx = context(tmp_path, grains={})
    converge(grains.present, ctx, "deep", value={"x": 1})
    with pytest.raises(SalternError, match=message):
        state(ctx, "deep", **arguments)
