"""Top files: which SLS a minion gets, by environment. States and pillar have the same kind of top file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from saltern.errors import SalternError, SourceError, nearest
from saltern.sls.problems import Problems
from saltern.sls.tree import Tree
from saltern.sls.yaml_loader import Document, Spot

if TYPE_CHECKING:
    from saltern.targeting import MinionView

TOP = "top.sls"
STRATEGIES = ("merge", "merge_all", "same")
FORMS = {
    **{form: form for form in ("glob", "pcre", "list", "grain", "grain_pcre", "pillar", "pillar_pcre", "pillar_exact")},
    **{form: form for form in ("ipcidr", "compound", "nodegroup")},
    "grains": "grain",
    "grains_pcre": "grain_pcre",
    "subnet": "ipcidr",
    "re": "pcre",
}


class TopFiles(NamedTuple):
    """Which top files count, by Salt's options: their name (`state_top`), the environments in their order
    (`env_order`), whose file stands in where `same` finds none (`default_top`), and the only one that is read
    (`state_top_saltenv`)."""

    name: str = TOP
    order: Sequence[str] = ()
    default: str = "base"
    only: str | None = None


_OPTIONS = {"order": "a whole number", "ignore_missing": "true or false"}


class Entry:
    """A target of a top file: for ENVIRONMENT, minions that EXPRESSION matches, read as FORM, get SLS (globs too)."""

    __slots__ = ("document", "environment", "expression", "form", "holder", "lenient", "order", "sls")

    def __init__(self, environment: str, expression: str, document: Document, holder: Any) -> None:
        self.environment, self.expression = environment, expression
        self.document, self.holder = document, holder
        self.form, self.order = "compound", 0  # as Salt: a glob alone is one too
        self.lenient = False  # `ignore_missing`: what is not there is left out
        self.sls: list[tuple[str, int]] = []  # name and item number

    def error(self, message: str, hint: str = "") -> SourceError:
        """A SourceError at the target."""
        return self.document.error(message, self.holder, self.expression, hint)


def top_for(
    tree: Tree,
    minion: MinionView,
    *,
    nodegroups: Mapping[str, Any] | None = None,
    saltenv: str | None = None,
    strategy: str = "merge",
    files: TopFiles = TopFiles(),
) -> dict[str, list[str]]:
    """The SLS that the top files of TREE give MINION, by environment; only SALTENV where given.

    STRATEGY, as Salt's top_file_merging_strategy: `merge` takes the sections of `base`'s top file and, for environments
    that have none there, the section in their own top file; `same` takes only the own ones; `merge_all` takes all.
    """
    if strategy not in STRATEGIES:
        raise SalternError(f"no way to merge top files: {strategy!r}.{nearest(strategy, STRATEGIES)}")
    problems = Problems()
    found: dict[str, list[str]] = {}
    for entry in _entries(tree, saltenv, strategy, files, problems):
        try:
            if not _matches(entry, minion, nodegroups):
                continue
        except SourceError as error:
            problems.add(error)
            continue
        names = found.setdefault(entry.environment, [])
        for pattern, number in entry.sls:
            try:
                names_meant = resolved(tree, entry, pattern, number)
            except SourceError as error:
                problems.add(error)
                continue
            names += [name for name in names_meant if name not in names]
    problems.check()
    return {env: names for env, names in found.items() if names}


def read_top(tree: Tree, saltenv: str, problems: Problems, name: str = TOP) -> list[Entry]:
    """The entries of the top file (NAME) of environment SALTENV, in order; none where it has no top file."""
    try:
        document = tree.read(name, saltenv, "top")
    except FileNotFoundError:
        return []
    except SourceError as error:
        problems.add(error)
        return []
    if document.data is None:
        return []
    if not isinstance(document.data, dict):
        problems.add(document.error("a top file is a mapping: environment, target, list of SLS"))
        return []
    entries = []
    for env, targets in document.data.items():
        if not isinstance(targets, dict):
            hint = f"Write it as\n{env}:\n  'TARGET':\n    - sls"
            problems.add(document.error(f"environment {env!r} wants targets", document.data, env, hint))
            continue
        for expression, listed in targets.items():
            entry = Entry(str(env), expression, document, targets)
            _fill(entry, listed, problems)
            entries.append(entry)
    return entries


def _fill(entry: Entry, listed: Any, problems: Problems) -> None:
    if isinstance(listed, str):
        entry.sls.append((listed, -1))
        return
    if not isinstance(listed, list):
        problems.add(entry.error(f"the target {entry.expression!r} wants a list of SLS", "Write `- name` items."))
        return
    for number, item in enumerate(listed):
        if isinstance(item, str):
            entry.sls.append((item, number))
        elif isinstance(item, dict):
            for key, value in item.items():
                _option(entry, key, value, item, problems)
        else:
            message = f"the target {entry.expression!r} wants names of SLS, not {item!r}"
            problems.add(entry.document.error(message, listed, number))


def _option(entry: Entry, key: Any, value: Any, holder: Any, problems: Problems) -> None:
    if key == "match":
        if value in FORMS:
            entry.form = FORMS[value]
        else:
            message = f"there is no way to match {value!r}.{nearest(str(value), FORMS)}"
            problems.add(entry.document.error(message, holder, key))
    elif key == "order" and isinstance(value, int):
        entry.order = value
    elif key == "ignore_missing" and isinstance(value, bool):
        entry.lenient = value
    elif key in _OPTIONS:
        problems.add(entry.document.error(f"{key} wants {_OPTIONS[key]}, not {value!r}", holder, key))
    else:
        message = f"{key!r} is no option of a target.{nearest(str(key), ('match', *_OPTIONS))}"
        problems.add(entry.document.error(message, holder, key, "Write `- name` for an SLS."))


def _entries(tree: Tree, saltenv: str | None, strategy: str, files: TopFiles, problems: Problems) -> list[Entry]:
    known = tree.files.environments()
    for wanted in (saltenv, files.only):
        if wanted is not None and wanted not in known:
            raise SalternError(f"there is no environment {wanted!r}.{nearest(wanted, known)}")
    entries: list[Entry] = []
    taken: set[str] = set()
    for env in _environments(known, saltenv, strategy, files):
        own = _own(tree, env, strategy, files, problems)
        for entry in own:
            if strategy == "same" and entry.environment != env:
                continue
            own_alone = env not in ("base", files.only)
            if strategy == "merge" and own_alone and (entry.environment != env or env in taken):
                continue
            if saltenv is not None and entry.environment != saltenv:
                continue
            if entry.environment not in known:
                near = nearest(entry.environment, known)
                message = f"there is no environment {entry.environment!r}.{near}"
                problems.add(entry.document.error(message, entry.document.data, entry.environment))
                continue
            entries.append(entry)
        taken.update(entry.environment for entry in own)
    return sorted(entries, key=lambda entry: entry.order)


def _environments(known: Sequence[str], saltenv: str | None, strategy: str, files: TopFiles) -> list[str]:
    """The environments whose top files are read, in order. With `merge`, that of base comes first: it decides."""
    if files.only is not None:
        return [files.only]
    if saltenv is not None:
        return [saltenv]
    ordered = [*(env for env in files.order if env in known), *(env for env in known if env not in files.order)]
    return sorted(ordered, key=lambda env: env != "base") if strategy == "merge" else ordered


def _own(tree: Tree, saltenv: str, strategy: str, files: TopFiles, problems: Problems) -> list[Entry]:
    """The entries of the top file of SALTENV; with `same`, those that the default one has for it where it has none."""
    for env in (saltenv, files.default):
        if env in tree.files.environments() and files.name in tree.files.list(env):
            tree.files.fetch((files.name,), env)
            found = read_top(tree, env, problems, files.name)
            if env == saltenv:
                return found
            # what it gives names the environment that it speaks of, not its own
            return [entry for entry in found if entry.environment == saltenv]
        if strategy != "same":
            break
    return []


def _matches(entry: Entry, minion: MinionView, nodegroups: Mapping[str, Any] | None) -> bool:
    from saltern.targeting import matches

    if not isinstance(entry.expression, str):
        raise entry.error(f"the target {entry.expression!r} is no text", "Quote it.")
    try:
        return matches(entry.expression, entry.form, minion, nodegroups=nodegroups or {})
    except SalternError as error:
        raise entry.error(str(error)) from None


def check_target(entry: Entry, nodegroups: Mapping[str, Any] | None) -> None:
    """SourceError where the target of ENTRY can't be read."""
    from saltern.targeting import MinionView

    _matches(entry, MinionView("", {}, {}), nodegroups)


def resolved(tree: Tree, entry: Entry, pattern: str, number: int) -> Sequence[str]:
    """The names that the item NUMBER of ENTRY means: itself, or those that it matches as a glob (there may be none).
    SourceError where it names an SLS that is not there, unless ENTRY says `ignore_missing`."""
    listed = entry.holder[entry.expression]
    document = entry.document
    spot = Spot(document, listed, number) if number >= 0 else Spot(document, entry.holder, entry.expression)
    found = tree.matching(pattern, entry.environment)
    if found == [pattern]:
        if entry.lenient and pattern not in tree.names(entry.environment):
            return []
        tree.path(pattern, entry.environment, spot)
    return found
