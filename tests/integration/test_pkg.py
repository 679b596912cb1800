"""Packages installed, kept, upgraded and purged by the real apt and dpkg, in a root of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from modules import pkg as module
from modules import state
from saltern.context import Context
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.runner import with_calls
from states import pkg
from tests.plans import context, converge

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ["apt-get", "dpkg-deb", "dpkg-scanpackages"])),
    reason="needs root, apt and dpkg-dev",
)


def build(folder: Path, name: str, version: str, extra: str = "", config: str = "") -> None:
    """A package without programs in the repository FOLDER."""
    tree = folder / f"{name}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\n{extra}"
        "Description: for a test\n"
    )
    if config:
        (tree / "etc").mkdir()
        (tree / f"etc/{name}.conf").write_text(config)
        (tree / "DEBIAN/conffiles").write_text(f"/etc/{name}.conf\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, folder], check=True, capture_output=True)
    shutil.rmtree(tree)


def index(folder: Path) -> None:
    """The index of the repository FOLDER."""
    run = subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=folder, check=True, capture_output=True)
    (folder / "Packages").write_bytes(run.stdout)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, and an apt and dpkg that know it alone and install into a root of their own, which is returned."""
    repository, root = tmp_path / "repository", tmp_path / "node"
    folders = ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/log/apt", "var/lib/dpkg/updates"]
    for folder in (*folders, "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
    repository.mkdir()
    config = tmp_path / "apt.conf"
    config.write_text(
        f'Dir "{root}";\nDir::State::status "{root}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
        f'DPkg::Options {{ "--root={root}"; "--force-script-chrootless"; "--log={root}/dpkg.log"; }};\n'
        'DPkg::Path "/usr/sbin:/usr/bin:/sbin:/bin";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    monkeypatch.setenv("DPKG_ADMINDIR", str(root / "var/lib/dpkg"))
    monkeypatch.setattr(module, "LISTS", str(root / "var/lib/apt/lists"))
    build(repository, "thing", "1.0", "Provides: some-thing\nRecommends: nice\n", config="from the package\n")
    build(repository, "nice", "1.0")
    index(repository)
    return root


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path)


def test_packages_are_installed_once_with_what_they_recommend(ctx: Context, apt: Path) -> None:
    plan = converge(pkg.installed, ctx, "thing")
    assert [step.sentence for step in plan.steps] == ["install thing"]
    assert module.list_pkgs() == {"nice": "1.0", "thing": "1.0"}
    assert not converge(pkg.installed, ctx, "all", pkgs=["thing", "some-thing", {"thing": ">=1"}]).steps
    assert (apt / "etc/thing.conf").read_text() == "from the package\n"


def test_planning_installs_nothing(ctx: Context, apt: Path) -> None:
    assert pkg.installed(ctx, "thing").steps
    assert module.list_pkgs() == {}


def test_a_wanted_version_is_fetched_with_a_new_index_and_keeps_the_nodes_settings(
    ctx: Context, apt: Path, tmp_path: Path
) -> None:
    converge(pkg.installed, ctx, "thing", install_recommends=False)
    assert module.list_pkgs() == {"thing": "1.0"}
    (apt / "etc/thing.conf").write_text("mine\n")
    build(tmp_path / "repository", "thing", "2.0", config="new from the package\n")
    index(tmp_path / "repository")
    converge(pkg.installed, ctx, "thing", version=">=2", refresh=True)
    assert module.version("thing") == "2.0"
    assert (apt / "etc/thing.conf").read_text() == "mine\n"
    converge(pkg.installed, ctx, "thing", version="1.0")
    assert module.latest_version("thing") == "2.0"


def test_removed_leaves_the_settings_and_purged_does_not(ctx: Context, apt: Path) -> None:
    converge(pkg.installed, ctx, "thing")
    converge(pkg.removed, ctx, "thing")
    assert (apt / "etc/thing.conf").exists()
    assert not converge(pkg.removed, ctx, "thing").steps
    converge(pkg.purged, ctx, "thing")
    assert not (apt / "etc/thing.conf").exists()


def test_a_package_that_no_index_has_is_named_with_a_near_one(ctx: Context, apt: Path) -> None:
    (step,) = pkg.installed(ctx, "thign").steps
    with permit_acting(), pytest.raises(SalternError, match=r"Unable to locate package thign.*Did you mean 'thing'"):
        step.do()


def _applied(ctx: Context, names: list[str], options: str) -> dict[str, Any]:
    """The results of a run that wants each of NAMES in a state of its own, by id."""
    text = "".join(f"{name}:\n  pkg.installed:\n    - version: '>=1'\n{options}" for name in names)
    (ctx.files.local("many.sls")).write_text(text)
    with permit_acting():
        answer = state.apply(ctx, "many")
    assert isinstance(answer.value, dict), answer.value
    return {one["__id__"]: one for one in answer.value.values()}


def test_many_packages_are_one_transaction_and_each_state_has_its_own_result(
    ctx: Context, apt: Path, tmp_path: Path
) -> None:
    names = [f"many{number}" for number in range(8)]
    for name in names:
        build(tmp_path / "repository", name, "1.0")
    index(tmp_path / "repository")
    (tmp_path / "tree/many.sls").touch()
    found = _applied(with_calls(ctx), names, "    - aggregate: True\n")
    assert {id: one["result"] for id, one in found.items()} == dict.fromkeys(names, True)
    assert found["many3"]["changes"] == {"many3": {"old": None, "new": "1.0"}}
    log = (apt / "var/log/apt/history.log").read_text()
    assert log.count("Commandline: ") == 1, log


def test_a_package_that_nobody_has_is_the_failure_of_its_state_alone(ctx: Context, apt: Path, tmp_path: Path) -> None:
    (tmp_path / "tree/many.sls").touch()
    found = _applied(with_calls(ctx), ["thing", "nothing-such", "nice"], "    - aggregate: True\n")
    assert {id: one["result"] for id, one in found.items()} == {"thing": True, "nothing-such": False, "nice": True}
    assert "nothing-such" in found["nothing-such"]["comment"]
