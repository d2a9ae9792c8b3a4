"""Writing a row together with its audit event."""

from collections.abc import Iterable, Mapping
from copy import copy
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ForeignKey, Model

from audit import actions as audit
from audit.events import Action, Actor, Thing
from portal.actions.nudges import nudge_hosts
from portal.models import Organization

M = TypeVar("M", bound=Model)

# Never part of an event: secrets, and what only restates the event itself.
_UNRECORDED = frozenset({"id", "organization", "sealed_credentials", "digest", "password", "created_at", "changed_at"})


def thing(row: Model) -> Thing:
    """The row as the record names it."""
    return Thing(type=str(row._meta.model_name), id=str(row.pk), name=str(row))


def organization_of(row: Model) -> Organization | None:
    """The organization that a row belongs to; None for an account's own things."""
    return row if isinstance(row, Organization) else getattr(row, "organization", None)


@transaction.atomic
def save_new(row: M, *, actor: Actor, action: Action = Action.CREATED) -> M:
    """Check, insert and record. Raises `ValidationError`."""
    row.full_clean()
    row.save(force_insert=True)
    audit.record(
        action=action, actor=actor, organization=organization_of(row), thing=thing(row), detail={"after": snapshot(row)}
    )
    return row


@transaction.atomic
def save_changes(row: M, changes: Mapping[str, Any], *, actor: Actor, action: Action = Action.CHANGED) -> M:
    """Check, update and record what differs; nothing happens where nothing does. Raises `ValidationError`.

    `row` is read again under a lock, so that two changes at once each leave a true "before".
    """
    current = type(row)._base_manager.select_for_update(of=("self",)).get(pk=row.pk)
    before = snapshot(current)
    for name, value in changes.items():
        setattr(current, name, value)
    current.full_clean()
    after = snapshot(current)
    differing = [name for name, value in after.items() if value != before[name]]
    if differing:
        current.save()
        audit.record(
            action=action,
            actor=actor,
            organization=organization_of(current),
            thing=thing(current),
            detail={
                "before": {name: before[name] for name in differing},
                "after": {name: after[name] for name in differing},
            },
        )
    return current


@transaction.atomic
def delete_row(row: Model, *, actor: Actor, action: Action = Action.DELETED) -> None:
    """Delete and record what it was. Access may be gone with it, so the session hosts hear of it."""
    was, detail = thing(row), {"before": snapshot(row)}
    organization = copy(organization_of(row))  # a copy, since what is deleted forgets its key
    row.delete()
    audit.record(action=action, actor=actor, organization=organization, thing=was, detail=detail)
    transaction.on_commit(nudge_hosts)


def snapshot(row: Model) -> dict[str, Any]:
    """The row's values as the record keeps them: keys for what it points at, no secrets."""
    return {
        field.name: _plain(getattr(row, field.attname), field)
        for field in row._meta.concrete_fields
        if field.name not in _UNRECORDED
    }


def _plain(value: Any, field: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    if value is not None and isinstance(field, ForeignKey):
        return str(value)
    return value


def only(changes: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Refuse names that are not among the fields of an action."""
    if unknown := set(changes) - set(allowed):
        raise TypeError(f"unexpected fields: {', '.join(sorted(unknown))}")


def refuse(field: str, sentence: str) -> ValidationError:
    """A `ValidationError` on one field, to raise."""
    return ValidationError({field: sentence})


def user_thing(user: User) -> Thing:
    """An account as the record names it."""
    return Thing(type="user", id=str(user.pk), name=user.get_username())
