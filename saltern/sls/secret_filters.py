"""Filters of templates that meet a secret: what they make of it is a secret too."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from saltern.sls.stand_ins import StandIns, secretly

_AS_IT_IS = frozenset({"default", "d"})  # they give back one of their arguments
_LOADERS = frozenset({"load_yaml", "load_json", "load_text"})
# What shapes a value for the parser of the SLS: the word takes the shape, the secret needs none.
_FOR_THE_PARSER = frozenset(
    {"indent", "yaml", "json", "tojson", "yaml_encode", "yaml_dquote", "yaml_squote", "dict_to_sls_yaml_params"}
)
_TEXT_OF_MANY = _FOR_THE_PARSER | {"join", "pprint", "string", "format", "urlencode", "xmlattr"}


def careful(name: str, filter_: Callable[..., Any], stand_ins: StandIns) -> Callable[..., Any]:
    """The filter NAME, which hides what it makes of a secret."""

    @wraps(filter_)
    def call(*args: Any, **kwargs: Any) -> Any:
        values = (*args, *kwargs.values())
        direct = stand_ins.among(values)
        if name in _AS_IT_IS or not (direct or (name in _TEXT_OF_MANY and stand_ins.below(values))):
            return filter_(*args, **kwargs)
        parsed = name in _LOADERS or (stand_ins.document and name in _FOR_THE_PARSER)
        change = stand_ins.shown if parsed else stand_ins.revealed

        def made() -> Any:
            return filter_(*map(change, args), **{key: change(value) for key, value in kwargs.items()})

        if not parsed:
            return secretly(made)
        return stand_ins.put_back(made()) if name in _LOADERS else made()

    return call
