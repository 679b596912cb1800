"""The master as a process: its parts, put together and taken apart."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from master import history, jobs, keys, own_jobs
from master.bundle_messages import PILLAR_KEY
from master.bundles import BundlePool
from master.control import Control
from master.dispatch import Dispatch
from master.files_port import FilesPort
from master.from_minions import FromMinions
from master.presence import Minion, Presence
from master.reactor import Reactor, rules_of
from master.requests import Requests
from master.returners.configured import returners_of
from master.router import open_router, umask_private
from master.schedule import Schedule
from master.store import Store
from master.uptime import Jumps, uptime
from saltern import __version__
from saltern.cli.daemon import set_up_log
from saltern.config import MasterConfig, load_master
from saltern.errors import SalternError
from saltern.schedule.zone import local_zone
from saltern.wire import sockets
from saltern.wire.keys import KeyPair, load_or_make
from saltern.wire.zap import Zap

logger = logging.getLogger(__name__)

_HOUSEKEEPING_S = 3600.0


def run(root: Path, log_level: str | None) -> int:
    """Run the master until SIGTERM or SIGINT."""
    umask_private()
    _allow_many_connections()
    config = load_master(root)
    set_up_log(log_level or config.log_level)
    asyncio.run(_run(config))
    return 0


def _allow_many_connections() -> None:
    """Each minion takes a descriptor; the soft limit is often 1,024, the hard one far above (getrlimit(2))."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(config: MasterConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    master = await start(config)
    logger.info("%s listens on %s, key %s", __version__, config.interface, master.pair.fingerprint)
    await stop.wait()
    await master.close()


@dataclass(frozen=True, slots=True)
class Master:
    """All parts of a running master."""

    pair: KeyPair
    dispatch: Dispatch
    control: Control
    files: FilesPort
    zap: Zap
    pool: BundlePool
    context: Any
    schedule: Schedule
    housekeeping: asyncio.Task[None]
    reactor: Reactor

    async def close(self) -> None:
        """End in order: no new commands, no new messages, then the store."""
        self.housekeeping.cancel()
        self.schedule.close()
        self.reactor.close()
        await self.control.close()
        self.dispatch.router.close()
        self.files.close()
        self.zap.close()
        await self.pool.close()
        self.dispatch.returners.close()
        self.dispatch.store.close()
        self.context.destroy(linger=0)


async def start(config: MasterConfig) -> Master:
    """A master that serves. SalternError says why it can't."""
    rules, returners = rules_of(config.reactor), returners_of(config.returners)
    folder = config.paths.var / "master"
    pair = load_or_make(folder / "keys" / "master.key")
    store = Store(folder / "master.db")
    await returners.start(store, folder / "master.db", asyncio.get_running_loop().call_soon_threadsafe)
    presence = Presence()
    last_jid = await store.do(lambda connection: _load(connection, presence))
    pool = BundlePool(config)
    context = sockets.new_context()
    zap = Zap(context, lambda domain, public: _admits(presence, domain, public))
    try:
        router = open_router(context, pair, config.interface, config.control_port, presence, store, config.files_port)
        files = FilesPort(context, pair, config, pool.blobs.open, lambda public: _admits(presence, "files", public))
    except OSError as error:
        raise SalternError(
            f"can't listen on {config.interface}, ports {config.control_port} and {config.files_port}: "
            f"{error.strerror}. Does another master run there? See control_port and files_port in "
            f"{config.paths.etc / 'master'}"
        ) from None

    async def bundles(wanted: Sequence[tuple[Minion, bytes, str]]) -> Sequence[bytes | SalternError]:
        return await pool.encoded(
            [(one.record.public, one.id, one.record.seal, one.grains, why, env) for one, why, env in wanted]
        )

    async def pillars(minions: Sequence[Minion]) -> Mapping[bytes, Mapping[str, Any]]:
        return await pool.pillars([(one.record.public, one.id, one.grains) for one in minions])

    async def pillar(minion: Minion, pillarenv: str | None = None, /) -> Mapping[str, Any]:
        return await pool.pillar(minion.record.public, minion.id, minion.grains, pillarenv)

    dispatch = Dispatch(presence, store, router, bundles, pillars, pillar, last_jid, config.job_ttl_s)
    dispatch.pillar_key, dispatch.pillar_roots = folder / PILLAR_KEY, config.pillar_roots
    router.work = FromMinions(dispatch, bundles)
    dispatch.ends.on_stored.append(returners.wake)
    dispatch.returners = returners
    requests = Requests(config, pair, dispatch)
    reactor = Reactor(rules, config.file_roots, requests.react)
    if rules:
        dispatch.bus.listeners.append(reactor.take)
    assert dispatch.orchestration is not None  # the requests have set it
    schedule = Schedule(dispatch, dispatch.orchestration, config.schedule, folder / "schedule.json", local_zone())
    dispatch.schedule = schedule.listing
    control = Control(config.paths.run / "master.sock", requests.table(), lambda: load_master(config.root).users)
    await control.start()
    schedule.start()
    housekeeping = asyncio.get_running_loop().create_task(_keep_house(store, config))
    return Master(pair, dispatch, control, files, zap, pool, context, schedule, housekeeping, reactor)


def _admits(presence: Presence, domain: str, public: bytes) -> bool:
    """Any key may come to the control port, to ask to join, unless rejected; to the files port only an accepted one."""
    record = presence.records.get(public)
    if domain == "control":
        return record is None or record.state != keys.REJECTED
    return domain == "files" and record is not None and record.state == keys.ACCEPTED


async def _keep_house(store: Store, config: MasterConfig) -> None:
    jumps = Jumps(time.time(), uptime().seconds)
    while True:
        await asyncio.sleep(_HOUSEKEEPING_S)
        oldest = time.time() - config.keep_jobs_hours * 3600
        if jumps.lately(time.time(), uptime().seconds):
            logger.error("the clock of this machine was set: no job is forgotten by its age for a day")
            oldest = 0.0
        try:
            await store.do(lambda connection: keys.forget_tokens(connection, time.time(), uptime()))
            await history.forget(store, oldest, config.keep_jobs_most)
        except SalternError as error:
            logger.error("old jobs were not pruned: %s", error)


def _load(connection: Any, presence: Presence) -> str:
    """Take in what the store knows: keys, grains, and the last job id, which is returned."""
    for record in keys.load(connection):
        presence.put(record)
    for public, grains, seen, address in connection.execute("SELECT public, grains, seen, address FROM minions"):
        minion = presence.minions.get(public)
        if minion:
            minion.grains, minion.seen, minion.address = json.loads(grains), seen, address
    keys.forget_tokens(connection, time.time(), uptime())
    jobs.drop_held(connection)
    if lost := own_jobs.mark_lost(connection):
        logger.warning("%d orchestrations were cut off when the master ended: see jobs.list_jobs outcome=lost", lost)
    return jobs.last_jid(connection)
