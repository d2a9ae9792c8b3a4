"""What a personal API token may do with one session: its owner's rights, narrowed by its scopes."""

import pytest

from portal.permissions import Permission
from tests.portal.world import api
from tests.sessions_app import world

ACTS = ("ticket", "resize", "detach", "terminate")
OF_OTHERS = {"ticket": Permission.WATCH, "resize": Permission.TERMINATE, "detach": Permission.TERMINATE,
             "terminate": Permission.TERMINATE}  # fmt: skip


def scope_code(scope: Permission, act: str, *, own: bool) -> str:
    """How the API answers an owner's token of one scope: `permission_denied`, or anything else for passing."""
    lab = world.make_lab(("owner", "developer"))
    uid = world.open_row(lab, "owner" if own else "developer")
    _, secret = world.api_token(lab, scope, who="owner")
    answer = api(token=secret).post(f"/api/v1/sessions/{uid}/{act}/", {"cols": 80, "rows": 24}, "json")
    told = answer.json()
    if answer.status_code == 403:
        assert "scope" in told["detail"]
    return str(told.get("code", "done"))


@pytest.mark.django_db
@pytest.mark.parametrize("scope", [Permission.VIEW, Permission.SHELL, Permission.WATCH, Permission.TERMINATE])
@pytest.mark.parametrize("act", ACTS)
def test_somebody_elses_session_takes_the_acts_own_scope(act: str, scope: Permission) -> None:
    assert (scope_code(scope, act, own=False) == "permission_denied") == (scope is not OF_OTHERS[act])


@pytest.mark.django_db
@pytest.mark.parametrize("scope", [Permission.VIEW, Permission.SHELL, Permission.WATCH, Permission.TERMINATE])
@pytest.mark.parametrize("act", ACTS)
def test_ones_own_session_takes_the_scope_that_opens_such_sessions(act: str, scope: Permission) -> None:
    assert (scope_code(scope, act, own=True) == "permission_denied") == (scope is not Permission.SHELL)


@pytest.mark.django_db
def test_a_session_out_of_the_owners_sight_is_no_session_to_the_token() -> None:
    lab, other = world.make_lab(("developer",)), world.make_lab(("owner",))
    uid = world.open_row(lab)
    _, secret = world.api_token(other, *Permission, who="owner")
    for act in ACTS:
        assert api(token=secret).post(f"/api/v1/sessions/{uid}/{act}/", {}, "json").status_code == 404
