"""Opens the sealed values of a pillar: `SEALED[MINIONS:BOX]`, wherever a text holds one; see
`saltern.wire.sealed_value`.

The value becomes a Secret, which prints nowhere and travels sealed to its minion. A box is opened only where it is
written in the tree or comes from an external source of the master's own, so that no grain can have one opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from saltern.closed import Closed
from saltern.errors import PermanentError, SalternError
from saltern.secret import Secret

MARK = "SEALED["
Opener = Callable[[str, str], Secret]  # (minions, box) → the value
Fail = Callable[[str, Any, Any], SalternError]  # (message, holder, key) → the error at its place


def opener_of(key_file: Path) -> Opener:
    """What opens boxes with the keys in KEY_FILE and beside it, which are read when the first is met."""
    from pillar.box_keys import BoxKeys

    return BoxKeys(key_file).open


def opened(data: Any, minion_id: str, opener: Opener | None, fail: Fail, texts: Iterable[str] | None = None) -> Any:
    """DATA with its sealed values opened for MINION_ID. TEXTS, where given, are what people wrote: a box that is in
    none of them is refused."""
    written = None if texts is None else ["".join(text.split()) for text in texts]

    def value(found: Any, holder: Any, key: Any) -> Any:
        if isinstance(found, str):
            if MARK not in found:
                return found
            try:
                return _text(found, minion_id, opener, written)
            except SalternError as error:
                raise fail(str(error), holder, key) from None
        if isinstance(found, Mapping):
            return {name: value(inner, found, name) for name, inner in found.items()}
        if isinstance(found, list):
            return [value(inner, found, number) for number, inner in enumerate(found)]
        return found

    return value(data, None, None)


def _text(text: str, minion_id: str, opener: Opener | None, written: list[str] | None) -> str | Secret:
    """TEXT with all boxes in it opened: a Secret as a whole. TEXT itself where it holds none."""
    from saltern.targeting import matches
    from saltern.targeting.target import MinionView
    from saltern.wire.sealed_value import PATTERN

    parts: list[str] = []
    end = 0
    for found in PATTERN.finditer(text):
        minions, box = found["minions"], found["box"]
        if written is not None and not any("".join(found[0].split()) in one for one in written):
            raise PermanentError("a sealed value came out of a template, perhaps from a minion: write it in the SLS")
        if opener is None:
            raise PermanentError("a value is sealed, and only the master opens it")
        if not matches(minions, "glob", MinionView(minion_id)):
            raise PermanentError(f"this value is sealed for {minions}, not for {minion_id}")
        value = opener(minions, box)
        if isinstance(value, Closed):
            return value
        parts += [text[end : found.start()], value.reveal()]
        end = found.end()
    if not parts:
        raise PermanentError("a sealed value is damaged: it is written SEALED[MINIONS:BOX]")
    return Secret("".join([*parts, text[end:]]))
