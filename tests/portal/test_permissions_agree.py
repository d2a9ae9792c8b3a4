"""The rule of who may do what stands twice, as SQL and row by row: whatever the rows, both say the same."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.access import permissions_in, permissions_on
from portal.models import Grant, Organization, Service, TeamMember
from portal.permissions import Permission, Role
from portal.querysets import reaches
from tests.portal.world import Tenant, make_tenant

GRANTS = st.fixed_dictionaries(
    {
        "permissions": st.frozensets(st.sampled_from(list(Permission)), min_size=1, max_size=3),
        "who": st.sampled_from(["member", "team", "role"]),
        "role": st.sampled_from(list(Role)),
        "where": st.sampled_from(["organization", "stack", "other_stack", "service", "other_service", "stranger"]),
        "expires": st.sampled_from([None, -1, 60]),
    }
)


@pytest.fixture
def tenants(db: None) -> tuple[Tenant, Tenant]:
    return make_tenant("acme"), make_tenant("globex")


def give(tenant: Tenant, told: dict[str, Any]) -> None:
    where = told["where"]
    place = getattr(tenant, where)
    who: dict[str, Any] = {
        "member": {"membership": tenant.member(told["role"])},
        "team": {"team": tenant.team},
        "role": {"role": told["role"]},
    }[told["who"]]
    if where != "organization":
        who["stack" if where.endswith("stack") else "service"] = place
    grant = tenant.grant(*told["permissions"], **who)
    if told["expires"] is not None:
        at = timezone.now() + timedelta(minutes=told["expires"])
        Grant.objects.filter(pk=grant.pk).update(expires_at=at)


@given(
    grants=st.lists(GRANTS, max_size=5),
    elsewhere=st.lists(GRANTS, max_size=2),
    team=st.frozensets(st.sampled_from(list(Role))),
    inactive=st.sampled_from([None, *Role]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_both_ways_to_ask_agree_whatever_the_rows(
    tenants: tuple[Tenant, Tenant],
    grants: list[dict[str, Any]],
    elsewhere: list[dict[str, Any]],
    team: frozenset[Role],
    inactive: Role | None,
) -> None:
    acme, globex = tenants
    with transaction.atomic():
        for role in team:
            TeamMember.objects.create(organization=acme.organization, team=acme.team, membership=acme.member(role))
        for told in grants:
            give(acme, told)
        for told in elsewhere:
            give(globex, told)
        for role, user in acme.users.items():
            if role is inactive:
                type(user).objects.filter(pk=user.pk).update(is_active=False)
            services = Service.objects.with_permissions(user, *Permission)
            for service in services:
                expected = {word for word in Permission if getattr(service, f"may_{word}")}
                assert permissions_on(user, service) == expected
            for organization in Organization.objects.annotate(
                **{f"may_{word}": reaches(word, user=user.pk, organization="pk") for word in Permission}
            ):
                expected = {word for word in Permission if getattr(organization, f"may_{word}")}
                assert permissions_in(user, organization) == expected
        transaction.set_rollback(True)  # what one example wrote is not there for the next
