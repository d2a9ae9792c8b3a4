"""The tenants' world that tests of sessions need, made by the portal's own actions, in an `Office` or in the test."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from audit.events import PORTAL
from audit.models import Event, Recording
from audit.recordings import node_id
from portal import actions
from portal.api.authentication import refresh_token_for
from portal.models import ApiToken, Grant, Membership, Organization, Provider, Service, Stack, Team
from portal.permissions import Permission, Role
from sessions_app import actions as session_actions
from sessions_app import tasks, tickets
from sessions_app.backends.base import Container
from sessions_app.models import Session, SessionHost, SessionSlot, UsedTicket
from sessions_app.words import EndReason, Kind, Via

PASSWORD = "a-password-that-must-be-in-no-log"

CREW: dict[str, tuple[Role, frozenset[Permission]]] = {
    "owner": (Role.OWNER, frozenset()),
    "developer": (Role.DEVELOPER, frozenset({Permission.SHELL})),
    "colleague": (Role.DEVELOPER, frozenset({Permission.SHELL})),
    "auditor": (Role.AUDITOR, frozenset()),
    "executor": (Role.DEVELOPER, frozenset({Permission.EXEC})),
    "watcher": (Role.DEVELOPER, frozenset({Permission.WATCH})),
    "stopper": (Role.DEVELOPER, frozenset({Permission.TERMINATE})),
    "viewer": (Role.DEVELOPER, frozenset({Permission.VIEW})),
    "newcomer": (Role.DEVELOPER, frozenset()),
}
"""Members of a lab: role, and what a grant on the service gives on top."""

EVERYBODY = (*CREW, "outsider", "root")
"""`outsider` owns another organization, `root` is a superuser and member of nothing."""


Lose = Callable[["Lab"], None]
LoseTeam = Callable[[int], None]


@dataclass(frozen=True)
class Lab:
    """An organization of its own with one service on this machine. It holds keys and goes between processes."""

    slug: str
    organization: int
    provider: int
    stack: int
    service: int
    users: dict[str, int]
    names: dict[str, str]
    grants: dict[str, int] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)
    """Access tokens of the API."""


def make_lab(crew: tuple[str, ...] = ("developer",), **policy: Any) -> Lab:
    """A lab with these people. `policy` is the service's."""
    slug = f"lab-{secrets.token_hex(4)}"
    users = {name: _user(f"{name}-{slug}", superuser=name == "root") for name in crew}
    organization = actions.create_organization(actor=PORTAL, slug=slug, name=slug.title())
    provider = actions.create_provider(
        actor=PORTAL, organization=organization, slug="here", name="Here", kind="local", operator=True
    )
    stack = actions.create_stack(actor=PORTAL, provider=provider, slug="stack", name="Stack")
    service = actions.create_service(
        actor=PORTAL, stack=stack, slug="shell", name="Shell", selector_kind="name", selector="local", **policy
    )
    grants = {}
    for name in crew:
        if name in CREW:
            role, permissions = CREW[name]
            membership = actions.add_member(actor=PORTAL, organization=organization, user=users[name], role=role)
            if permissions:
                grants[name] = actions.grant(
                    actor=PORTAL,
                    organization=organization,
                    membership=membership,
                    service=service,
                    permissions=permissions,
                ).pk
        elif name == "outsider":
            actions.create_organization(actor=PORTAL, slug=f"other-{slug}", name="Other", owner=users[name])
    return Lab(
        slug,
        organization.pk,
        provider.pk,
        stack.pk,
        service.pk,
        {name: user.pk for name, user in users.items()},
        {name: user.username for name, user in users.items()},
        grants,
        {name: str(refresh_token_for(user).access_token) for name, user in users.items()},
    )


def _user(name: str, *, superuser: bool) -> User:
    user = actions.create_user(actor=PORTAL, username=name, password=PASSWORD)
    if superuser:
        User.objects.filter(pk=user.pk).update(is_superuser=True, is_staff=True)
    return user


def add_service(lab: Lab, slug: str, **fields: Any) -> int:
    """One more service of the lab."""
    wanted: dict[str, Any] = {"name": slug, "selector_kind": "name", "selector": "local"} | fields
    return actions.create_service(actor=PORTAL, stack=Stack.objects.get(pk=lab.stack), slug=slug, **wanted).pk


