"""State runs: the SLS of the tree compiled for this node and converged, or only shown.

`test=True` tells what a run would do and changes nothing. Whatever is wrong with the SLS, the top file or the pillar
ends a run before its first change, with a list of texts as the return. One run works at a time; a second one is refused
unless `queue=True` (wait) or `concurrent=True` (both at once, at your own risk).
"""

# ruff: noqa: PT028 - state.test is Salt's name of a function, and no test
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modules._state import lock as state_lock
from modules._state import requests
from modules._state.data import high, low, top
from modules._state.requests import check_request, clear_request
from modules._state.run import NO_STATES, converged, job_of, told, tree_of
from saltern.context import Context
from saltern.errors import PermanentError, SalternError, nearest
from saltern.marks import acting, reading
from saltern.runner import Returned

# functions of this namespace that lie elsewhere
__all__ = ["check_request", "clear_request", "high", "low", "top"]

if TYPE_CHECKING:
    from saltern.sls.low import Low
    from saltern.sls.state_tree import StateTree

Names = str | Sequence[str] | None
Exclude = str | Sequence[Any]


@acting
def apply(
    ctx: Context,
    mods: Names = None,
    test: bool | None = None,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    exclude: Exclude = (),
    queue: bool = False,
    concurrent: bool = False,
    confirm: float | None = None,
    pillarenv: str | None = None,
) -> Any:
    """Converge to the SLS MODS ("net,nfs" or a list), without any to the highstate.

    test: only tell what would change. saltenv: the environment. pillar: values over those that the node has.
    exclude: SLS names, or {"sls": name} and {"id": id}. queue: wait for a run that is at work. concurrent: don't mind
    one. confirm: take all changes of the network back unless `network.confirm` comes within so many seconds after the
    run. pillarenv: the one environment that the pillar comes from.
    """
    listed = _names(mods)
    fun = "state.highstate" if listed is None else "state.sls"
    job = job_of(ctx, test, saltenv, pillar, confirm, pillarenv)
    env = saltenv if listed is None else job.saltenv
    missing = NO_STATES if listed is None else None
    return converged(job, fun, lambda tree: tree.low(listed, env, exclude=exclude), queue, concurrent, missing)


@acting
def highstate(
    ctx: Context,
    test: bool | None = None,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    exclude: Exclude = (),
    queue: bool = False,
    concurrent: bool = False,
    confirm: float | None = None,
    pillarenv: str | None = None,
) -> Any:
    """Converge to what the top files give the node. Arguments as `state.apply`."""
    return apply(ctx, None, test, saltenv, pillar, exclude, queue, concurrent, confirm, pillarenv)


@acting
def sls(
    ctx: Context,
    mods: str | Sequence[str],
    test: bool | None = None,
    exclude: Exclude = (),
    queue: bool = False,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    concurrent: bool = False,
    confirm: float | None = None,
    pillarenv: str | None = None,
) -> Any:
    """Converge to the SLS MODS. Arguments as `state.apply`."""
    return apply(ctx, mods, test, saltenv, pillar, exclude, queue, concurrent, confirm, pillarenv)


@acting
def sls_id(
    ctx: Context,
    id_: str | Sequence[str],
    mods: Names = None,
    test: bool | None = None,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    exclude: Exclude = (),
    queue: bool = False,
    concurrent: bool = False,
    confirm: float | None = None,
    pillarenv: str | None = None,
) -> Any:
    """Converge to the ids ID_ of the SLS MODS (without any: of the highstate) and to all that they need. Arguments as
    `state.apply`."""
    ids, listed = _names(id_) or [], _names(mods)
    job = job_of(ctx, test, saltenv, pillar, confirm, pillarenv)
    env = saltenv if listed is None else job.saltenv

    def chosen(lows: list[Low]) -> list[Low]:
        from saltern.converge.requisites import with_needs

        return with_needs(lows, ids)

    def low(tree: StateTree) -> list[Low]:
        return tree.low(listed, env, exclude=exclude)

    return converged(job, "state.sls_id", low, queue, concurrent, chosen=chosen)


