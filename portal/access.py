"""One object for one user, or the same answer as for one that does not exist.

`access_*` raises `Http404` where the user does not see the object, and `Refused` (a 403) where the user sees it and
lacks the permission. Being a superuser changes nothing here: memberships and grants alone count.
"""

from typing import TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404

from portal.models import (
    ApiToken,
    Grant,
    Membership,
    Organization,
    Preferences,
    Provider,
    Service,
    Stack,
    Team,
    TeamMember,
)
from portal.permissions import ROLE_PERMISSIONS, Permission, Role
from portal.querysets import AnyUser

M = TypeVar("M", bound=Model)


class Refused(PermissionDenied):
    """The user sees `thing` and may not do this to it."""

    def __init__(self, permission: Permission, thing: Model) -> None:
        self.permission = permission
        self.thing = thing
        super().__init__(
            f'This takes the permission "{permission}" on {thing._meta.verbose_name} "{thing}". '
            "Somebody who manages the organization can grant it."
        )


def _seen(rows: QuerySet[M], pk: int) -> M:
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404(f"No such {rows.model._meta.verbose_name}.")
    return found


def _allowed(found: M, permission: Permission, allowing: QuerySet[M]) -> M:
    if permission is not Permission.VIEW and not allowing.filter(pk=found.pk).exists():
        raise Refused(permission, found)
    return found


def access_organization(user: AnyUser, pk: int, permission: Permission = Permission.VIEW) -> Organization:
    """An organization of the user's; `permission` must be held on the whole of it."""
    found = _seen(Organization.objects.visible_to(user), pk)
    return _allowed(found, permission, Organization.objects.allowing(user, permission))


def access_provider(user: AnyUser, pk: int, permission: Permission = Permission.VIEW) -> Provider:
    """A provider; `permission` must be held on the whole organization."""
    found = _seen(Provider.objects.visible_to(user).select_related("organization"), pk)
    return _allowed(found, permission, Provider.objects.allowing(user, permission))


def access_stack(user: AnyUser, pk: int, permission: Permission = Permission.VIEW) -> Stack:
    """A stack; `permission` must be held on the whole of it."""
    found = _seen(Stack.objects.visible_to(user).select_related("organization", "provider"), pk)
    return _allowed(found, permission, Stack.objects.allowing(user, permission))


def access_service(user: AnyUser, pk: int, permission: Permission = Permission.VIEW) -> Service:
    """A service, with its stack, provider and organization at hand."""
    found = Service.objects.select_related("organization", "stack__provider").filter(pk=pk).first()
    # On the way to every shell: two plain queries cost a fraction of what composing `reaches` does.
    held = permissions_on(user, found) if found is not None else frozenset()
    if found is None or Permission.VIEW not in held:
        raise Http404("No such service.")
    if permission not in held:
        raise Refused(permission, found)
    return found


def access_membership(user: AnyUser, pk: int, permission: Permission = Permission.VIEW) -> Membership:
    """A membership; `permission` must be held on the whole organization."""
    found = _seen(Membership.objects.visible_to(user).select_related("organization", "user"), pk)
    return _allowed(found, permission, Membership.objects.allowing(user, permission))


def access_team(user: AnyUser, pk: int, permission: Permission = Permission.VIEW) -> Team:
    """A team; `permission` must be held on the whole organization."""
    found = _seen(Team.objects.visible_to(user).select_related("organization"), pk)
    return _allowed(found, permission, Team.objects.allowing(user, permission))


def access_owners(user: AnyUser, organization: Organization) -> None:
    """Making or unmaking an owner is for owners: nobody with `manage` alone raises themselves above them."""
    if not Membership.objects.filter(
        organization=organization, user=user.pk, user__is_active=True, role=Role.OWNER
    ).exists():
        raise PermissionDenied("Only an owner of the organization makes or unmakes an owner.")


def access_team_member(user: AnyUser, team: Team, membership_id: int) -> TeamMember:
    """One member's place in a team that `access_team` has given."""
    rows = TeamMember.objects.visible_to(user).filter(team=team).select_related("organization", "team", "membership")
    found = rows.filter(membership=membership_id).first()
    if found is None:
        raise Http404("No such member of the team.")
    return found


def access_grant(user: AnyUser, pk: int, permission: Permission = Permission.VIEW) -> Grant:
    """A grant; `permission` must be held on the whole organization."""
    rows = Grant.objects.visible_to(user)
    found = _seen(rows.select_related("organization", "membership__user", "team", "stack", "service"), pk)
    if permission is not Permission.VIEW:
        _allowed(found.organization, permission, Organization.objects.allowing(user, permission))
    return found


def access_api_token(user: AnyUser, pk: int) -> ApiToken:
    """One of the user's own API tokens."""
    return _seen(ApiToken.objects.visible_to(user), pk)


def preferences_of(user: AnyUser) -> Preferences:
    """How the user wants the terminal; the defaults, unsaved, for one who never said."""
    return Preferences.objects.filter(user=user.pk).first() or Preferences()


def is_member(user: AnyUser, organization: Organization) -> bool:
    """Whether the user belongs to the organization, with or without any permission in it."""
    return Membership.objects.filter(user=user.pk, user__is_active=True, organization=organization).exists()


def permissions_on(user: AnyUser, service: Service) -> frozenset[Permission]:
    """Everything the user may do on the service, now."""
    here = Q(stack=None, service=None) | Q(stack=service.stack_id) | Q(service=service.pk)
    return _permissions(user, service.organization_id, here)


def permissions_in(user: AnyUser, organization: Organization) -> frozenset[Permission]:
    """What the user may do in the whole of the organization, now."""
    return _permissions(user, organization.pk, Q(stack=None, service=None))


def _permissions(user: AnyUser, organization_id: int, here: Q) -> frozenset[Permission]:
    """The rule of `portal.querysets.reaches`, read row by row: two plain queries instead of one that takes longer to
    compose than to run. A test holds the two to each other; whoever changes one changes both."""
    membership = Membership.objects.filter(user=user.pk, user__is_active=True, organization=organization_id).first()
    if membership is None:
        return frozenset()
    held = set(ROLE_PERMISSIONS[Role(membership.role)])
    named = Q(membership=membership) | Q(role=membership.role) | Q(team__members=membership)
    for grant in Grant.objects.active().filter(here, named, organization=organization_id):
        held |= grant.permissions | {Permission.VIEW}
    return frozenset(held)
