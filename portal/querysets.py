"""What a user may see and do, as SQL.

`reaches` says who holds a permission where. Every list and the check that cuts live sessions filter by it, so that they
cannot disagree. There is one other place on purpose: `portal.access.permissions_on` and `permissions_in` read the same
rule row by row, which is cheaper on the way to every shell. `tests/portal/test_permissions_agree.py` holds the two to
each other; whoever changes one changes both.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self, TypeAlias

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from portal.permissions import Permission, roles_with

if TYPE_CHECKING:
    # ruff misses the use in a base class's subscript
    from portal.models import (  # noqa: F401
        ApiToken,
        Grant,
        Membership,
        Organization,
        Provider,
        Service,
        Stack,
        Team,
        TeamMember,
    )

AnyUser: TypeAlias = AbstractBaseUser | AnonymousUser


def reaches(
    permission: Permission,
    *,
    user: int | str | None,
    organization: str = "organization",
    stack: str | None = None,
    service: str | None = None,
    within_stack: bool = False,
) -> Exists:
    """The condition that `user` holds `permission` here, now: for `filter()` and `annotate()`.

    `user` is a primary key, or the name of a column of the outer query; the others are always such names. A session,
    say: `reaches(SHELL, user="user", stack="service__stack", service="service")`. Without `stack` and `service` only
    what is held on the whole organization counts. `within_stack` also counts grants on single services of the stack.

    It asks for an active user who is a member, and either a role that implies the permission or a grant that has not
    expired and names the member, one of the member's teams or the member's role. Any grant implies `view`.
    """
    from portal.models import Grant, Membership

    def outermost(column: str) -> OuterRef:
        return OuterRef(OuterRef(column))

    where = Q(stack=None, service=None)
    if stack is not None:
        where |= Q(stack=outermost(stack))
        if within_stack:
            where |= Q(service__stack=outermost(stack))
    if service is not None:
        where |= Q(service=outermost(service))
    who = Q(membership=OuterRef("pk")) | Q(role=OuterRef("role")) | Q(team__members=OuterRef("pk"))
    grants = Grant.objects.active().allowing(permission).filter(where, who, organization=OuterRef("organization"))
    return Exists(
        Membership.objects.filter(
            Q(role__in=roles_with(permission)) | Exists(grants),
            user=OuterRef(user) if isinstance(user, str) else user,
            user__is_active=True,
            organization=OuterRef(organization),
        )
    )


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def visible_to(self, user: AnyUser) -> Self:
        """The organizations the user is a member of."""
        from portal.models import Membership

        return self.filter(
            Exists(Membership.objects.filter(organization=OuterRef("pk"), user=user.pk, user__is_active=True))
        )

    def allowing(self, user: AnyUser, permission: Permission) -> Self:
        """Those in the whole of which the user holds the permission."""
        return self.filter(reaches(permission, user=user.pk, organization="pk"))

    def retention_policies(self) -> list[int]:
        """The numbers of days after which organizations delete recordings, each once."""
        kept = self.filter(retention_days__isnull=False).order_by("retention_days")
        return [days for days in kept.values_list("retention_days", flat=True).distinct() if days is not None]


class StackQuerySet(models.QuerySet["Stack"]):
    def visible_to(self, user: AnyUser) -> Self:
        """The stacks that the user may view, or one service of which the user may."""
        return self.filter(reaches(Permission.VIEW, user=user.pk, stack="pk", within_stack=True))

    def allowing(self, user: AnyUser, permission: Permission) -> Self:
        """Those in the whole of which the user holds the permission."""
        return self.filter(reaches(permission, user=user.pk, stack="pk"))


class ServiceQuerySet(models.QuerySet["Service"]):
    def visible_to(self, user: AnyUser) -> Self:
        """The services that the user may view."""
        return self.allowing(user, Permission.VIEW)

    def allowing(self, user: AnyUser, permission: Permission) -> Self:
        """The services on which the user holds the permission."""
        return self.filter(reaches(permission, user=user.pk, stack="stack", service="pk"))

    def with_permissions(self, user: AnyUser, *permissions: Permission) -> Self:
        """Adds `may_shell`, `may_console`, … to each row: what a list needs to show its buttons in one query."""
        return self.annotate(
            **{
                f"may_{permission}": reaches(permission, user=user.pk, stack="stack", service="pk")
                for permission in permissions
            }
        )

    def of_stacks(self, stacks: "Iterable[Stack]") -> Self:
        """The services of these stacks."""
        return self.filter(stack__in=list(stacks))

    def named(self, text: str) -> Self:
        """Those whose own name, slug or stack has every word of the text in it."""
        found = self
        for word in text.split():
            found = found.filter(Q(name__icontains=word) | Q(slug__icontains=word) | Q(stack__name__icontains=word))
        return found


class ProviderQuerySet(models.QuerySet["Provider"]):
    def visible_to(self, user: AnyUser) -> Self:
        """The providers of the stacks that the user sees, and all of an organization the user may view.

        Seeing one means its name and kind: what else it holds is for those with `manage`.
        """
        from portal.models import Stack

        return self.filter(
            reaches(Permission.VIEW, user=user.pk)
            | Exists(Stack.objects.visible_to(user).filter(provider=OuterRef("pk")))
        )

    def allowing(self, user: AnyUser, permission: Permission) -> Self:
        """Those in the organization of which the user holds the permission."""
        return self.filter(reaches(permission, user=user.pk))

    def with_permissions(self, user: AnyUser, *permissions: Permission) -> Self:
        """Adds `may_manage`, … to each row."""
        return self.annotate(**{f"may_{permission}": reaches(permission, user=user.pk) for permission in permissions})


def _manages_or_audits(user: AnyUser) -> Q:
    return Q(reaches(Permission.MANAGE, user=user.pk)) | Q(reaches(Permission.AUDIT, user=user.pk))


class MembershipQuerySet(models.QuerySet["Membership"]):
    def visible_to(self, user: AnyUser) -> Self:
        """The user's own, and all of an organization that the user manages or audits."""
        return self.filter(Q(user=user.pk, user__is_active=True) | _manages_or_audits(user))

    def allowing(self, user: AnyUser, permission: Permission) -> Self:
        """Those in the organization of which the user holds the permission."""
        return self.filter(reaches(permission, user=user.pk))


