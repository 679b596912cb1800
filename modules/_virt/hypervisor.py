"""The one door to libvirt: a connection that is bounded in time, and libvirt's errors in Saltern's words.

libvirt-python is an extra and costs a few milliseconds to load, so it is imported by the first that connects. Every
function opens its own connection (a few milliseconds by the local socket) and closes it: nothing is kept between two.

A daemon that is down is told at once, one that accepts and then says nothing after CONNECT_S. One that stops answering
later is noticed by libvirt's keepalive (virConnectSetKeepAlive) within KEEPALIVE_S * (KEEPALIVE_COUNT + 1) seconds.
Keepalive wants libvirt's event loop, which runs in one daemon thread a process and sleeps while there is no connection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from saltern.context import Context
from saltern.errors import PermanentError

DEFAULT_URI = "qemu:///system"
CONNECT_S = 10.0
KEEPALIVE_S = 5  # seconds between two probes of a silent daemon
KEEPALIVE_COUNT = 3  # unanswered probes until the connection is given up


class LibvirtError(PermanentError):
    """libvirt refused something, in its own words. `code`: virErrorNumber, None where there is none."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class LibvirtUnavailable(LibvirtError):
    """There is no libvirt to talk to: its Python module is not installed, or its daemon is down or says nothing. A
    state tells it as unknown, since an earlier state may install or start it."""


def uri_of(ctx: Context, uri: str | None = None) -> str:
    """The connection URI: the one given, else the minion's option `libvirt_uri`."""
    return uri or ctx.config.libvirt_uri or DEFAULT_URI


def library() -> Any:
    """The module `libvirt`, its printing of errors to stderr turned off. LibvirtUnavailable where it is not there."""
    import threading

    try:
        import libvirt
    except ModuleNotFoundError:
        raise LibvirtUnavailable(
            "the Python module of libvirt is not installed on this node: install saltern[kvm]"
        ) from None
    if getattr(libvirt, "_saltern_prepared", 0) != os.getpid():
        libvirt.registerErrorHandler(_say_nothing, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_events, args=(libvirt,), daemon=True, name="libvirt-events").start()
        libvirt._saltern_prepared = os.getpid()
    return libvirt


def connect(uri: str | None = None, *, timeout_s: float = CONNECT_S) -> Any:
    """A connection (virConnect) to URI, by default qemu:///system; the caller closes it. Rather use `session`.

    LibvirtUnavailable where there is none within TIMEOUT_S seconds, with what to do.
    """
    libvirt = library()
    uri = uri or DEFAULT_URI
    done, value = bounded(lambda: libvirt.open(uri), timeout_s)
    if not done:
        raise LibvirtUnavailable(
            f"libvirt at {uri} did not answer within {timeout_s:g} s: its daemon hangs; see its log, or restart it"
        )
    if isinstance(value, libvirt.libvirtError):
        raise LibvirtUnavailable(unreachable(uri, words(value)), value.get_error_code())
    if isinstance(value, BaseException):
        raise value
    with suppress(libvirt.libvirtError):  # a driver inside this process (test:///) knows no keepalive
        value.setKeepAlive(KEEPALIVE_S, KEEPALIVE_COUNT)
    return value


@contextmanager
def session(uri: str | None = None, *, timeout_s: float = CONNECT_S) -> Iterator[Any]:
    """A connection for the block, closed after it. What libvirt refuses inside becomes a LibvirtError."""
    connection = connect(uri, timeout_s=timeout_s)
    libvirt = library()
    try:
        yield connection
    except libvirt.libvirtError as error:
        raise translated(error) from None
    finally:
        with suppress(libvirt.libvirtError):
            connection.close()


@contextmanager
def translating(what: str = "") -> Iterator[None]:
    """What libvirt refuses inside becomes a LibvirtError that begins with WHAT ("start web1")."""
    libvirt = library()
    try:
        yield
    except libvirt.libvirtError as error:
        raise translated(error, what) from None


def translated(error: Any, what: str = "") -> LibvirtError:
    """A libvirtError as a LibvirtError; WHAT was tried comes first. A connection that broke is LibvirtUnavailable."""
    text = f"{what}: {words(error)}" if what else words(error)
    code = error.get_error_code()
    if error.get_error_domain() == library().VIR_FROM_RPC or "keepalive timeout" in text:
        return LibvirtUnavailable(f"{text} (libvirt's daemon ended or stopped answering; see its log)", code)
    return LibvirtError(text, code)


def words(error: Any) -> str:
    """What libvirt said, on one line."""
    return " ".join(str(error.get_error_message() or error).split())


def unreachable(uri: str, said: str) -> str:
    """What a user reads where the daemon is down."""
    hint = "start its daemon (service.running: libvirtd, or virtqemud)" if uri.startswith("qemu") else "check the URI"
    return f"can't reach libvirt at {uri}: {said}; {hint}, or set the minion's option libvirt_uri"


def or_none(lookup: Callable[[], Any], *codes: str) -> Any:
    """What LOOKUP returns, or None where libvirt says that there is no such thing (CODES: the names of the error
    numbers, such as "VIR_ERR_NO_DOMAIN"). Other errors pass."""
    libvirt = library()
    try:
        return lookup()
    except libvirt.libvirtError as error:
        if error.get_error_code() in [getattr(libvirt, code) for code in codes]:
            return None
        raise


def find_domain(connection: Any, name: str) -> Any:
    """The domain NAME (virDomain), or None."""
    return or_none(lambda: connection.lookupByName(name), "VIR_ERR_NO_DOMAIN")


def find_volume(connection: Any, pool: str, volume: str) -> Any:
    """The VOLUME (virStorageVol) of the running POOL, or None."""
    return or_none(
        lambda: connection.storagePoolLookupByName(pool).storageVolLookupByName(volume),
        "VIR_ERR_NO_STORAGE_POOL",
        "VIR_ERR_NO_STORAGE_VOL",
        "VIR_ERR_OPERATION_INVALID",  # the pool does not run
    )


def bounded(function: Callable[[], Any], timeout_s: float) -> tuple[bool, Any]:
    """Whether FUNCTION ended within TIMEOUT_S, and its value or the exception that it raised. One that does not end
    stays behind in a daemon thread: C code can't be interrupted."""
    import threading

    box: list[Any] = []

    def run() -> None:
        try:
            box.append(function())
        except BaseException as error:
            box.append(error)

    thread = threading.Thread(target=run, daemon=True, name="libvirt-open")
    thread.start()
    thread.join(timeout_s)
    return bool(box), box[0] if box else None


def _events(libvirt: Any) -> None:
    """libvirt's event loop: it lets keepalive see a daemon that went silent."""
    while True:
        libvirt.virEventRunDefaultImpl()


def _say_nothing(_context: object, _error: object) -> None:
    """libvirt's own handler prints every error to stderr; each is raised too, so once is enough."""
