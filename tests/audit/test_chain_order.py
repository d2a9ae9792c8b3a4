"""The chain is the last thing that a transaction locks, so that nobody waits in a circle.

Whoever holds it goes on to no other row. Where one change leaves events in several chains, they go in one order.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.events import PORTAL
from audit.models import Event
from portal import actions
from portal.models import Grant, Membership, Service
from portal.permissions import Permission, Role
from sessions_app import actions as sessions
from sessions_app.backends.base import Container
from sessions_app.models import Session
from sessions_app.words import Detachment, EndReason, Kind, Via

if TYPE_CHECKING:
    from tests.portal.world import Tenant

pytestmark = pytest.mark.django_db(transaction=True)

WRITES = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) \"(?!audit_)|FOR (NO KEY )?UPDATE")


@contextmanager
def watched() -> Iterator[list[str]]:
    """Gathers the statements that lock something beside the chain, after it, in the same transaction."""
    late: list[str] = []
    holds_chain = False
    begin = connection.set_autocommit

    def set_autocommit(*args: Any, **kwargs: Any) -> None:
        nonlocal holds_chain
        holds_chain = False
        begin(*args, **kwargs)

    def look(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        nonlocal holds_chain
        if holds_chain and WRITES.search(sql) and '"audit_chain"' not in sql:
            late.append(sql)
        holds_chain = holds_chain or sql.startswith('UPDATE "audit_chain"')
        return execute(sql, *args)

    connection.set_autocommit = set_autocommit  # type: ignore[method-assign]
    try:
        with connection.execute_wrapper(look):
            yield late
    finally:
        connection.set_autocommit = begin  # type: ignore[method-assign]


def test_what_administrators_do_locks_the_chain_last(acme: "Tenant") -> None:
    user, developer = acme.users[Role.DEVELOPER], acme.member(Role.DEVELOPER)
    with watched() as late:
        actions.change_service(actor=PORTAL, service=acme.service, name="renamed")
        grant = acme.grant(Permission.SHELL, membership=developer, stack=acme.stack)
        actions.change_grant(actor=PORTAL, grant=grant, reason="why")
        place = actions.add_team_member(actor=PORTAL, team=acme.team, membership=developer)
        actions.change_member(actor=PORTAL, membership=developer, role=Role.AUDITOR)
        expires_at = timezone.now() + timedelta(days=1)
        token, _ = actions.create_api_token(
            actor=PORTAL, user=user, name="t", scopes=[Permission.VIEW], expires_at=expires_at
        )
        actions.revoke_api_token(actor=PORTAL, token=token)
        actions.change_preferences(actor=PORTAL, user=user, scrollback=1000, font_size=14)
        actions.deactivate_user(actor=PORTAL, user=user)
        actions.remove_team_member(actor=PORTAL, member=place)
        actions.revoke(actor=PORTAL, grant=Grant.objects.get(pk=grant.pk))
        actions.remove_member(actor=PORTAL, membership=developer)
        actions.delete_team(actor=PORTAL, team=acme.team)
        actions.delete_service(actor=PORTAL, service=acme.service)
        actions.delete_stack(actor=PORTAL, stack=acme.stack)
        actions.delete_organization(actor=PORTAL, organization=acme.organization)
    assert late == []


def test_what_sessions_do_locks_the_chain_last(acme: "Tenant") -> None:
    container = Container(container_name="c", pod_name="p")
    wanted = sessions.NewSession(service=acme.service, container=container, kind=Kind.SHELL, via=Via.WEB)
    with watched() as late:
        session = sessions.open_session(user=acme.users[Role.OWNER], wanted=wanted, actor=PORTAL)
        Session.objects.filter(pk=session.pk).update(state="provisioning")
        sessions.mark_active(session=session, actor=PORTAL)
        sessions.note_attached(session=session, actor=PORTAL, mode="control", took_over=False)
        sessions.note_detached(session=session, actor=PORTAL, ttl=60, cause=Detachment.ASKED)
        sessions.request_end(session=session, reason=EndReason.TERMINATED, actor=PORTAL)
        sessions.finish(session=session, reason=EndReason.TERMINATED, actor=PORTAL)
    assert late == []
    assert Event.objects.filter(session_uid=session.uid).count() >= 5


def test_a_bulk_deletion_in_the_admin_locks_the_chain_last(acme: "Tenant", client: Client) -> None:
    owner = acme.users[Role.OWNER]
    owner.is_staff = True
    owner.save()
    client.force_login(owner)
    chosen = {"action": "delete_selected", "_selected_action": [acme.service.pk, acme.other_service.pk], "post": "yes"}
    with watched() as late:
        client.post("/admin/portal/service/", chosen)
    assert list(Service.objects.all()) == [acme.stranger]
    assert late == []


def test_an_event_in_several_chains_goes_in_the_order_of_the_organizations(acme: "Tenant", globex: "Tenant") -> None:
    user = globex.users[Role.OWNER]
    # Joined in the other order than the organizations were made.
    assert acme.organization.pk < globex.organization.pk
    actions.add_member(actor=PORTAL, organization=acme.organization, user=user, role=Role.DEVELOPER)
    assert Membership.objects.filter(user=user).order_by("pk").first().organization == globex.organization  # type: ignore[union-attr]
    actions.deactivate_user(actor=PORTAL, user=user)
    events = Event.objects.filter(target_type="user", target_id=str(user.pk), action="object.changed").order_by("pk")
    assert [event.organization_id for event in events] == [acme.organization.pk, globex.organization.pk]