class TeamQuerySet(models.QuerySet["Team"]):
    def visible_to(self, user: AnyUser) -> Self:
        """The user's own teams, and all of an organization that the user manages or audits."""
        from portal.models import TeamMember

        own = TeamMember.objects.filter(team=OuterRef("pk"), membership__user=user.pk, membership__user__is_active=True)
        return self.filter(Exists(own) | _manages_or_audits(user))

    def allowing(self, user: AnyUser, permission: Permission) -> Self:
        """Those in the organization of which the user holds the permission."""
        return self.filter(reaches(permission, user=user.pk))


class TeamMemberQuerySet(models.QuerySet["TeamMember"]):
    def visible_to(self, user: AnyUser) -> Self:
        """The members of the teams that the user sees."""
        from portal.models import Team

        return self.filter(Exists(Team.objects.visible_to(user).filter(pk=OuterRef("team"))))


class GrantQuerySet(models.QuerySet["Grant"]):
    def active(self) -> Self:
        """Those that have not expired, by the database's clock."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))

    def allowing(self, permission: Permission) -> Self:
        """Those that hold the permission; every grant holds `view`."""
        if permission is Permission.VIEW:
            return self.all()
        return self.filter(permissions__contains=f",{permission},")

    def visible_to(self, user: AnyUser) -> Self:
        """The user's own, and all of an organization that the user manages or audits."""
        from portal.models import Membership

        own = Membership.objects.filter(
            Q(pk=OuterRef("membership")) | Q(role=OuterRef("role")) | Q(teams=OuterRef("team")),
            organization=OuterRef("organization"),
            user=user.pk,
            user__is_active=True,
        )
        return self.filter(Exists(own) | _manages_or_audits(user))


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def visible_to(self, user: AnyUser) -> Self:
        """The user's own."""
        return self.filter(user=user.pk, user__is_active=True)

    def usable(self) -> Self:
        """Neither revoked nor expired, and of an active user."""
        return self.filter(revoked_at=None, expires_at__gt=Now(), user__is_active=True)
