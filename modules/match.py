"""Whether this node is meant by a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saltern.context import Context
from saltern.marks import reading
from saltern.traverse import DELIMITER


@reading
def glob(ctx: Context, tgt: str, minion_id: str | None = None) -> bool:
    """Whether the glob TGT matches this node's id (or MINION_ID)."""
    return _matches(ctx, tgt, "glob", minion_id=minion_id)


@reading
def pcre(ctx: Context, tgt: str, minion_id: str | None = None) -> bool:
    """Whether the regular expression TGT matches this node's id (or MINION_ID) from its beginning."""
    return _matches(ctx, tgt, "pcre", minion_id=minion_id)


@reading
def list_(ctx: Context, tgt: str | Sequence[str], minion_id: str | None = None) -> bool:
    """Whether this node's id (or MINION_ID) is in the list TGT (a text with commas will do)."""
    return _matches(ctx, tgt, "list", minion_id=minion_id)


@reading
def grain(ctx: Context, tgt: str, delimiter: str = DELIMITER) -> bool:
    """Whether a grain of this node matches TGT ("os:Deb*")."""
    return _matches(ctx, tgt, "grain", delimiter)


@reading
def grain_pcre(ctx: Context, tgt: str, delimiter: str = DELIMITER) -> bool:
    """Whether a grain of this node matches the regular expression of TGT ("os:Debian|Ubuntu")."""
    return _matches(ctx, tgt, "grain_pcre", delimiter)


@reading
def pillar(ctx: Context, tgt: str, delimiter: str = DELIMITER) -> bool:
    """Whether a pillar value of this node matches TGT ("role:web*")."""
    return _matches(ctx, tgt, "pillar", delimiter)


@reading
def pillar_pcre(ctx: Context, tgt: str, delimiter: str = DELIMITER) -> bool:
    """Whether a pillar value of this node matches the regular expression of TGT."""
    return _matches(ctx, tgt, "pillar_pcre", delimiter)


@reading
def pillar_exact(ctx: Context, tgt: str, delimiter: str = DELIMITER) -> bool:
    """Whether a pillar value of this node is that of TGT, without globs."""
    return _matches(ctx, tgt, "pillar_exact", delimiter)


@reading
def ipcidr(ctx: Context, tgt: str) -> bool:
    """Whether this node has an address in the subnet TGT, or the address TGT."""
    return _matches(ctx, tgt, "ipcidr")


@reading
def nodegroup(ctx: Context, tgt: str) -> bool:
    """Whether this node is in the group TGT of the `nodegroups` that its own configuration holds."""
    return _matches(ctx, tgt, "nodegroup")


@reading
def compound(ctx: Context, tgt: str | Sequence[str], minion_id: str | None = None) -> bool:
    """Whether this node is meant by the expression TGT ("G@os:Debian and not web*")."""
    return _matches(ctx, tgt, "compound", minion_id=minion_id)


@reading
def filter_by(
    ctx: Context,
    lookup: Mapping[str, Any],
    tgt_type: str = "compound",
    minion_id: str | None = None,
    merge: Mapping[str, Any] | None = None,
    merge_lists: bool = False,
    default: str = "default",
) -> Any:
    """The value of LOOKUP whose key means this node (the first), else that of DEFAULT; MERGE is laid over it."""
    from saltern import merging

    found = next(
        (value for key, value in lookup.items() if _matches(ctx, str(key), tgt_type, minion_id=minion_id)),
        lookup.get(default),
    )
    return merging.merge(found or {}, merge, merge_lists=merge_lists) if merge else found


@reading
def search_by(
    ctx: Context, lookup: Mapping[str, Sequence[str]], tgt_type: str = "compound", minion_id: str | None = None
) -> list[str] | None:
    """The keys of LOOKUP with a target in their list that means this node; None where there is none."""
    found = [
        key
        for key, targets in lookup.items()
        if any(
            _matches(ctx, str(target), tgt_type, minion_id=minion_id)
            for target in (targets if isinstance(targets, list | tuple) else [targets])
        )
    ]
    return found or None


def _matches(
    ctx: Context, tgt: str | Sequence[str], form: str, delimiter: str = DELIMITER, minion_id: str | None = None
) -> bool:
    from saltern.targeting import MinionView, matches

    view = MinionView(minion_id or ctx.id, ctx.grains, ctx.pillar)
    groups = ctx.config.module_options.get("nodegroups") or {}
    return matches(tgt, form, view, nodegroups=groups, delimiter=delimiter)
