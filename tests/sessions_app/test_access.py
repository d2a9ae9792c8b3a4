"""Who sees a session, who may do what to it, and whose access is gone."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import Http404

from portal.permissions import Permission
from sessions_app.access import access_recorded_session, access_session
from sessions_app.models import Session
from sessions_app.words import Kind
from tests.sessions_app import world
from tests.sessions_app.world import EVERYBODY, Lab

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab() -> Lab:
    return world.make_lab(EVERYBODY)


@pytest.fixture
def uid(lab: Lab) -> str:
    """The developer's session."""
    return world.open_row(lab)


def user(lab: Lab, who: str) -> User:
    return User.objects.get(pk=lab.users[who])


VIEW, SHELL, WATCH, TERMINATE = Permission.VIEW, Permission.SHELL, Permission.WATCH, Permission.TERMINATE

MAY: dict[str, set[Permission]] = {
    # Whatever is asked of one's own session, the permission to have such a session answers it.
    "developer": {VIEW, SHELL, WATCH, TERMINATE},
    "owner": {VIEW, SHELL, WATCH, TERMINATE},
    "auditor": {VIEW},
    "watcher": {VIEW, WATCH},
    "stopper": {VIEW, TERMINATE},
    "colleague": set(),
    "executor": set(),
    "viewer": set(),
    "newcomer": set(),
    "outsider": set(),
    "root": set(),
}


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_session_is_listed_for_its_user_and_those_who_audit_watch_or_end_it(lab: Lab, uid: str, who: str) -> None:
    seen = Session.objects.visible_to(user(lab, who)).filter(uid=uid).exists()
    assert seen is (VIEW in MAY[who])


@pytest.mark.parametrize("permission", [VIEW, WATCH, TERMINATE])
@pytest.mark.parametrize("who", EVERYBODY)
def test_each_person_may_do_to_a_session_what_they_hold_and_no_more(
    lab: Lab, uid: str, who: str, permission: Permission
) -> None:
    if permission in MAY[who]:
        assert access_session(user(lab, who), uid, permission).uid == uid
        return
    # Who sees it hears that a permission is missing; everybody else, that there is no such session.
    with pytest.raises(PermissionDenied if VIEW in MAY[who] else Http404):
        access_session(user(lab, who), uid, permission)


@pytest.mark.parametrize("who", EVERYBODY)
def test_the_record_is_for_its_user_and_auditors(lab: Lab, uid: str, who: str) -> None:
    if who in ("developer", "owner", "auditor"):
        assert access_recorded_session(user(lab, who), uid).uid == uid
    else:
        with pytest.raises(Http404):
            access_recorded_session(user(lab, who), uid)


def test_nobody_signed_in_sees_nothing(uid: str) -> None:
    assert not Session.objects.visible_to(AnonymousUser()).exists()
    with pytest.raises(Http404):
        access_session(AnonymousUser(), uid)


def test_a_session_that_does_not_exist_is_answered_like_one_of_another_tenant(lab: Lab, uid: str) -> None:
    texts = set()
    for asked in (uid, "sh-" + "0" * 26, "nonsense", ""):
        with pytest.raises(Http404) as refused:
            access_session(user(lab, "outsider"), asked)
        texts.add(str(refused.value))
    assert len(texts) == 1


def test_a_session_of_a_deleted_service_is_still_its_users_to_see(lab: Lab, uid: str) -> None:
    world.finish(uid)
    world.delete_service(lab)
    assert access_session(user(lab, "developer"), uid).service is None
    with pytest.raises(PermissionDenied):
        access_session(user(lab, "developer"), uid, WATCH)


def test_the_list_for_many_sessions_is_one_query(lab: Lab, django_assert_num_queries: "pytest.FixtureRequest") -> None:
    for _ in range(5):
        world.open_row(lab)
    auditor = user(lab, "auditor")
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert len(Session.objects.visible_to(auditor).with_controls(auditor)) == 5


# --- whose access is gone --------------------------------------------------------------------------------------------


def without_access() -> set[str]:
    return set(Session.objects.live().without_access().values_list("uid", flat=True))


def test_nobody_has_lost_access_while_nothing_has_changed(lab: Lab, uid: str) -> None:
    world.open_row(lab, "owner")
    assert without_access() == set()


@pytest.mark.parametrize(
    "lose",
    [world.revoke_grant, world.expire_grant, world.narrow_grant, world.remove_member, world.deactivate],
    ids=lambda lose: lose.__name__,
)
def test_each_way_to_lose_the_permission_shows_and_touches_nobody_else(lab: Lab, uid: str, lose: world.Lose) -> None:
    colleagues = world.open_row(lab, "colleague")
    lose(lab)
    assert without_access() == {uid}
    assert colleagues not in without_access()


def test_an_account_that_is_active_again_has_its_access_back(lab: Lab, uid: str) -> None:
    world.deactivate(lab)
    world.reactivate(lab)
    assert without_access() == set()


def test_a_role_that_no_longer_implies_the_permission_shows(lab: Lab) -> None:
    uid = world.open_row(lab, "owner")
    world.demote_owner(lab)
    assert without_access() == {uid}


@pytest.mark.parametrize("lose", [world.leave_team, world.delete_team], ids=lambda lose: lose.__name__)
def test_a_team_that_was_left_or_deleted_shows(lab: Lab, lose: world.LoseTeam) -> None:
    team = world.through_team(lab)
    uid = world.open_row(lab, "newcomer")
    assert without_access() == set()
    lose(team)
    assert without_access() == {uid}


@pytest.mark.parametrize("end", [world.revoke_token, world.expire_token], ids=lambda end: end.__name__)
def test_a_token_that_is_over_shows_for_the_sessions_it_opened_alone(lab: Lab, uid: str, end: world.LoseTeam) -> None:
    token, _ = world.api_token(lab, Permission.SHELL)
    with_token = world.open_row(lab, token=token)
    assert without_access() == set()
    end(token)
    assert without_access() == {with_token}


def test_a_deleted_user_and_a_deleted_service_leave_no_session_with_access(lab: Lab, uid: str) -> None:
    other = world.open_row(lab, "colleague")
    User.objects.filter(pk=lab.users["colleague"]).delete()
    assert without_access() == {other}
    world.delete_service(lab)
    assert without_access() == {uid, other}


def test_being_a_superuser_keeps_no_session(lab: Lab, uid: str) -> None:
    User.objects.filter(pk=lab.users["developer"]).update(is_superuser=True)
    world.revoke_grant(lab)
    assert without_access() == {uid}


@pytest.mark.parametrize(("kind", "kept"), [(Kind.SHELL, True), (Kind.CONSOLE, False), (Kind.EXEC, False)])
def test_each_kind_of_session_asks_for_its_own_permission(lab: Lab, uid: str, kind: Kind, kept: bool) -> None:
    world.change_row(uid, kind=kind)
    assert (uid not in without_access()) is kept
