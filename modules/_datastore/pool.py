"""The one question that a datastore has for libvirt: where the directory of a storage pool is."""

from __future__ import annotations

from modules._datastore.register import DatastoreError
from modules._virt import hypervisor
from modules._virt import xml as virt_xml
from saltern.context import Context


def path_of_pool(ctx: Context, name: str) -> str | None:
    """The directory of the storage pool NAME, or None where there is no such pool. DatastoreError where its volumes are
    no files. LibvirtUnavailable where libvirt can't be asked."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        pool = hypervisor.or_none(lambda: connection.storagePoolLookupByName(name), "VIR_ERR_NO_STORAGE_POOL")
        if pool is None:
            return None
        return target_of(pool.XMLDesc(), name)


def target_of(xml: str, name: str) -> str:
    """`/pool/target/path` of a pool's XML (libvirt, "Storage pool XML"), for those kinds that are a directory. Pure."""
    root = virt_xml.parse(xml)
    path = virt_xml.at(root, "target/path") or ""
    if root.get("type") not in ("dir", "fs", "netfs", "gluster", "vstorage") or not path.startswith("/"):
        raise DatastoreError(f"the storage pool {name} is of type {root.get('type')}: a datastore is a directory")
    return path.rstrip("/") or "/"