@acting
def single(
    ctx: Context,
    fun: str,
    name: str,
    test: bool | None = None,
    queue: bool = False,
    concurrent: bool = False,
    confirm: float | None = None,
    **kwargs: Any,
) -> Any:
    """Converge to one state: `state.single file.managed /etc/motd contents=hello`."""
    job = job_of(ctx, test, None, None, confirm)
    return converged(job, "state.single", lambda tree: tree.single(fun, name, kwargs), queue, concurrent)


@acting
def template_str(ctx: Context, tem: str | Mapping[str, Any], test: bool | None = None, queue: bool = False) -> Any:
    """Converge to the SLS that is the text TEM (or its data)."""

    def low(tree: StateTree) -> list[Low]:
        if isinstance(tem, Mapping):  # a command line is read as YAML
            return tree.data(tem, "state.template_str")
        return tree.text(str(tem))

    return converged(job_of(ctx, test, None, None), "state.template_str", low, queue, False)


@acting
def template(ctx: Context, tem: str, test: bool | None = None, queue: bool = False) -> Any:
    """Converge to the SLS in the file TEM of the node."""
    try:
        with open(tem, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"can't read {tem}: {getattr(error, 'strerror', None) or error}") from None
    return converged(job_of(ctx, test, None, None), "state.template", lambda tree: tree.text(text, tem), queue, False)


@acting
def test(
    ctx: Context,
    mods: Names = None,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    exclude: Exclude = (),
    pillarenv: str | None = None,
) -> Any:
    """Tell what `state.apply` would do."""
    return apply(ctx, mods, True, saltenv, pillar, exclude, pillarenv=pillarenv)


@acting
def request(
    ctx: Context,
    mods: str | Sequence[str] | None = None,
    name: str = requests.DEFAULT,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    exclude: str | Sequence[Any] = (),
    pillarenv: str | None = None,
) -> Any:
    """Tell what `state.apply` would do with these arguments, and note them as the request NAME for
    `state.run_request`."""
    given = {"mods": mods, "saltenv": saltenv, "pillar": pillar, "exclude": exclude, "pillarenv": pillarenv}
    kept = {key: value for key, value in given.items() if value not in (None, (), [], "")}
    shown = apply(ctx, mods, True, saltenv, pillar, exclude, pillarenv=pillarenv)
    if not (isinstance(shown, Returned) and shown.retcode == 1):
        requests.write(ctx, {**requests.read(ctx), name: {"jid": ctx.jid, "arguments": kept}})
    return shown


@acting
def run_request(ctx: Context, name: str = requests.DEFAULT) -> Any:
    """Converge to what the request NAME wants, and forget it. The tree and the pillar are those of now."""
    waiting = requests.read(ctx)
    if name not in waiting:
        raise requests.RequestError(f"there is no request {name!r}.{nearest(name, waiting)} state.request makes one.")
    arguments = waiting.pop(name)["arguments"]
    requests.write(ctx, waiting)
    return apply(ctx, test=False, **arguments)


@reading
def running(ctx: Context) -> list[str]:
    """A sentence about the state run that is at work, if any."""
    owner = state_lock.owner(state_lock.lock_file(ctx.config.paths.var))
    return [] if owner is None else [state_lock.told(owner)]


@reading
def show_sls(
    ctx: Context,
    mods: str | Sequence[str],
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    pillarenv: str | None = None,
) -> Any:
    """The high state of the SLS MODS: what their files render to, with `include` and `extend` resolved."""
    job = job_of(ctx, True, saltenv, pillar, pillarenv=pillarenv)
    return _shown(lambda: tree_of(job).high(_names(mods), job.saltenv))


@reading
def show_highstate(
    ctx: Context,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    pillarenv: str | None = None,
) -> Any:
    """The high state that the top files give the node."""
    job = job_of(ctx, True, saltenv, pillar, pillarenv=pillarenv)
    return _shown(lambda: tree_of(job).high(None, saltenv))


@reading
def show_low_sls(
    ctx: Context,
    mods: str | Sequence[str],
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    pillarenv: str | None = None,
) -> Any:
    """The low state of the SLS MODS: each call in its order, with its requisites."""
    job = job_of(ctx, True, saltenv, pillar, pillarenv=pillarenv)
    return _shown(lambda: [_low(one) for one in tree_of(job).low(_names(mods), job.saltenv)])


