import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from master.blobs import store_of
from master.trees import Publisher
from minion import cache
from minion.cache import CachedTree, DamagedTree, NotHere
from saltern.config import Config, MasterConfig
from saltern.wire import bundle as bundles
from saltern.wire import messages as m
from saltern.wire import private, seal
from saltern.wire.bundle import TreeKey
from saltern.wire.manifest import BadManifest
from saltern.wire.transfer import BlobReceiver, BlobSender, WantedBlob


class Carrier:
    """A Fetcher that brings blobs from the master's store by the files port's own machines, and counts."""

    def __init__(self, config: MasterConfig) -> None:
        self.store = store_of(config)
        self.batches: list[list[str]] = []

    def fetch(self, blobs: Sequence[WantedBlob], into: Path) -> None:
        self.batches.append([wanted.blob for wanted in blobs])
        sender, receiver = BlobSender(self.store.open), BlobReceiver(blobs, into)
        sender.want(receiver.remaining(), receiver.window)
        while not receiver.done:
            for piece in sender.next_pieces():
                sender.grant(receiver.feed(*piece))


class Fixture:
    """A master with the environments base and dev, and a minion's empty cache."""

    def __init__(self, place: Path) -> None:
        self.roots = {env: place / env for env in ("base", "dev")}
        for env, root in self.roots.items():
            (root / "net").mkdir(parents=True)
            (root / "top.sls").write_text(f"{env}: top")
            (root / "net" / "init.sls").write_text("the same in both")
        self.config = MasterConfig(
            root=place / "master", file_roots={env: [str(root)] for env, root in self.roots.items()}
        )
        self.publisher = Publisher(self.config)
        self.carrier = Carrier(self.config)
        self.place = cache.folder(Config(root=place / "minion"))

    def keys(self) -> list[TreeKey]:
        return [publication.tree_key for publication in self.publisher.publish().values()]

    def tree(self, *, away: bool = False) -> CachedTree:
        return CachedTree(self.place, self.keys(), None if away else self.carrier)


@pytest.fixture
def site(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path)


def test_a_tree_lists_files_without_fetching_them(site: Fixture) -> None:
    tree = site.tree()
    assert tree.environments() == ("base", "dev")
    assert tree.list() == ("net/init.sls", "top.sls")
    assert tree.list("none") == ()
    assert tree.digest("net/init.sls") == tree.digest("net/init.sls", "dev")
    assert tree.digest("none") is None
    assert len(site.carrier.batches) == 1, "both manifests in one batch"


def test_what_is_missing_is_fetched_in_one_batch_and_once(site: Fixture) -> None:
    tree = site.tree()
    site.carrier.batches.clear()
    tree.fetch(("top.sls", "net/init.sls", "top.sls"))
    tree.fetch(("top.sls", "net/init.sls"))
    assert [len(batch) for batch in site.carrier.batches] == [2]
    assert tree.local("top.sls").read_text() == "base: top"


def test_what_another_environment_or_run_brought_is_not_fetched_again(site: Fixture) -> None:
    site.tree().fetch(("top.sls", "net/init.sls"))
    site.carrier.batches.clear()
    again = site.tree()
    assert again.local("net/init.sls", "dev").read_text() == "the same in both"
    assert again.local("top.sls").read_text() == "base: top"
    assert site.carrier.batches == []


def test_a_file_is_there_when_its_path_is_asked_for(site: Fixture) -> None:
    assert site.tree().local("net/init.sls").read_text() == "the same in both"


def test_mode_is_that_of_the_tree_and_the_cached_copy_is_private(site: Fixture) -> None:
    (site.roots["base"] / "top.sls").chmod(0o755)
    tree = site.tree()
    assert tree.mode("top.sls") == 0o755
    assert tree.local("top.sls").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_handed_over_is_kept_by_who_took_it_alone(site: Fixture) -> None:
    tree = site.tree()
    site.carrier.batches.clear()
    taken = tree.hand_over("top.sls")
    assert taken is not None
    assert (taken.read_text(), taken.stat().st_mode & 0o777) == ("base: top", 0o600)
    taken.unlink()
    assert [path for path in site.place.rglob("*") if path.is_file() and path.parent.name != "manifests"] == []
    tree.fetch(("top.sls",))
    assert len(site.carrier.batches) == 2, "it was kept nowhere"
    assert tree.hand_over("top.sls") is None
    assert tree.local("top.sls").read_text() == "base: top"


