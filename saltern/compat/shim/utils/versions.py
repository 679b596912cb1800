"""`salt.utils.versions`: warnings of age, which say nothing here."""

from __future__ import annotations

from typing import Any


def warn_until(*_: Any, **__: Any) -> None:
    """Nothing: it concerns versions of Salt."""


kwargs_warn_until = warn_until_date = warn_until
