"""Who may see and do what: roles, grants, teams, expiry, and the agreement of all ways to ask."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.events import PORTAL
from portal import actions
from portal.access import (
    Refused,
    access_grant,
    access_organization,
    access_provider,
    access_service,
    access_stack,
    permissions_in,
    permissions_on,
)
from portal.models import Grant, Membership, Organization, Provider, Service, Stack
from portal.permissions import ROLE_PERMISSIONS, Permission, Role
from portal.querysets import reaches
from tests.portal.world import Tenant

ALL = list(Permission)


def may(user: User, service: Service) -> frozenset[Permission]:
    """What each way to ask says, once it is clear that they all say the same."""
    held = permissions_on(user, service)
    rows = Service.objects.filter(pk=service.pk)
    assert held == {permission for permission in ALL if rows.allowing(user, permission).exists()}
    annotated = rows.with_permissions(user, *ALL).get()
    assert held == {permission for permission in ALL if getattr(annotated, f"may_{permission}")}
    assert held == {
        permission
        for permission in ALL
        if Membership.objects.filter(
            reaches(permission, user="user", stack="organization__stacks", service="organization__stacks__services"),
            user=user,
            organization__stacks__services=service,
        ).exists()
    }
    for permission in ALL:
        if permission in held:
            assert access_service(user, service.pk, permission) == service
        else:
            with pytest.raises(Refused if held else Http404):
                access_service(user, service.pk, permission)
    return held


@pytest.mark.parametrize("role", list(Role))
def test_a_role_holds_what_it_implies_and_nothing_else(acme: Tenant, role: Role) -> None:
    assert may(acme.users[role], acme.service) == ROLE_PERMISSIONS[role]


@pytest.mark.parametrize("role", list(Role))
def test_no_role_reaches_another_tenant(acme: Tenant, globex: Tenant, role: Role) -> None:
    user = globex.users[role]
    assert may(user, acme.service) == frozenset()
    for model in (Organization, Provider, Stack, Service):
        assert model.objects.visible_to(user).exists() == (role is not Role.DEVELOPER or model is Organization)
    assert list(Organization.objects.visible_to(user)) == [globex.organization]


@pytest.mark.parametrize(
    ("scope", "reached"),
    [("organization", {"web", "worker", "writer"}), ("stack", {"web", "worker"}), ("service", {"web"})],
)
@pytest.mark.parametrize("named", ["member", "team", "role"])
def test_a_grant_reaches_its_scope_for_whom_it_names(acme: Tenant, scope: str, reached: set[str], named: str) -> None:
    developer = acme.users[Role.DEVELOPER]
    where = {"organization": {}, "stack": {"stack": acme.stack}, "service": {"service": acme.service}}[scope]
    if named == "team":
        actions.add_team_member(actor=PORTAL, team=acme.team, membership=acme.member(Role.DEVELOPER))
    who: dict[str, dict[str, object]] = {
        "member": {"membership": acme.member(Role.DEVELOPER)},
        "team": {"team": acme.team},
        "role": {"role": Role.DEVELOPER},
    }
    acme.grant(Permission.SHELL, **where, **who[named])
    for service in (acme.service, acme.other_service, acme.stranger):
        expected = {Permission.SHELL, Permission.VIEW} if service.slug in reached else frozenset()
        assert may(developer, service) == expected
    assert set(Service.objects.visible_to(developer).values_list("slug", flat=True)) == reached


def test_a_grant_to_one_member_says_nothing_about_another(acme: Tenant) -> None:
    acme.grant(Permission.SHELL, membership=acme.member(Role.DEVELOPER))
    assert Permission.SHELL not in may(acme.users[Role.AUDITOR], acme.service)


def test_grants_add_up(acme: Tenant) -> None:
    acme.grant(Permission.SHELL, membership=acme.member(Role.AUDITOR), stack=acme.stack)
    acme.grant(Permission.EXEC, role=Role.AUDITOR)
    assert may(acme.users[Role.AUDITOR], acme.service) == {
        Permission.VIEW, Permission.AUDIT, Permission.SHELL, Permission.EXEC,
    }  # fmt: skip


def test_an_expired_grant_allows_nothing(acme: Tenant) -> None:
    grant = acme.grant(
        Permission.SHELL, membership=acme.member(Role.DEVELOPER), expires_at=timezone.now() + timedelta(hours=1)
    )
    assert Permission.SHELL in may(acme.users[Role.DEVELOPER], acme.service)
    Grant.objects.filter(pk=grant.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert may(acme.users[Role.DEVELOPER], acme.service) == frozenset()


def test_leaving_a_team_takes_what_it_gave(acme: Tenant) -> None:
    place = actions.add_team_member(actor=PORTAL, team=acme.team, membership=acme.member(Role.DEVELOPER))
    acme.grant(Permission.SHELL, team=acme.team)
    assert Permission.SHELL in may(acme.users[Role.DEVELOPER], acme.service)
    actions.remove_team_member(actor=PORTAL, member=place)
    assert may(acme.users[Role.DEVELOPER], acme.service) == frozenset()


def test_leaving_the_organization_takes_everything(acme: Tenant) -> None:
    acme.grant(Permission.SHELL, membership=acme.member(Role.DEVELOPER))
    actions.remove_member(actor=PORTAL, membership=acme.member(Role.DEVELOPER))
    assert may(acme.users[Role.DEVELOPER], acme.service) == frozenset()
    assert not Grant.objects.filter(membership__user=acme.users[Role.DEVELOPER]).exists()


def test_a_deactivated_user_sees_nothing(acme: Tenant) -> None:
    owner = acme.users[Role.OWNER]
    actions.deactivate_user(actor=PORTAL, user=owner)
    assert may(owner, acme.service) == frozenset()
    for model in (Organization, Provider, Stack, Service, Membership, Grant):
        assert not model.objects.visible_to(owner).exists()


def test_nobody_sees_nothing(acme: Tenant) -> None:
    nobody = AnonymousUser()
    for model in (Organization, Provider, Stack, Service, Membership, Grant):
        assert not model.objects.visible_to(nobody).exists()
    with pytest.raises(Http404):
        access_service(nobody, acme.service.pk)


def test_a_superuser_without_membership_reaches_nothing(acme: Tenant) -> None:
    root = User.objects.create_superuser("root", password="a long enough password")
    assert may(root, acme.service) == frozenset()
    with pytest.raises(Http404):
        access_organization(root, acme.organization.pk)


def test_a_stack_is_seen_through_one_of_its_services_and_not_reached(acme: Tenant) -> None:
    developer = acme.users[Role.DEVELOPER]
    acme.grant(Permission.SHELL, Permission.MANAGE, membership=acme.member(Role.DEVELOPER), service=acme.service)
    assert list(Stack.objects.visible_to(developer)) == [acme.stack]
    assert access_stack(developer, acme.stack.pk) == acme.stack
    for permission in (Permission.SHELL, Permission.MANAGE):
        with pytest.raises(PermissionDenied):
            access_stack(developer, acme.stack.pk, permission)


def test_a_provider_is_seen_with_a_stack_on_it_and_managed_with_the_organization(acme: Tenant) -> None:
    developer = acme.users[Role.DEVELOPER]
    with pytest.raises(Http404):
        access_provider(developer, acme.provider.pk)
    acme.grant(Permission.MANAGE, membership=acme.member(Role.DEVELOPER), stack=acme.stack)
    assert access_provider(developer, acme.provider.pk) == acme.provider
    with pytest.raises(PermissionDenied):
        access_provider(developer, acme.provider.pk, Permission.MANAGE)


def test_a_grant_is_seen_by_whom_it_names_and_by_who_manages(acme: Tenant) -> None:
    grant = acme.grant(Permission.SHELL, membership=acme.member(Role.DEVELOPER))
    other = acme.grant(Permission.SHELL, role=Role.AUDITOR)
    assert list(Grant.objects.visible_to(acme.users[Role.DEVELOPER])) == [grant]
    assert set(Grant.objects.visible_to(acme.users[Role.ADMIN])) == {grant, other}
    with pytest.raises(PermissionDenied):
        access_grant(acme.users[Role.DEVELOPER], grant.pk, Permission.MANAGE)


def test_permissions_in_an_organization_leave_out_narrower_grants(acme: Tenant) -> None:
    acme.grant(Permission.SHELL, membership=acme.member(Role.DEVELOPER), stack=acme.stack)
    assert permissions_in(acme.users[Role.DEVELOPER], acme.organization) == frozenset()
    acme.grant(Permission.WATCH, membership=acme.member(Role.DEVELOPER))
    assert permissions_in(acme.users[Role.DEVELOPER], acme.organization) == {Permission.WATCH, Permission.VIEW}


def test_a_list_with_permissions_is_one_query(acme: Tenant) -> None:
    with CaptureQueriesContext(connection) as queries:
        rows = list(Service.objects.visible_to(acme.users[Role.OWNER]).with_permissions(acme.users[Role.OWNER], *ALL))
    assert len(rows) == 3
    assert len(queries) == 1
