"""The plans of users and groups."""

from __future__ import annotations

from typing import Any

import pytest

from modules import group as group_module
from modules import user as user_module
from saltern.context import Context
from saltern.converge.plan import UNSET, call
from saltern.errors import SalternError
from saltern.secret import Secret
from states import group, user
from states.group import Group
from states.user import User, change_steps, create_steps
from tests.plans import context


def change(current: User, wish: User, gid: Any = UNSET, password: Any = UNSET) -> list[Any]:
    return [step.do for step in change_steps("bob", current, wish, gid, password)]


def test_a_new_user_is_added_in_one_step_with_what_was_named() -> None:
    wish = User(1200, "users", frozenset({"kvm", "adm"}), "/srv/bob", "/bin/sh", "Bob")
    (step,) = create_steps("bob", wish, "users", UNSET, system=True, createhome=False)
    assert step.do == call(
        user_module.add,
        "bob",
        uid=1200,
        gid="users",
        groups=["adm", "kvm"],
        home="/srv/bob",
        shell="/bin/sh",
        fullname="Bob",
        system=True,
        createhome=False,
    )


def test_all_that_differs_is_changed_in_one_step_and_the_rest_is_left() -> None:
    current = User(1, "users", frozenset({"kvm"}), "/home/bob", "/bin/sh", "Bob", True)
    assert change(current, current) == []
    wish = User(1, "users", frozenset(), "/home/bob", "/bin/bash", "Bob", True)
    assert change(current, wish) == [call(user_module.change, "bob", shell="/bin/bash", groups=[])]
    assert change(User(has_home=False), User(has_home=True)) == [call(user_module.make_home, "bob")]


def test_a_password_goes_as_a_secret_and_shows_nowhere() -> None:
    (step,) = change_steps("bob", User(password="another"), User(password="as given"), UNSET, "$6$salt$hash")
    assert step.do == call(user_module.set_password, "bob", Secret("$6$salt$hash"))
    assert "$6$" not in f"{step!r} {step.do}"


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (None, Group(), [call(group_module.add, "g")]),
        (
            None,
            Group(7, frozenset({"a"})),
            [call(group_module.add, "g", gid=7), call(group_module.members, "g", ["a"])],
        ),
        (Group(6), Group(7), [call(group_module.chgid, "g", 7)]),
        (Group(members=frozenset({"a"})), Group(members=frozenset()), [call(group_module.members, "g", [])]),
        (Group(7, frozenset({"a"})), Group(7, frozenset({"a"})), []),
    ],
)
def test_a_groups_differences_have_their_steps(current: Group | None, wish: Group, expected: list[Any]) -> None:
    assert [step.do for step in group.steps("g", current, wish)] == expected


@pytest.fixture
def ctx(tmp_path: Any) -> Context:
    return context(tmp_path)


def test_what_is_there_is_seen_and_left_alone(ctx: Context) -> None:
    plan = user.present(ctx, "root", uid=0, gid="root", home="/root")
    assert (plan.steps, plan.current) == ((), plan.wish)
    assert group.present(ctx, "root", gid=0).steps == ()
    assert user.absent(ctx, "nobody-here").steps == ()
    assert group.absent(ctx, "nobody-here").steps == ()


def test_a_group_that_is_missing_is_unknown_until_a_state_makes_it(ctx: Context) -> None:
    assert "no group 'nix'" in str(user.present(ctx, "root", groups=["nix"]).unknown)
    assert user.present(ctx, "root", optional_groups=["nix"], remove_groups=False).unknown is None


def test_a_number_changes_only_with_leave(ctx: Context) -> None:
    with pytest.raises(SalternError, match="`allow_uid_change: True`"):
        user.present(ctx, "root", uid=12)
    with pytest.raises(SalternError, match="`allow_gid_change: True`"):
        user.present(ctx, "root", gid="nogroup")
    assert user.present(ctx, "root", uid=12, allow_uid_change=True).steps


def test_members_are_named_in_one_way(ctx: Context) -> None:
    with pytest.raises(SalternError, match="either `members`"):
        group.present(ctx, "root", members=["a"], addusers=["b"])
    with pytest.raises(SalternError, match="both in"):
        group.present(ctx, "root", addusers=["b"], delusers=["b"])
    assert group.present(ctx, "root", addusers=["nobody"]).wish.members == frozenset({"nobody"})
