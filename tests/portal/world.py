"""Two tenants for tests: small, and made by the same actions as everything else."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from audit.events import PORTAL
from portal import actions
from portal.models import Grant, Membership, Organization, Provider, Service, Stack, Team
from portal.permissions import Permission, Role

PASSWORD = "correct horse battery staple"
SECRET = "the-kubeconfig-token-nobody-may-see"


@dataclass
class Tenant:
    """An organization with one of each thing, and a user for each role."""

    organization: Organization
    provider: Provider
    stack: Stack
    service: Service
    other_service: Service
    other_stack: Stack
    stranger: Service
    """A service of the other stack."""
    team: Team
    users: dict[Role, User] = field(default_factory=dict)

    def member(self, role: Role) -> Membership:
        return Membership.objects.get(organization=self.organization, user=self.users[role])

    def grant(self, *permissions: Permission, **what: Any) -> Grant:
        return actions.grant(actor=PORTAL, organization=self.organization, permissions=permissions, **what)


def make_tenant(slug: str) -> Tenant:
    """A tenant called `slug` whose users are `<slug>-owner`, `<slug>-developer`, …"""
    organization = actions.create_organization(actor=PORTAL, slug=slug, name=f"{slug.title()} Inc")
    provider = actions.create_provider(
        actor=PORTAL,
        organization=organization,
        slug="cluster",
        name=f"{slug} cluster",
        kind="kubernetes",
        options={"server": "https://kube.example:6443"},
        credentials={"token": SECRET},
    )
    stacks = [
        actions.create_stack(actor=PORTAL, provider=provider, slug=name, name=f"{slug} {name}", namespace=name)
        for name in ("shop", "blog")
    ]
    services = [
        actions.create_service(
            actor=PORTAL, stack=stack, slug=name, name=f"{slug} {name}", selector_kind="workload", selector=name
        )
        for stack, name in ((stacks[0], "web"), (stacks[0], "worker"), (stacks[1], "writer"))
    ]
    tenant = Tenant(
        organization,
        provider,
        stacks[0],
        services[0],
        services[1],
        stacks[1],
        services[2],
        actions.create_team(actor=PORTAL, organization=organization, slug="night", name=f"{slug} night shift"),
    )
    for role in Role:
        tenant.users[role] = actions.create_user(actor=PORTAL, username=f"{slug}-{role}", password=PASSWORD)
        actions.add_member(actor=PORTAL, organization=organization, user=tenant.users[role], role=role)
    return tenant


def api(user: User | None = None, token: str = "") -> APIClient:
    """A client of the API: signed in as `user`, or with a bearer token, or anonymous."""
    client = APIClient()
    if user is not None:
        client.force_login(user)
    if token:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def api_token(user: User, *scopes: Permission) -> str:
    """A personal API token's secret."""
    expires_at = timezone.now() + timedelta(days=1)
    return actions.create_api_token(actor=PORTAL, user=user, name="test", scopes=scopes, expires_at=expires_at)[1]
