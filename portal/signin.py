"""Sign-in: what differs from allauth's defaults, and the record of who came, failed and left."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.request import Request

from audit import actions as audit
from audit.events import Action, Actor
from portal.actions.accounts import record_account_event
from portal.requests import AGENT_LENGTH, actor_of, client_address


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by those who run the installation; nobody signs up by themselves."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": "The user name or the password is not correct."
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # allauth counts for each host name of the portal; a guesser could then start over under another one.
        return str(credentials.get("username", "")).lower()


def record_signed_in(request: HttpRequest | Request, user: User, *, via: str) -> None:
    """The event of a sign-in by password, from a page or the API."""
    actor = Actor(
        id=str(user.pk),
        name=user.get_username(),
        address=client_address(request),
        agent=request.META.get("HTTP_USER_AGENT", "")[:AGENT_LENGTH],
    )
    record_account_event(user=user, action=Action.SIGNED_IN, actor=actor, detail={"via": via})


def record_signed_out(request: HttpRequest, user: User) -> None:
    """The event of a sign-out."""
    record_account_event(user=user, action=Action.SIGNED_OUT, actor=actor_of(request), detail={})


def record_password_changed(request: HttpRequest, user: User) -> None:
    """The event of a password that its owner changed on the page."""
    detail = {"after": {"sign_in": "password changed"}}
    record_account_event(user=user, action=Action.CHANGED, actor=actor_of(request), detail=detail)


def record_failure(request: HttpRequest, username: str) -> None:
    """The event of a failed sign-in. A name that is nobody's is not kept: people type passwords there."""
    known = User.objects.filter(username=username).exists()
    audit.record(
        action=Action.SIGN_IN_FAILED,
        actor=Actor(
            name=username if known else "",
            address=client_address(request),
            agent=request.META.get("HTTP_USER_AGENT", "")[:AGENT_LENGTH],
        ),
        organization=None,
        detail={} if known else {"reason": "no such account"},
    )
