"""The network transaction on a node: see `saltern.converge.transaction` for what the engine asks of it, and
docs/network-safety.md for what it promises."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property

from minion import arming, confirm
from minion.identity import Identity
from modules._checkpoint import capture
from modules._checkpoint.checkpoint import Touched
from modules._checkpoint.restore import files_named
from modules._network.netlink import look
from modules._transaction import management_path as management
from modules._transaction.end import commit, roll_back
from modules._transaction.probes import Probe, answering, probes, silent
from modules._transaction.store import (
    INCOMPLETE,
    WAITING,
    Last,
    Pending,
    Store,
    TransactionError,
    boot_id,
    folder_of,
    now_ns,
    started_at,
)
from modules.sysctl import path_of
from saltern.config import Config
from saltern.converge.plan import Step
from saltern.converge.transaction import Ended
from saltern.marks import permit_acting

_PROBE_S = 1.5
_ASK_S = 3.0  # one attempt to reach the master
_PAUSE_S = 0.2
_LEAST_S = 2.0  # before the deadline, when there is no use in one more attempt


class NetworkTransaction:
    """One transaction. IDENTITY is whose master confirms. CONFIRM_S: a person confirms instead, within so many seconds
    after the run. RENEW is called when the network has become another."""

    def __init__(
        self,
        config: Config,
        identity: Identity | None,
        jid: str,
        confirm_s: float | None,
        renew: Callable[[], None],
    ) -> None:
        self._config, self._identity, self._jid, self._renew = config, identity, jid, renew
        self._confirm_s = confirm_s
        self.by_person = confirm_s is not None
        self._store = Store(folder_of(config.paths.var))
        self._pending: Pending | None = None
        self._probes: list[Probe] = []
        self._folders = (*capture.FOLDERS, str(config.paths.etc / "network.d"))

    @cached_property
    def _master(self) -> tuple[str, ...]:
        """The addresses of the master, looked up while the network is as it was."""
        return confirm.addresses(self._identity.host) if self._identity else ()

    @cached_property
    def _path(self) -> management.Path | None:
        """The management path, None where there is none: no master, or one on this node."""
        if not self._master:
            return None
        view = look()
        for address in self._master:
            if (egress := capture.egress(address)) is not None:
                found = management.path(view, egress, self._master)
                if found:
                    return found
        return None

    def touches(self, steps: Sequence[Step]) -> str | None:
        """See `Transaction`."""
        limit = self._limit_s
        if self.by_person:
            return f"Will be a network transaction: taken back unless network.confirm comes within {limit:g} s after it"
        path = self._path
        if path is None or not any(management.touches(path, step.do) for step in steps):
            return None
        return (
            f"Touches the management path ({path.words}): will be a transaction, taken back unless the master confirms "
            f"it over a new connection within {limit:g} s"
        )

    @property
    def _limit_s(self) -> float:
        return self._confirm_s if self._confirm_s is not None else self._config.network_confirm_s

    def open(self) -> None:
        """See `Transaction`."""
        limit = max(self._limit_s, self._config.network_confirm_s)
        store = self._store
        if (other := store.pending()) is not None:
            raise TransactionError(_in_the_way(other))
        view = look(routes=True)
        self._probes = answering(probes(view), _PROBE_S)
        with capture.conversation() as netlink:
            checkpoint = capture.take(netlink, self._folders)
        pending = Pending(
            id=os.urandom(8).hex(),
            jid=self._jid,
            boot=boot_id(),
            deadline_ns=now_ns() + int((limit + arming.ARM_S) * 1e9),
            limit_s=limit,
            opened=time.time(),
            began_ns=now_ns(),
            pid=os.getpid(),
            pid_start=started_at(os.getpid()),
            path=self._path.words if self._path else "",
        )
        store.open(pending, checkpoint)
        try:
            how = arming.arm(self._config.root, self._config.paths.var, pending.id)
            self._pending = store.change(pending, deadline_ns=now_ns() + int(limit * 1e9))
        except BaseException:
            with permit_acting():
                roll_back(store, pending, "no guard could be armed, so nothing was changed", "run")
            raise
        store.say("guarded", how=how, probes=[probe.words for probe in self._probes])

    @property
    def _now(self) -> Pending:
        assert self._pending is not None, "the transaction is not open"
        return self._pending

    def extend(self, steps: Sequence[Step]) -> None:
        """See `Transaction`."""
        self._store.still(self._now)
        self._guarded()
        values = [value for step in steps for value in (*step.do.args, *(value for _, value in step.do.kwargs))]
        texts = list(management.texts(values))
        settings = {}
        for step in steps:
            if step.do.function.__module__ == "modules.sysctl" and step.do.args:
                path = path_of(step.do.args[0])
                value = capture.read_setting(path)
                if value is not None:
                    settings[path] = value
        touched = Touched(
            made=frozenset(name for step in steps for name in management.makes(step.do)),
            named=frozenset(text for text in texts if len(text) <= 15),
            settings=settings,
            files=files_named([path for step in steps for path in management.writes(step.do)], self._folders),
        )
        self._store.touch(touched)
        self._store.say("steps", steps=[step.sentence for step in steps])

    def holding(self) -> AbstractContextManager[None]:
        """See `Transaction`."""
        return self._store.holding(self._now)

    def _guarded(self) -> None:
        """See to it that a guard lives."""
        if self._store.armed() != self._now.id:
            self._store.say("rearm")
            arming.arm(self._config.root, self._config.paths.var, self._now.id)

    def commit(self) -> Ended:
        """See `Transaction`."""
        pending = self._now
        try:
            self._guarded()
            lost = self._lost_probes(pending)
            if lost:
                return self.roll_back(f"{' and '.join(probe.words for probe in lost)} answered before, and now not")
            if self._confirm_s is not None:
                return self._left_to_a_person(self._confirm_s)
            why = self._confirmed(pending)
            if why is None:
                return self.roll_back(f"the master was not reached by a new connection within {pending.limit_s:g} s")
            last = commit(self._store, pending, why, "run")
        except TransactionError:
            return self._over_already()
        self._disarmed()
        self._renew()
        return Ended(True, f"Committed: {last.why}")

    def roll_back(self, why: str) -> Ended:
        """See `Transaction`."""
        with permit_acting():
            last = roll_back(self._store, self._now, why, "run")
        self._renew()
        return _taken_back(last)

    def _lost_probes(self, pending: Pending) -> list[Probe]:
        """What answered before and does not now, asked again and again until little time is left."""
        until = pending.left_s / 2
        began = time.monotonic()
        lost = self._probes
        while lost:
            self._store.say("probe", what=[probe.words for probe in lost])
            lost = silent(lost, probes(look(routes=True)), _PROBE_S)
            if not lost or time.monotonic() - began > until:
                break
            time.sleep(_PAUSE_S)
        return lost

    def _confirmed(self, pending: Pending) -> str | None:
        """How the master confirmed; None where it did not in time."""
        identity = self._identity
        if identity is None:
            return "there is no master to ask"
        began = time.monotonic()
        attempt = 0
        while pending.left_s > _LEAST_S:
            self._store.still(pending)
            address = self._master[attempt % len(self._master)]
            attempt += 1
            self._store.say("confirm", attempt=attempt, address=address)
            if confirm.confirmed(identity, address, min(_ASK_S, pending.left_s - 1)):
                passed = time.monotonic() - began
                return f"the master confirmed it over a new connection after {passed:.1f} s"
            time.sleep(_PAUSE_S)
        return None

    def _left_to_a_person(self, seconds: float) -> Ended:
        self._store.change(self._now, phase=WAITING, deadline_ns=now_ns() + int(seconds * 1e9), limit_s=seconds)
        self._store.say("waiting", limit_s=seconds)
        self._renew()
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        return Ended(
            True,
            f"Not committed yet: it is taken back at {until}, in {seconds:g} s, unless network.confirm comes before",
            waiting=True,
        )

    def _over_already(self) -> Ended:
        """The guard was quicker."""
        deadline = time.monotonic() + 10
        while self._store.pending() is not None and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        last = self._store.last()
        self._renew()
        if last is None or last.id != self._now.id:
            return Ended(False, "Taken back; how is not known", complete=False)
        return _taken_back(last)

    def _disarmed(self) -> None:
        """Read back that no guard is armed for it any more. The commit does not hang on that: a guard does nothing
        without `pending`."""
        deadline = time.monotonic() + 3
        while self._store.armed() == self._now.id and time.monotonic() < deadline:
            time.sleep(0.02)
        self._store.say("disarmed", still=self._store.armed() == self._now.id)


def _taken_back(last: Last) -> Ended:
    if last.outcome == INCOMPLETE:
        return Ended(False, f"Rollback incomplete: {last.why}; what remains: {'; '.join(last.remains)}", complete=False)
    return Ended(False, f"Rolled back: {last.why}")


def _in_the_way(other: Pending) -> str:
    from modules._transaction.store import leftover

    if other.boot != boot_id() or other.left_s < 0:
        return f"the network change of job {other.jid} was not settled: network.rollback takes it back"
    return leftover(other)
