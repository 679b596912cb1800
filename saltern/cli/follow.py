"""`saltern-run state.event`: what happens on the master, as it happens."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from saltern.cli import client
from saltern.cli.output.safe import neutral
from saltern.errors import UsageError


def run(root: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, colour: bool) -> int:
    """Print each event whose tag matches: state.event [TAG] [pretty=True] [count=N]; it ends after N events.

    A line holds the tag, a tab, and the data as JSON. UsageError for other arguments.
    """
    given = dict(zip(("tagmatch", "count", "pretty"), args, strict=False)) | dict(kwargs)
    tag, count, pretty = given.pop("tagmatch", "*"), given.pop("count", -1), given.pop("pretty", False)
    if given or len(args) > 3:
        raise UsageError("state.event takes a tag, count=N and pretty=True")
    if not isinstance(tag, str) or type(count) is not int or not isinstance(pretty, bool):
        raise UsageError("state.event takes a tag (a glob), count as a number and pretty as True or False")
    seen = 0
    for event in client.events(root, {"op": "events", "tag": tag}):
        if event["event"] == "event":
            sys.stdout.write(shown(event, pretty, colour))
            sys.stdout.flush()
            seen += 1
            if seen == count:
                break
    return 0


def shown(event: Mapping[str, Any], pretty: bool, colour: bool) -> str:
    """One event as text."""
    green, plain = ("\x1b[32m", "\x1b[0m") if colour else ("", "")
    data = json.dumps(event.get("data"), indent=4 if pretty else None, ensure_ascii=False)
    gap = "\t" + ("\n" if pretty else "")
    return f"{green}{neutral(str(event.get('tag')))}{plain}{gap}{neutral(data)}\n"