def add_unreachable_service(lab: Lab, url: str) -> int:
    """A service on a Docker Engine that does not answer."""
    provider = actions.create_provider(
        actor=PORTAL,
        organization=Organization.objects.get(pk=lab.organization),
        slug="silent",
        name="Silent",
        kind="docker",
        options={"host": url},
        operator=True,
    )
    stack = actions.create_stack(actor=PORTAL, provider=provider, slug="silent", name="Silent")
    return actions.create_service(
        actor=PORTAL, stack=stack, slug="silent", name="Silent", selector_kind="name", selector="web-*"
    ).pk


# --- ways to lose access ---------------------------------------------------------------------------------------------


def revoke_grant(lab: Lab, who: str = "developer") -> None:
    actions.revoke(actor=PORTAL, grant=Grant.objects.get(pk=lab.grants[who]))


def expire_grant(lab: Lab, who: str = "developer") -> None:
    """What the clock does."""
    Grant.objects.filter(pk=lab.grants[who]).update(expires_at=timezone.now() - timedelta(seconds=1))


def narrow_grant(lab: Lab, who: str = "developer") -> None:
    grant = Grant.objects.get(pk=lab.grants[who])
    actions.change_grant(actor=PORTAL, grant=grant, permissions={Permission.VIEW})


def remove_member(lab: Lab, who: str = "developer") -> None:
    actions.remove_member(actor=PORTAL, membership=Membership.objects.get(user=lab.users[who]))


def deactivate(lab: Lab, who: str = "developer") -> None:
    actions.deactivate_user(actor=PORTAL, user=User.objects.get(pk=lab.users[who]))


def reactivate(lab: Lab, who: str = "developer") -> None:
    actions.reactivate_user(actor=PORTAL, user=User.objects.get(pk=lab.users[who]))


def demote_owner(lab: Lab) -> None:
    """The owner becomes an auditor; somebody else is made owner first."""
    actions.add_member(
        actor=PORTAL,
        organization=Organization.objects.get(pk=lab.organization),
        user=_user(f"heir-{lab.slug}", superuser=False),
        role=Role.OWNER,
    )
    membership = Membership.objects.get(user=lab.users["owner"], organization=lab.organization)
    actions.change_member(actor=PORTAL, membership=membership, role=Role.AUDITOR)


def through_team(lab: Lab, who: str = "newcomer") -> int:
    """Give somebody a shell by way of a team. Returns the team's key."""
    organization = Organization.objects.get(pk=lab.organization)
    team = actions.create_team(actor=PORTAL, organization=organization, slug="team", name="Team")
    actions.add_team_member(actor=PORTAL, team=team, membership=Membership.objects.get(user=lab.users[who]))
    actions.grant(actor=PORTAL, organization=organization, team=team, permissions={Permission.SHELL})
    return team.pk


def leave_team(team: int) -> None:
    for member in Team.objects.get(pk=team).team_members.all():
        actions.remove_team_member(actor=PORTAL, member=member)


def delete_team(team: int) -> None:
    actions.delete_team(actor=PORTAL, team=Team.objects.get(pk=team))


def delete_service(lab: Lab) -> None:
    actions.delete_service(actor=PORTAL, service=Service.objects.get(pk=lab.service))


def api_token(lab: Lab, *scopes: Permission, who: str = "developer") -> tuple[int, str]:
    """A personal API token's key and secret."""
    token, secret = actions.create_api_token(
        actor=PORTAL,
        user=User.objects.get(pk=lab.users[who]),
        name="token",
        scopes=scopes,
        expires_at=timezone.now() + timedelta(days=1),
    )
    return token.pk, secret


def set_input_recording(lab: Lab, *, record: bool) -> None:
    actions.change_organization(
        actor=PORTAL, organization=Organization.objects.get(pk=lab.organization), record_input=record
    )


def revoke_token(pk: int) -> None:
    actions.revoke_api_token(actor=PORTAL, token=ApiToken.objects.get(pk=pk))


def expire_token(pk: int) -> None:
    """What the clock does."""
    ApiToken.objects.filter(pk=pk).update(expires_at=timezone.now() - timedelta(seconds=1))


# --- sessions as rows ------------------------------------------------------------------------------------------------


def open_row(lab: Lab, who: str = "developer", *, token: int | None = None, service: int | None = None) -> str:
    """A requested session, as the API makes it. Returns its uid."""
    session = session_actions.open_session(
        user=User.objects.get(pk=lab.users[who]),
        wanted=session_actions.NewSession(
            Service.objects.get(pk=service or lab.service), Container("local"), Kind.SHELL, Via.API
        ),
        actor=PORTAL,
        api_token=ApiToken.objects.get(pk=token) if token else None,
    )
    return session.uid