@reading
def show_lowstate(
    ctx: Context,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    pillarenv: str | None = None,
) -> Any:
    """The low state that the top files give the node."""
    job = job_of(ctx, True, saltenv, pillar, pillarenv=pillarenv)
    return _shown(lambda: [_low(one) for one in tree_of(job).low(None, saltenv)])


@reading
def show_top(ctx: Context, saltenv: str | None = None) -> Any:
    """What the top files give the node: {environment: [SLS, …]}."""
    return _shown(lambda: tree_of(job_of(ctx, True, saltenv, None)).top(saltenv))


@reading
def show_states(ctx: Context, saltenv: str | None = None) -> Any:
    """The SLS of the highstate, with what they include, in the order in which they come first."""
    job = job_of(ctx, True, saltenv, None)
    return _shown(lambda: list(dict.fromkeys(one.sls for one in tree_of(job).low(None, saltenv))))


@reading
def sls_exists(ctx: Context, mods: str | Sequence[str], saltenv: str | None = None) -> bool:
    """Whether all of the SLS MODS are in the tree."""
    env = saltenv or ctx.saltenv
    known = ctx.files.list(env)
    paths = [name.replace(".", "/") for name in _names(mods) or []]
    return all(f"{path}.sls" in known or f"{path}/init.sls" in known for path in paths)


@reading
def id_exists(ctx: Context, ids: str | Sequence[str], mods: Names = None, saltenv: str | None = None) -> bool:
    """Whether all of IDS are ids of the SLS MODS (without any: of the highstate)."""
    job = job_of(ctx, True, saltenv, None)
    known = tree_of(job).high(_names(mods), saltenv)
    return all(id in known for id in _names(ids) or [])


@reading
def explain(
    ctx: Context,
    id_: str,
    mods: Names = None,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    pillarenv: str | None = None,
) -> Any:
    """Why the states with the id or name ID_ of the SLS MODS (without any: of the highstate) would run, wait, be left
    out or react now: where they are declared, what they look at and how that would end, who looks at them."""
    job = job_of(ctx, True, saltenv, pillar, pillarenv=pillarenv)
    listed = _names(mods)

    def told() -> Any:
        from saltern.converge.engine import run
        from saltern.converge.explain import explained

        lows = tree_of(job).low(listed, saltenv if listed is None else job.saltenv)
        return explained(lows, id_, run(lows, job, test=True))

    return _shown(told)


@reading
def lint(ctx: Context, mods: Names = None) -> Any:
    """What would fail in the SLS MODS (without any: in the whole tree, its templates and top files too), as a list of
    texts; nothing is run. A value that this node does not have is listed as well."""
    from saltern.sls.lint import lint as examined

    report = examined(ctx, _names(mods))
    found = [*(str(error) for error in report.errors), *(f"unknown here: {error}" for error in report.unknown)]
    return Returned(found, 1) if report.errors else found


def _names(given: Names) -> list[str] | None:
    """SLS names or ids as a list: a text is split at commas. None where none are given."""
    if given is None or given == "" or given == []:
        return None
    listed = given.split(",") if isinstance(given, str) else given
    return [name for item in listed if (name := str(item).strip())]


def _shown(show: Callable[[], Any]) -> Any:
    """What SHOW gives, secrets masked, or what is wrong with the tree, as a run would say it."""
    from saltern.converge.compare import plain

    try:
        return plain(show())
    except SalternError as error:
        return Returned(told(error), 1)


def _low(low: Low) -> dict[str, Any]:
    """LOW as Salt shows it."""
    shown: dict[str, Any] = {
        "state": low.module,
        "fun": low.fun,
        "name": low.name,
        "__id__": low.id,
        "__sls__": low.sls,
        "__env__": low.saltenv,
        "order": low.order,
        **low.args,
        **{key: value for key, value in low.options.items() if key != "order"},
    }
    for need in low.requisites:
        shown.setdefault(need.kind, []).append({need.module: need.ref})
    return shown
