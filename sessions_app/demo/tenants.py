"""The demo's organizations, accounts and playground."""

from collections.abc import Mapping

from django.contrib.auth.models import User
from django.core.management import CommandError
from django.db import transaction

from audit.events import PORTAL
from portal import actions
from portal.models import Organization, ProviderKind, SelectorKind
from portal.permissions import Permission, Role

MEMBERS: Mapping[str, Mapping[str, Role]] = {
    "acme": {"owner": Role.OWNER, "developer": Role.DEVELOPER, "auditor": Role.AUDITOR},
    "globex": {"outsider": Role.OWNER},
}
"""Who belongs where, and as what. The first of each is its owner."""

USERNAMES = tuple(name for members in MEMBERS.values() for name in members)

STAFF = frozenset({"owner"})
"""Whom the Django admin lets in, to see their own organization."""

DEVELOPERS_MAY = frozenset(
    {Permission.VIEW, Permission.SHELL, Permission.CONSOLE, Permission.EXEC, Permission.FILES, Permission.FORWARD}
)


def exist() -> bool:
    """Has the demo been loaded into this database?"""
    return Organization.objects.filter(slug__in=MEMBERS).count() == len(MEMBERS)


@transaction.atomic
def create(password: str) -> None:
    """Make the accounts and organizations. Raises `CommandError` rather than touch accounts that are somebody's."""
    taken = [*User.objects.filter(username__in=USERNAMES).values_list("username", flat=True)]
    taken += Organization.objects.filter(slug__in=MEMBERS).values_list("slug", flat=True)
    if taken:
        raise CommandError(f"The demo was not loaded: {', '.join(taken)} are somebody's already.")
    for slug, members in MEMBERS.items():
        users = {
            name: actions.create_user(
                actor=PORTAL,
                username=name,
                password=password,
                email=f"{name}@{slug}.example",
                is_staff=name in STAFF,
                operator=True,
            )
            for name in members
        }
        organization = actions.create_organization(actor=PORTAL, slug=slug, name=slug)
        for name, role in members.items():
            actions.add_member(actor=PORTAL, organization=organization, user=users[name], role=role)
    actions.grant(
        actor=PORTAL,
        organization=acme(),
        role=Role.DEVELOPER,
        permissions=DEVELOPERS_MAY,
        reason="Demo: developers work in every service of the organization.",
    )


def acme() -> Organization:
    """The organization that has the stacks."""
    return Organization.objects.get(slug="acme")


@transaction.atomic
def add_playground(organization: Organization) -> None:
    """A stack whose service is a shell on the portal's own machine, unless there is one."""
    if organization.stacks.filter(slug="playground").exists():
        return
    provider = organization.providers.filter(kind=ProviderKind.LOCAL).first() or actions.create_provider(
        actor=PORTAL,
        organization=organization,
        slug="local",
        name="This machine",
        kind=ProviderKind.LOCAL,
        operator=True,
    )
    stack = actions.create_stack(actor=PORTAL, provider=provider, slug="playground", name="playground")
    actions.create_service(
        actor=PORTAL, stack=stack, slug="shell", name="shell", selector_kind=SelectorKind.NAME, selector="local"
    )


@transaction.atomic
def set_password(password: str) -> None:
    """Give all accounts of the demo this password."""
    for user in User.objects.filter(username__in=USERNAMES):
        actions.set_password(actor=PORTAL, user=user, password=password, operator=True)
