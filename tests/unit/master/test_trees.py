import hashlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from master import scan, trees
from master.blobs import BlobStore, NoSuchBlob, store_of, tree_folder
from master.scan import Stat, stat_of
from master.trees import GRACE_S, Publication, Publisher
from saltern.config import MasterConfig
from saltern.errors import SalternError, TemporaryError
from saltern.wire import manifest
from saltern.wire.blob import decrypt_stream


def settle() -> None:
    """Wait until what was just written can't change within one tick of its clock."""
    time.sleep(trees.SETTLE_NS / 1e9 + 0.02)


@pytest.fixture
def config(tmp_path: Path) -> MasterConfig:
    for env in ("base", "dev"):
        (tmp_path / env).mkdir()
        (tmp_path / env / "top.sls").write_text(f"{env}: CANARY")
    return MasterConfig(root=tmp_path / "root", file_roots={env: [str(tmp_path / env)] for env in ("dev", "base")})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


@pytest.fixture
def encryptions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each blob that is encrypted."""
    counted: list[int] = []
    add = BlobStore.add

    def counting(self: BlobStore, source: object, key: bytes) -> object:
        counted.append(1)
        return add(self, source, key)  # type: ignore[arg-type]

    monkeypatch.setattr(BlobStore, "add", counting)
    return counted


def opened(config: MasterConfig, publication: Publication) -> dict[str, manifest.Entry]:
    data = plain(config, publication.blob, publication.key)
    assert manifest.digest(data) == publication.digest
    return {entry.path: entry for entry in manifest.decode(data, publication.saltenv).entries}


def plain(config: MasterConfig, blob: str, key: bytes) -> bytes:
    sink = io.BytesIO()
    with os.fdopen(store_of(config).open(blob), "rb", buffering=0) as source:
        assert decrypt_stream(source, sink, key).blob == blob
    return sink.getvalue()


def contents(config: MasterConfig, publication: Publication) -> dict[str, bytes]:
    return {path: plain(config, e.blob, e.key) for path, e in opened(config, publication).items()}


def test_every_environment_is_published_base_first(config: MasterConfig) -> None:
    published = Publisher(config).publish()
    assert list(published) == ["base", "dev"]
    assert contents(config, published["dev"]) == {"top.sls": b"dev: CANARY"}


def test_no_file_of_the_store_holds_plain_text_or_is_open_to_others(config: MasterConfig) -> None:
    before = os.umask(0)
    try:
        Publisher(config).publish()
    finally:
        os.umask(before)
    found = list(tree_folder(config).rglob("*"))
    assert sum(path.is_file() for path in found) >= 6
    for path in [tree_folder(config), *found]:
        assert path.stat().st_mode & 0o077 == 0, path
        if path.is_file():
            assert b"CANARY" not in path.read_bytes()


def test_an_unchanged_tree_is_not_read_again(
    config: MasterConfig, encryptions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle()
    publisher = Publisher(config)
    first = publisher.publish()
    count = len(encryptions)

    def read(*args: object) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr(Publisher, "_read", read)
    assert publisher.publish() == first
    assert Publisher(config).publish() == first, "another process knows it too"
    assert len(encryptions) == count


def test_only_what_changed_is_encrypted_again(config: MasterConfig, base: Path, encryptions: list[int]) -> None:
    for number in range(10):
        (base / f"{number}.sls").write_text(str(number))
    publisher = Publisher(config)
    before = publisher.publish()
    encryptions.clear()
    (base / "5.sls").write_text("changed")
    after = publisher.publish()
    assert len(encryptions) == 2, "the file and the manifest"
    assert after["dev"] == before["dev"]
    assert after["base"].digest != before["base"].digest
    assert contents(config, after["base"])["5.sls"] == b"changed"


def test_the_same_contents_are_encrypted_once(config: MasterConfig, base: Path, encryptions: list[int]) -> None:
    publisher = Publisher(config)
    publisher.publish()
    encryptions.clear()
    (base / "copy.sls").write_text("dev: CANARY")
    (base / "top.sls").touch()
    publisher.publish()
    assert len(encryptions) == 1, "the manifest"


def test_mode_and_name_are_part_of_the_tree(config: MasterConfig, base: Path) -> None:
    publisher = Publisher(config)
    digests = [publisher.publish()["base"].digest]
    (base / "top.sls").chmod(0o700)
    digests.append(publisher.publish()["base"].digest)
    (base / "top.sls").rename(base / "other.sls")
    digests.append(publisher.publish()["base"].digest)
    (base / "other.sls").rename(base / "top.sls")
    (base / "top.sls").chmod(0o644)
    digests.append(publisher.publish()["base"].digest)
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


def test_a_change_that_keeps_size_and_time_is_seen(config: MasterConfig, base: Path) -> None:
    settle()
    publisher = Publisher(config)
    publisher.publish()
    status = (base / "top.sls").stat()
    (base / "top.sls").write_text("base: canary")
    os.utime(base / "top.sls", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert contents(config, publisher.publish()["base"])["top.sls"] == b"base: canary"


def test_a_file_changed_within_one_tick_of_the_clock_is_read_again(
    config: MasterConfig, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = stat_of((base / "top.sls").stat())

    def coarse(status: os.stat_result) -> Stat:
        """As on a file system whose clock stands still for the length of this test."""
        return stat_of(status)._replace(mtime_ns=tick.mtime_ns, ctime_ns=tick.ctime_ns)

    monkeypatch.setattr(scan, "stat_of", coarse)
    monkeypatch.setattr(trees, "stat_of", coarse)
    monkeypatch.setattr(trees, "SETTLE_NS", 3600 * 10**9)  # longer than a slow machine is at it
    publisher = Publisher(config)
    publisher.publish()
    (base / "top.sls").write_text("base: canary")
    assert contents(config, publisher.publish()["base"])["top.sls"] == b"base: canary"


def append(file: Path) -> None:
    with file.open("a") as stream:
        stream.write("more")


def changing_while_read(monkeypatch: pytest.MonkeyPatch, change: Callable[[int], None]) -> None:
    """Call CHANGE(n) between the n-th opening of a file and its reading."""
    read = Publisher._read
    count = iter(range(1000))

    def reading(self: Publisher, file: io.FileIO, found: object) -> str:
        change(next(count))
        return read(self, file, found)  # type: ignore[arg-type]

    monkeypatch.setattr(Publisher, "_read", reading)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    config: MasterConfig, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing_while_read(monkeypatch, lambda n: append(base / "top.sls") if n == 0 else None)
    assert contents(config, Publisher(config).publish()["base"])["top.sls"] == b"base: CANARYmore"


def test_a_file_that_never_stands_still_is_an_error_that_names_it(
    config: MasterConfig, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing_while_read(monkeypatch, lambda n: append(base / "top.sls"))
    with pytest.raises(TemporaryError, match=r"base/top\.sls: changes while it is read"):
        Publisher(config).publish()


def test_a_file_that_is_swapped_for_a_link_to_the_outside_is_not_read(
    config: MasterConfig, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a").write_text("SECRET")
    (base / "folder").mkdir()
    (base / "folder" / "a").write_text("inside")
    scanned = scan.merged

    def then_swapped(roots: list[str]) -> object:
        result = scanned(roots)
        if (base / "folder").is_dir() and not (base / "folder").is_symlink() and roots == [str(base)]:
            (base / "folder").rename(tmp_path / "away")
            (base / "folder").symlink_to(tmp_path / "outside")
        return result

    monkeypatch.setattr(trees, "merged", then_swapped)
    publisher = Publisher(config)
    assert contents(config, publisher.publish()["base"]) == {"top.sls": b"base: CANARY"}
    assert hashlib.sha256(b"SECRET").hexdigest() not in publisher._index.held


def test_a_large_file_is_published_without_being_held_in_memory(config: MasterConfig, base: Path) -> None:
    (base / "image").write_bytes(os.urandom(1 << 20) * 3)
    entry = opened(config, Publisher(config).publish()["base"])["image"]
    assert plain(config, entry.blob, entry.key) == (base / "image").read_bytes()


def test_what_no_tree_names_any_more_is_removed_after_the_grace_time(config: MasterConfig, base: Path) -> None:
    now = [1e9]
    publisher = Publisher(config, clock=lambda: now[0])
    (base / "old.sls").write_text("old")
    entry = opened(config, publisher.publish()["base"])["old.sls"]
    (base / "old.sls").unlink()
    publisher.publish()
    now[0] += GRACE_S - 1
    publisher.publish()
    assert store_of(config).size(entry.blob)
    now[0] += 3600
    published = publisher.publish()
    assert store_of(config).size(entry.blob) is None
    assert contents(config, published["base"]) == {"top.sls": b"base: CANARY"}


def test_what_comes_back_within_the_grace_time_stays(config: MasterConfig, base: Path) -> None:
    now = [1e9]
    publisher = Publisher(config, clock=lambda: now[0])
    (base / "old.sls").write_text("old")
    publisher.publish()
    (base / "old.sls").unlink()
    publisher.publish()
    (base / "old.sls").write_text("old")
    publisher.publish()
    now[0] += GRACE_S + 3601
    assert contents(config, publisher.publish()["base"])["old.sls"] == b"old"


def test_a_lost_or_cut_blob_is_made_anew_by_the_next_process(config: MasterConfig) -> None:
    settle()
    first = opened(config, Publisher(config).publish()["base"])["top.sls"]
    store_of(config).path(first.blob).write_bytes(b"cut")
    published = Publisher(config).publish()
    assert contents(config, published["base"]) == {"top.sls": b"base: CANARY"}


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\x93\x01\x80"])
def test_a_damaged_index_costs_a_publication_and_nothing_else(config: MasterConfig, damage: bytes) -> None:
    before = Publisher(config).publish()
    (tree_folder(config) / "index").write_bytes(damage)
    after = Publisher(config).publish()
    assert contents(config, after["base"]) == {"top.sls": b"base: CANARY"}
    assert after["base"].digest != before["base"].digest, "the blobs have new keys"


def test_two_processes_keep_one_index(config: MasterConfig, base: Path, encryptions: list[int]) -> None:
    one, other = Publisher(config), Publisher(config)
    one.publish()
    assert other.publish() == one.publish()
    (base / "new.sls").write_text("new")
    encryptions.clear()
    assert other.publish() == one.publish()
    assert len(encryptions) == 2


def test_an_environment_with_a_dangerous_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SalternError, match="not an environment"):
        Publisher(MasterConfig(root=tmp_path, file_roots={"../x": []}))


@pytest.mark.parametrize("name", ["", "..", "../" + "a" * 61, "a" * 64 + "/", "A" * 64, "a" * 64])
def test_a_store_opens_nothing_but_its_blobs(config: MasterConfig, name: str) -> None:
    with pytest.raises(NoSuchBlob, match=r"^there is no such blob$"):
        store_of(config).open(name)


def test_a_link_in_the_store_is_not_followed(config: MasterConfig, tmp_path: Path) -> None:
    publication = Publisher(config).publish()["base"]
    path = store_of(config).path(publication.blob)
    path.unlink()
    path.symlink_to(tmp_path / "base" / "top.sls")
    with pytest.raises(NoSuchBlob):
        store_of(config).open(publication.blob)


def test_a_thousand_unchanged_files_cost_little_more_than_a_look_at_each(config: MasterConfig, base: Path) -> None:
    for number in range(1000):
        folder = base / str(number % 30)
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.sls").write_text("x")
    settle()
    publisher = Publisher(config)
    publisher.publish()

    def look() -> None:
        for folder, _, names in os.walk(base):
            for name in names:
                os.stat(os.path.join(folder, name))

    times: dict[Callable[[], object], list[float]] = {publisher.publish: [], look: []}
    for _ in range(10):
        for work, taken in times.items():
            start = time.process_time()
            work()
            taken.append(time.process_time() - start)
    assert min(times[publisher.publish]) < 4 * min(times[look])
