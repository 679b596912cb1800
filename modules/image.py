"""Disk images: what one is, and how it gets to its place."""

from __future__ import annotations

import os

from modules._file import identity, safe
from modules._file import owner as file_owner
from modules._image import note as image_note
from modules._image.look import info
from saltern.context import Context
from saltern.marks import acting

__all__ = ["info"]  # functions of this namespace that lie elsewhere


@acting
def make(
    ctx: Context,
    target: str,
    source: str,
    *,
    digest: str | None = None,
    format: str | None = None,
    convert_to: str | None = None,
    user: str | None = None,
    group: str | None = None,
    mode: str | None = None,
    replace: bool = False,
    origins: tuple[str, ...] = (),
    timeout_s: float = 3600.0,
) -> None:
    """Make the image TARGET of SOURCE: `salt://…`, an absolute path, or a URL of http(s).

    DIGEST ("sha256:…") is compared before anything else is done with it; FORMAT is what it is in, CONVERT_TO what it
    shall be in. The whole takes TIMEOUT_S seconds at most for the download, and as many for the conversion. An error
    leaves nothing behind, and what is there stays until the new image is whole.
    """
    from modules import cp
    from modules._image import run as image_run
    from modules._image.make import Job

    local = cp.local_copy(ctx, source) if source.startswith("salt://") else source
    job = Job(
        source=local,
        target=safe.absolute(target),
        digest=digest,
        format=format,
        convert_to=convert_to,
        uid=None if user is None else file_owner.uid(user),
        gid=None if group is None else file_owner.gid(group),
        mode=None if mode is None else file_owner.bits(mode),
        replace=replace,
        origins=origins,
        timeout_s=timeout_s,
    )
    image_run.run(job, source)


@acting
def note(target: str, origins: tuple[str, ...], format: str) -> None:
    """Note what the image TARGET, as it is now, was made of, so that it need not be read again to be known."""
    image_note.write(target, image_note.Note(origins, format))


@acting
def remove(target: str) -> None:
    """Delete the image TARGET, and what was noted of it."""
    path = safe.absolute(target)
    with identity.within(os.path.dirname(path)), safe.parent_of(path, follow=False) as (folder, name):
        os.unlink(name, dir_fd=folder)
        safe.sync_folder(folder)
    image_note.remove(path)
