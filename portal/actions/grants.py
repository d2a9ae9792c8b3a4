"""Grants: who may do what, where, until when."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audit.events import Action, Actor
from portal.actions.nudges import nudge_hosts
from portal.actions.rows import delete_row, only, refuse, save_changes, save_new
from portal.models import Grant, Membership, Organization, Service, Stack, Team
from portal.permissions import Permission, Role


class GrantFields(TypedDict, total=False):
    """What may change of a grant. Whom and where it names never does: revoke it and make another."""

    permissions: Iterable[Permission]
    reason: str
    expires_at: datetime | None


@transaction.atomic
def grant(
    *,
    actor: Actor,
    organization: Organization,
    permissions: Iterable[Permission],
    membership: Membership | None = None,
    team: Team | None = None,
    role: Role | None = None,
    stack: Stack | None = None,
    service: Service | None = None,
    reason: str = "",
    expires_at: datetime | None = None,
) -> Grant:
    """Allow one of a member, a team or a role to do something on a stack, a service or the whole organization."""
    if sum(who is not None for who in (membership, team, role)) != 1:
        raise ValidationError("A grant names exactly one of a member, a team or a role.")
    if stack is not None and service is not None:
        raise refuse("service", "A grant covers a stack or one service, not both.")
    for field, row in {"membership": membership, "team": team, "stack": stack, "service": service}.items():
        if row is not None and row.organization_id != organization.pk:
            raise refuse(field, "This belongs to another organization.")
    new = Grant(
        organization=organization,
        membership=membership,
        team=team,
        role=role or "",
        stack=stack,
        service=service,
        permissions=_some(permissions),
        reason=reason,
        expires_at=_ahead(expires_at),
        created_by=User.objects.filter(pk=actor.id).first() if actor.id else None,
    )
    return save_new(new, actor=actor, action=Action.GRANTED)


@transaction.atomic
def change_grant(*, actor: Actor, grant: Grant, **changes: Unpack[GrantFields]) -> Grant:
    """Change what a grant allows or when it ends. Sessions that it no longer covers end within seconds."""
    only(changes, GrantFields.__annotations__)
    fields: dict[str, Any] = dict(changes)
    if "permissions" in changes:
        fields["permissions"] = _some(changes["permissions"])
    if "expires_at" in changes:
        _ahead(changes["expires_at"])
    changed = save_changes(grant, fields, actor=actor, action=Action.GRANT_CHANGED)
    transaction.on_commit(nudge_hosts)
    return changed


def revoke(*, actor: Actor, grant: Grant) -> None:
    """Take a grant back. Live sessions that nothing else allows end within seconds."""
    delete_row(grant, actor=actor, action=Action.REVOKED)


def _some(permissions: Iterable[Permission]) -> frozenset[Permission]:
    chosen = frozenset(permissions)
    if not chosen:
        raise refuse("permissions", "Choose at least one permission.")
    return chosen


def _ahead(expires_at: datetime | None) -> datetime | None:
    if expires_at is not None and expires_at <= timezone.now():
        raise refuse("expires_at", "Choose a time that is still to come.")
    return expires_at
