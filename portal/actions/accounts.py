"""Accounts, their API tokens and preferences."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.utils import timezone

from audit import actions as audit
from audit.events import Action, Actor, Thing
from portal.actions.nudges import nudge_hosts
from portal.actions.rows import only, refuse, save_changes, thing, user_thing
from portal.models import ApiToken, Membership, Organization, Preferences
from portal.permissions import Permission

TOKEN_PREFIX = "pht_"  # noqa: S105 - the mark by which secret scanners know one
TOKEN_BYTES = 32
SHOWN_CHARACTERS = 10
MAX_TOKEN_LIFETIME = timedelta(days=366)
TOUCH_EVERY = timedelta(minutes=1)


@transaction.atomic
def create_user(
    *,
    actor: Actor,
    username: str,
    password: str,
    email: str = "",
    is_staff: bool = False,
    operator: bool = False,
) -> User:
    """A new account. It sees nothing until an organization makes it a member.

    `operator` is true where whoever runs the installation chose the password: it may be a weak one then.
    """
    user = User(username=username, email=email, is_staff=is_staff)
    if not operator:
        validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save(force_insert=True)
    detail = {"after": {"username": username, "is_staff": is_staff}}
    record_account_event(user=user, action=Action.CREATED, actor=actor, detail=detail)
    return user


class UserFields(TypedDict, total=False):
    """What may change of an account here; its password and whether it is active have actions of their own."""

    username: str
    email: str
    first_name: str
    last_name: str
    is_staff: bool
    is_superuser: bool


@transaction.atomic
def change_user(*, actor: Actor, user: User, **changes: Unpack[UserFields]) -> User:
    """Change an account's names or what the Django admin lets it do."""
    only(changes, UserFields.__annotations__)
    current = User.objects.select_for_update().get(pk=user.pk)
    before = {name: getattr(current, name) for name in changes if getattr(current, name) != changes[name]}  # type: ignore[literal-required]
    for name, value in changes.items():
        setattr(current, name, value)
    current.full_clean()
    if before:
        current.save()
        detail = {"before": before, "after": {name: getattr(current, name) for name in before}}
        record_account_event(user=current, action=Action.CHANGED, actor=actor, detail=detail)
    return current


@transaction.atomic
def set_password(*, actor: Actor, user: User, password: str, operator: bool = False) -> None:
    """Give an account another password. Its pages' logins and API logins end with the old one.

    `operator` as in `create_user`.
    """
    if not operator:
        validate_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    detail = {"after": {"sign_in": "password changed"}}
    record_account_event(user=user, action=Action.CHANGED, actor=actor, detail=detail)


def deactivate_user(*, actor: Actor, user: User) -> None:
    """Shut an account out everywhere: logins and tokens are refused from now on, live sessions end within seconds."""
    _set_active(user, actor=actor, active=False)


def reactivate_user(*, actor: Actor, user: User) -> None:
    """Let an account in again."""
    _set_active(user, actor=actor, active=True)


@transaction.atomic
def _set_active(user: User, *, actor: Actor, active: bool) -> None:
    if User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
        detail = {"before": {"is_active": not active}, "after": {"is_active": active}}
        record_account_event(user=user, action=Action.CHANGED, actor=actor, detail=detail)
    user.is_active = active
    transaction.on_commit(nudge_hosts)


def record_account_event(
    *, user: User, action: Action, actor: Actor, detail: dict[str, Any], about: Thing | None = None
) -> None:
    """One event in each organization of the user, whose auditors see only their own; one without, if there is none."""
    memberships = Membership.objects.filter(user=user).select_related("organization").order_by("organization_id")
    organizations: list[Organization | None] = [membership.organization for membership in memberships]
    for organization in organizations or [None]:
        audit.record(
            action=action, actor=actor, organization=organization, thing=about or user_thing(user), detail=detail
        )


def digest_of(secret: str) -> str:
    """What is kept of a token. It holds 256 random bits, so a plain hash is as good as a slow one."""
    return hashlib.sha256(secret.encode()).hexdigest()


@transaction.atomic
def create_api_token(
    *,
    actor: Actor,
    user: User,
    name: str,
    scopes: Iterable[Permission],
    expires_at: datetime,
    confirmed_from: str = "",
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown this once. `scopes` narrow what the user's own permissions allow.
    `confirmed_from` is where a person allowed it whom a program asked, which is the actor's address then."""
    chosen = frozenset(scopes)
    if not chosen:
        raise refuse("scopes", "Choose at least one scope.")
    now = timezone.now()
    if not now < expires_at <= now + MAX_TOKEN_LIFETIME:
        raise refuse("expires_at", f"A token ends in the future, at most {MAX_TOKEN_LIFETIME.days} days from now.")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    token = ApiToken(
        user=user,
        name=name,
        prefix=secret[:SHOWN_CHARACTERS],
        digest=digest_of(secret),
        scopes=chosen,
        expires_at=expires_at,
    )
    token.full_clean()
    token.save(force_insert=True)
    detail: dict[str, Any] = {"after": {"scopes": sorted(chosen), "expires_at": expires_at}}
    if confirmed_from:
        detail["confirmed_from"] = confirmed_from
    record_account_event(user=user, action=Action.TOKEN_CREATED, actor=actor, detail=detail, about=thing(token))
    return token, secret


@transaction.atomic
def refuse_program(*, actor: Actor, user: User, name: str, address: str) -> None:
    """Put on record that a person refused to sign a program in: it may have been a trap."""
    detail = {"program": name, "asked_from": address}
    record_account_event(user=user, action=Action.TOKEN_REFUSED, actor=actor, detail=detail)


@transaction.atomic
def revoke_api_token(*, actor: Actor, token: ApiToken) -> None:
    """End a token now, and the live sessions that were opened with it."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record_account_event(user=token.user, action=Action.TOKEN_REVOKED, actor=actor, detail={}, about=thing(token))
    transaction.on_commit(nudge_hosts)


def touch_api_token(*, token: ApiToken) -> None:
    """Note that a token was used; at most one write a minute, and no event: it is not a change."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - TOUCH_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


class PreferenceFields(TypedDict, total=False):
    """What a user may want of the terminal."""

    scrollback: int
    font_size: int
    auto_close: bool
    detach_keys: bool


@transaction.atomic
def change_preferences(*, actor: Actor, user: User, **changes: Unpack[PreferenceFields]) -> Preferences:
    """How the user wants the terminal."""
    only(changes, PreferenceFields.__annotations__)
    preferences, _ = Preferences.objects.get_or_create(user=user)
    return save_changes(preferences, changes, actor=actor)