@pytest.mark.parametrize("method", ["local", "mode", "hand_over"])
def test_a_file_that_does_not_exist_is_told_with_the_nearest_name(site: Fixture, method: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file 'tops.sls' in environment 'base'\. Did you mean 'top.sls'"):
        getattr(site.tree(), method)("tops.sls")


def test_fetch_names_the_first_file_that_does_not_exist_and_brings_none(site: Fixture) -> None:
    tree = site.tree()
    site.carrier.batches.clear()
    with pytest.raises(FileNotFoundError, match="'none'"):
        tree.fetch(("top.sls", "none", "other"))
    assert site.carrier.batches == []


def test_a_change_brings_only_what_changed(site: Fixture) -> None:
    site.tree().fetch(("top.sls", "net/init.sls"))
    (site.roots["base"] / "top.sls").write_text("changed")
    site.carrier.batches.clear()
    tree = site.tree()
    tree.fetch(("top.sls", "net/init.sls"))
    assert [len(batch) for batch in site.carrier.batches] == [1, 1], "the manifest, then the file"
    assert tree.local("top.sls").read_text() == "changed"


def test_without_a_master_what_is_cached_is_enough_and_what_is_not_is_told(site: Fixture) -> None:
    site.tree().fetch(("top.sls",))
    away = site.tree(away=True)
    assert away.local("top.sls").read_text() == "base: top"
    with pytest.raises(NotHere, match="no master is connected"):
        away.local("net/init.sls")


def test_a_file_that_a_crash_cut_short_is_fetched_again(site: Fixture) -> None:
    tree = site.tree()
    tree.local("top.sls").write_bytes(b"")
    assert tree.local("top.sls").read_text() == "base: top"


class Liar:
    """A Fetcher from a cache that is not trusted: it gives SUBSTITUTE for everything."""

    def __init__(self, substitute: bytes) -> None:
        self.substitute = substitute

    def fetch(self, blobs: Sequence[WantedBlob], into: Path) -> None:
        receiver = BlobReceiver(blobs, into)
        for wanted in blobs:
            receiver.feed(m.Chunk(wanted.blob, 0, True), self.substitute)


def test_a_substituted_file_is_refused_and_not_kept(site: Fixture) -> None:
    site.tree()  # the manifests are here
    tree = CachedTree(site.place, site.keys(), Liar(b"evil"))
    with pytest.raises(DamagedTree, match=r"top\.sls: the file that was brought is damaged"):
        tree.local("top.sls")
    assert site.tree().local("top.sls").read_text() == "base: top"
    assert list((site.place / "incoming").iterdir()) == []


def test_another_genuine_blob_in_place_of_a_file_is_refused(site: Fixture) -> None:
    tree = site.tree()
    other = site.carrier.store.path(site.keys()[0].manifest).read_bytes()
    tree._fetcher = Liar(other)
    with pytest.raises(DamagedTree):
        tree.local("top.sls")


def test_a_substituted_manifest_is_refused_and_not_kept(site: Fixture) -> None:
    with pytest.raises(DamagedTree, match="manifest of environment"):
        CachedTree(site.place, site.keys(), Liar(b"evil"))
    assert site.tree().list() == ("net/init.sls", "top.sls")


def test_the_manifest_of_another_environment_is_refused(site: Fixture) -> None:
    base, dev = site.keys()
    with pytest.raises(BadManifest, match="is of environment 'dev', not of 'base'"):
        CachedTree(site.place, [TreeKey("base", dev.manifest, dev.key)], site.carrier)
    assert base.manifest != dev.manifest


@pytest.mark.parametrize("left", [b"", b"damaged"])
def test_a_manifest_that_a_power_cut_damaged_is_brought_anew(site: Fixture, left: bytes) -> None:
    kept = site.place / "manifests" / site.keys()[0].manifest
    site.tree()
    kept.write_bytes(left)
    assert site.tree().list() == ("net/init.sls", "top.sls")
    assert len(site.carrier.batches) == 2
    kept.write_bytes(left)
    with pytest.raises(DamagedTree):
        site.tree(away=True)
    assert site.tree().list() == ("net/init.sls", "top.sls")


def test_the_cache_is_closed_to_others_and_holds_no_key(site: Fixture) -> None:
    before = os.umask(0)
    try:
        site.tree().fetch(("top.sls", "net/init.sls"))
    finally:
        os.umask(before)
    keys = site.keys()
    found = list(site.place.rglob("*"))
    assert sum(path.is_file() for path in found) == 4
    for path in [site.place, *found]:
        assert path.stat().st_mode & 0o077 == 0, path
        if path.is_file():
            assert not any(key.key in path.read_bytes() for key in keys)


def test_what_a_killed_run_left_is_removed_after_a_day(site: Fixture) -> None:
    tree = site.tree()
    left, recent = private.make_folder(site.place / "incoming" / "old"), site.place / "incoming" / "new"
    (left / "x").write_bytes(b"x")
    os.utime(left, (0, 0))
    recent.write_bytes(b"x")
    tree.local("top.sls")
    assert [path.name for path in (site.place / "incoming").iterdir()] == ["new"]


def test_a_kept_bundle_stays_sealed_and_opens_with_the_key_alone(site: Fixture, tmp_path: Path) -> None:
    config = Config(root=tmp_path / "minion")
    secret = seal.new_private()
    keys = site.keys()
    packed = bundles.pack_pillar("m", "", keys, {"password": "CANARY"})
    made = bundles.make(seal.public_of(secret), "fp", b"jid", minion_id="m", saltenv="", trees=keys, pillar=packed)
    assert cache.load_bundle(config) is None
    cache.save_bundle(config, bundles.encode(made))
    kept = cache.folder(config) / "bundle"
    assert b"CANARY" not in kept.read_bytes()
    assert not any(key.key in kept.read_bytes() for key in keys)
    assert kept.stat().st_mode & 0o777 == 0o600
    loaded = cache.load_bundle(config)
    assert loaded is not None
    opened = bundles.open_bundle(secret, "fp", "m", loaded)
    assert opened.pillar == {"password": "CANARY"}
    assert CachedTree(site.place, opened.trees, site.carrier).local("top.sls").read_text() == "base: top"


def test_a_damaged_kept_bundle_is_as_none(tmp_path: Path) -> None:
    config = Config(root=tmp_path)
    cache.save_bundle(config, b"\xc1")
    assert cache.load_bundle(config) is None


def test_a_large_file_comes_whole(site: Fixture) -> None:
    content = os.urandom(3_000_000)
    (site.roots["base"] / "image").write_bytes(content)
    assert site.tree().local("image").read_bytes() == content
