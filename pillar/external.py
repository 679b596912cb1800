"""External pillars: values that come from elsewhere than `pillar_roots`. What all such sources have in common.

Nothing is asked that the master's own configuration does not name: no option, command or address ever comes from a
tree, a grain or a minion. What goes wrong is an error of the pillar, with the number and the kind of the source.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from saltern.context import FileSource
from saltern.errors import ConfigError, PermanentError, SalternError, nearest
from saltern.targeting import MinionView

Values: TypeAlias = "Mapping[str, Any] | FileSource"


class ExternalError(PermanentError):
    """An external pillar gives no values; the text names it."""


class External(Protocol):
    """One source; PLACE says which, to people."""

    place: str

    def refresh(self) -> None:
        """Look anew at what is the same for all minions."""
        ...

    def of(self, minion: MinionView) -> Values:
        """The values of MINION, or a pillar tree."""
        ...

    def revision(self) -> str | None:
        """What stands for a tree in what a kept pillar depends on; None where the values themselves do."""
        ...


class PerMinion(ABC):
    """A source that is asked for each minion by itself. What it answered is kept for `cache` seconds (default: not at
    all)."""

    def __init__(self, options: Checked, form: str) -> None:
        """FORM, json or yaml, is what the answers are."""
        self.place, self._form = options.place, form
        self._cache_s, self._key = options.number("cache", 0.0), options.text("key", "")
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    def refresh(self) -> None:
        """Nothing is the same for all; forget what is too old."""
        now = time.monotonic()
        self._kept = {name: kept for name, kept in self._kept.items() if now < kept[0]}

    def revision(self) -> None:
        """Its values are what counts."""
        return

    def of(self, minion: MinionView) -> dict[str, Any]:
        """What it answers for MINION."""
        until, data = self._kept.get(minion.id, (0.0, {}))
        now = time.monotonic()
        if now >= until:
            data = parsed(self.asked(minion.id), self._form, self.place, self._key)
            if self._cache_s:
                self._kept[minion.id] = (now + self._cache_s, data)
        return data

    @abstractmethod
    def asked(self, minion_id: str) -> str:
        """The text that the source itself gives now. ExternalError."""


class Checked:
    """The OPTIONS that a source is given, each asked for by name and type; `done` refuses what was not asked for."""

    def __init__(self, place: str, options: Any) -> None:
        self.place = place
        if not isinstance(options, Mapping):
            raise ConfigError(f"{place} wants options as a mapping, not {options!r}")
        self._options, self._asked = dict(options), set[str]()

    def text(self, name: str, default: str | None = None) -> str:
        """A text; ConfigError where there is none and no DEFAULT."""
        found = self._one(name, default, str, "a text")
        if not found and default is None:
            raise ConfigError(f"{self.place} wants {name}")
        return str(found)

    def number(self, name: str, default: float, least: float = 0.0) -> float:
        """A number from LEAST up."""
        found = self._one(name, default, (int, float), "a number")
        if isinstance(found, bool) or not least <= found < 1e6:
            raise ConfigError(f"{self.place}: {name} wants a number from {least:g}, not {found!r}")
        return float(found)

    def flag(self, name: str, default: bool) -> bool:
        """True or False."""
        return bool(self._one(name, default, bool, "true or false"))

    def texts(self, name: str) -> list[str]:
        """A list of texts, not empty."""
        found = self._one(name, None, list, "a list of texts")
        if not found or not all(isinstance(word, str) and "\0" not in word for word in found):
            raise ConfigError(f"{self.place}: {name} wants a list of texts, not {found!r}")
        return list(found)

    def mapping(self, name: str) -> dict[str, str]:
        """Texts by name; empty by default."""
        found = self._one(name, {}, dict, "a mapping")
        if not all(isinstance(key, str) and isinstance(value, str) for key, value in found.items()):
            raise ConfigError(f"{self.place}: {name} wants texts by name")
        return dict(found)

    def done(self) -> None:
        """ConfigError for an option that nobody asked for."""
        for name in self._options:
            if name not in self._asked:
                raise ConfigError(f"{self.place} has no option {name!r}.{nearest(str(name), self._asked)}")

    def _one(self, name: str, default: Any, kind: Any, words: str) -> Any:
        self._asked.add(name)
        found = self._options.get(name, default)
        if found is not None and not isinstance(found, kind):
            raise ConfigError(f"{self.place}: {name} wants {words}, not {found!r}")
        return found


def parsed(text: str, form: str, place: str, key: str) -> dict[str, Any]:
    """The mapping that TEXT holds as FORM (json or yaml), below KEY ("a:b") where given. ExternalError."""
    import json

    from pillar.merge import nested
    from saltern.sls.source import Source
    from saltern.sls.yaml_loader import load

    try:
        data = json.loads(text) if form == "json" else load(Source(place, text)).data
    except json.JSONDecodeError as error:
        raise ExternalError(f"{place}: not JSON: {error.msg} in line {error.lineno}") from None
    except RecursionError:
        raise ExternalError(f"{place}: nested too deep") from None
    except SalternError as error:
        message, line = getattr(error, "message", str(error)), getattr(error, "line", None)
        raise ExternalError(f"{place}: not YAML: {message}" + (f" in line {line}" if line else "")) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ExternalError(f"{place}: it gives no mapping of names to values, but {type(data).__name__}")
    return nested(key, data) if key else data
