"""The words of a declaration that belong to the engine and not to the state function."""

from __future__ import annotations

from typing import Final

# What a requisite does to the order: the requiring state comes after, before, or anywhere.
AFTER: Final = frozenset(
    {
        *("require", "watch", "onchanges", "onfail"),
        *("require_any", "watch_any", "onchanges_any", "onfail_any", "onfail_all", "onchanges_all"),
    }
)
BEFORE: Final = frozenset({"prereq"})
ANYWHERE: Final = frozenset({"listen", "use"})
REQUISITES: Final = AFTER | BEFORE | ANYWHERE
REQUISITES_IN: Final = frozenset(
    f"{kind}_in" for kind in ("require", "watch", "onchanges", "onfail", "prereq", "listen", "use")
)

# Options that no state function sees.
OPTIONS: Final = frozenset(
    {
        *("unless", "onlyif", "order", "failhard", "retry", "fire_event", "parallel", "aggregate"),
        *("reload_modules", "reload_grains", "reload_pillar"),
    }
)
# Options that a function gets too where it has a parameter of that name.
SHARED_OPTIONS: Final = frozenset(
    {"check_cmd", "creates", "runas", "runas_password", "umask", "saltenv", "show_changes"}
)

KEYWORDS: Final = REQUISITES | REQUISITES_IN | OPTIONS | SHARED_OPTIONS | {"name", "names"}


def is_requisite(name: str) -> bool:
    """Whether an argument of this name is a requisite, turned round or not."""
    return name in REQUISITES or name in REQUISITES_IN
