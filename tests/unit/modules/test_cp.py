"""Files of the tree, of the node and of the network, on the node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import _download, cp
from saltern.context import Context
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.runner import Returned
from states import file
from tests.plans import context, converge
from tests.serving import serving

PAGES = {"/a.conf": b"from {{ grains.id }}\n", "/empty": b""}
SUM = hashlib.sha256(PAGES["/a.conf"]).hexdigest()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    made = context(tmp_path, grains={"id": "web1"})
    (tmp_path / "tree/web").mkdir()
    (tmp_path / "tree/web/web1.conf").write_text("one\n")
    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving({**PAGES, "/SHA256SUMS": f"{'0' * 64}  other\n{SUM} *a.conf\n".encode()}) as found:
        yield found


def test_a_file_goes_to_its_place_or_into_a_folder(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with permit_acting():
        assert cp.get_file(ctx, "salt://web/web1.conf", f"{tmp_path}/d") == f"{tmp_path}/d/web1.conf"
        rendered = cp.get_file(
            ctx, "salt://web/{{ grains.id }}.conf", f"{tmp_path}/n/{{{{ grains.id }}}}", makedirs=True, template="jinja"
        )
        assert cp.get_dir(ctx, "salt://{{ 'web' }}", str(tmp_path / "e"), template="jinja") == [
            f"{tmp_path}/e/web/web1.conf"
        ]
        assert cp.get_url(ctx, "salt://web/web1.conf", f"{tmp_path}/u") == f"{tmp_path}/u"
        kept = cp.cache_local_file(ctx, rendered)
    assert Path(rendered).read_text() == Path(kept).read_text() == "one\n"
    assert rendered == f"{tmp_path}/n/web1"
    assert kept in cp.list_minion(ctx)


def test_what_is_not_there_is_false_for_templates_and_an_error_for_others(ctx: Context) -> None:
    text, cached = cp.get_file_str(ctx, "salt://nix"), cp.cache_file(ctx, "salt://nix")
    assert isinstance(text, Returned)
    assert isinstance(cached, Returned)
    assert ((text.value, text.retcode), (cached.value, cached.retcode)) == ((False, 1), ("", 1))
    assert cp.is_cached(ctx, "salt://nix") == ""
    with pytest.raises(SalternError, match="there is no file salt://web/web2"), permit_acting():
        cp.get_file(ctx, "salt://web/web2.conf", "/nix")


def test_the_node_has_files_too(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(PAGES["/a.conf"])
    assert cp.hash_file(ctx, str(tmp_path / "f")) == {"hsum": SUM, "hash_type": "sha256"}
    assert cp.get_url(ctx, f"file://{tmp_path}/f") == str(tmp_path / "f")
    assert cp.get_url(ctx, str(tmp_path / "f"), None) == "from {{ grains.id }}\n"


def test_a_file_from_the_network_is_proved_and_fetched_once(tmp_path: Path, ctx: Context) -> None:
    with serving(PAGES) as url:
        path = cp.get_url(ctx, f"{url}/a.conf", source_hash=f"sha256:{SUM}")
        with pytest.raises(SalternError, match="is not what was meant: its sha256 is"):
            cp.get_url(ctx, f"{url}/empty", source_hash=SUM)
        with pytest.raises(SalternError, match="the server says 404"):
            cp.get_url(ctx, f"{url}/nix", source_hash=SUM)
        with pytest.raises(SalternError, match="needs `source_hash` by sha256"):
            cp.get_url(ctx, f"{url}/a.conf")
    assert Path(path).read_bytes() == PAGES["/a.conf"]
    assert cp.get_url(ctx, f"{url}/a.conf", source_hash=f"sha256={SUM}") == path, "the server is gone, and not asked"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"source": "{url}/a.conf", "source_hash": SUM}, "from {{ grains.id }}\n"),
        ({"source": "{url}/a.conf", "source_hash": f"sha256={SUM}", "template": "jinja"}, "from web1\n"),
        ({"source": [{"{url}/a.conf": SUM}]}, "from {{ grains.id }}\n"),
        ({"source": ["salt://nix", "{url}/a.conf"], "source_hash": SUM}, "from {{ grains.id }}\n"),
        ({"source": "{url}/a.conf", "source_hash": "salt://SUMS"}, "from {{ grains.id }}\n"),
        ({"source": "{url}/a.conf", "source_hash": "salt://SUMS", "source_hash_name": "b"}, "from {{ grains.id }}\n"),
    ],
)
def test_a_managed_file_may_come_from_the_network(
    tmp_path: Path, ctx: Context, url: str, arguments: dict[str, Any], text: str
) -> None:
    (tmp_path / "tree/SUMS").write_text(f"{'0' * 64}  other\n{SUM} *a.conf\nSHA256 (b) = {SUM}\n")
    converge(file.managed, ctx, str(tmp_path / "f"), **placed(arguments, url))
    assert (tmp_path / "f").read_text() == text


def placed(value: Any, url: str) -> Any:
    """VALUE with the URL of the server in its place."""
    if isinstance(value, dict):
        return {placed(key, url): placed(inner, url) for key, inner in value.items()}
    if isinstance(value, list):
        return [placed(inner, url) for inner in value]
    return value.replace("{url}", url) if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "https://x/a"}, "needs `source_hash`"),
        ({"source": "http://x/a", "skip_verify": True}, "http:// needs `source_hash`"),
        ({"source": "http://x/a", "source_hash": "md5:" + "0" * 32}, "by sha256 or sha512"),
        ({"source": "https://u:p@x/a", "source_hash": SUM}, "must not hold a password"),
        ({"source": "https:///a", "source_hash": SUM}, "not an http:// or https:// URL"),
        ({"source": "https://x/a", "source_hash": "sha256:12"}, "not a checksum"),
        ({"source": "https://x/a", "source_hash": "salt://SUMS"}, "has no checksum for https://x/a"),
        ({"source": "ftp://x/a"}, "the scheme ftp:// is not supported"),
    ],
)
def test_a_source_that_nothing_proves_is_refused(
    tmp_path: Path, ctx: Context, arguments: dict[str, Any], message: str
) -> None:
    (tmp_path / "tree/SUMS").write_text(f"{SUM} b\n{SUM} c\n")
    with pytest.raises(SalternError, match=message):
        file.managed(ctx, str(tmp_path / "f"), **arguments)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("sha256:" + "A" * 64, "sha256:" + "a" * 64),
        ("SHA-512=" + "0" * 128, "sha512:" + "0" * 128),
        ("0" * 40, "sha1:" + "0" * 40),
        ("0" * 41, None),
        ("sha256:" + "g" * 64, None),
        ("crc:00", None),
    ],
)
def test_a_checksum_is_known_by_its_name_or_its_length(given: str, found: str | None) -> None:
    assert (found is None and _download.sum_of(given) is None) or str(_download.sum_of(given)) == found