def open_many(lab: Lab, count: int) -> list[tuple[bool, str]]:
    """Try to open so many: for each, whether it went well, and the uid or the text of the refusal."""
    outcomes = []
    for _ in range(count):
        try:
            outcomes.append((True, open_row(lab)))
        except session_actions.LimitReached as refusal:
            outcomes.append((False, str(refusal)))
    return outcomes


def open_and_end(lab: Lab, count: int) -> None:
    """Open and end a session so many times, one after the other."""
    user, service = User.objects.get(pk=lab.users["developer"]), Service.objects.get(pk=lab.service)
    wanted = session_actions.NewSession(service, Container("local"), Kind.SHELL, Via.API)
    for _ in range(count):
        session = session_actions.open_session(user=user, wanted=wanted, actor=PORTAL)
        session_actions.finish(session=session, reason=EndReason.EXITED)


def slots(lab: Lab) -> int:
    """Places of the service that are taken."""
    return SessionSlot.objects.filter(service=lab.service).count()


def row(uid: str) -> dict[str, Any]:
    """A session's row."""
    values: dict[str, Any] = Session.objects.filter(uid=uid).values().get()
    return values


def change_row(uid: str, **fields: Any) -> None:
    """Set what no action would: a policy below the smallest one, a time that has passed."""
    assert Session.objects.filter(uid=uid).update(**fields) == 1


def events_of(uid: str) -> list[str]:
    """The actions on record for a session, oldest first."""
    return list(Event.objects.filter(session_uid=uid).order_by("pk").values_list("action", flat=True))


def live_sessions(lab: Lab) -> int:
    return Session.objects.live().filter(organization=lab.organization).count()


def sessions_of(lab: Lab) -> int:
    return Session.objects.filter(organization=lab.organization).count()


def recording_of(uid: str) -> dict[str, Any]:
    values: dict[str, Any] = Recording.objects.filter(session_uid=uid).values().get()
    return values


def prefer(lab: Lab, who: str = "developer", **wanted: Any) -> None:
    """What somebody chooses in the settings."""
    actions.change_preferences(actor=PORTAL, user=User.objects.get(pk=lab.users[who]), **wanted)


def let_time_pass(uid: str) -> None:
    """What the clock does to a detached session."""
    change_row(uid, detach_expires_at=timezone.now() - timedelta(seconds=1))


def ask_for_the_end_of_a_closed_window(uid: str) -> None:
    """What the reaper does that saw the window gone a moment before it came back."""
    session = Session.objects.select_related("organization").get(uid=uid)
    session_actions.request_end(session=session, reason=EndReason.CLOSED_BY_USER, actor=PORTAL)


def reap() -> None:
    tasks.reap()


def ticket(uid: str, user: int) -> str:
    return tickets.issue(session_uid=uid, user_id=user)


def break_provider(lab: Lab) -> None:
    """Make the provider's stored credentials unreadable."""
    Provider.objects.filter(pk=lab.provider).update(sealed_credentials=b"broken")


def claim_elsewhere(uid: str, address: str, *, stopped: bool = False) -> None:
    """Have a process on another machine own a requested session: one that lives for its lease, or has stopped."""
    host = session_actions.register_host(uid=secrets.token_hex(16), node="another-machine", pid=1, address=address)
    assert session_actions.claim(uid=uid, host=host, cols=80, rows=24)
    if stopped:
        session_actions.stop_host(host)


def claim_for(uid: str, address: str) -> None:
    """Have the web process at this address own a requested session, which itself knows nothing of it."""
    host = SessionHost.objects.get(address=address, node=node_id())
    assert session_actions.claim(uid=uid, host=host, cols=80, rows=24)


def used_tickets() -> int:
    return UsedTicket.objects.count()


def finish(uid: str, reason: EndReason = EndReason.EXITED) -> None:
    session_actions.finish(session=Session.objects.get(uid=uid), reason=reason)


def events_about(lab: Lab, action: str) -> int:
    """How many events of this action the organization has."""
    return Event.objects.filter(organization=lab.organization, action=action).count()


def allow_everything(lab: Lab, who: str = "developer") -> None:
    """A shell everywhere in the organization."""
    actions.grant(
        actor=PORTAL,
        organization=Organization.objects.get(pk=lab.organization),
        membership=Membership.objects.get(user=lab.users[who]),
        permissions={Permission.SHELL},
    )


def live_uids() -> list[str]:
    """Every session that is not over."""
    return list(Session.objects.live().values_list("uid", flat=True))
