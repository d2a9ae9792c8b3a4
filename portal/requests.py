"""Who asks, and from where: from an HTTP request or the scope of a WebSocket."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from rest_framework.request import Request

from audit.events import Actor
from portal.querysets import AnyUser

AGENT_LENGTH = 255


def actor_of(request: HttpRequest | Request) -> Actor:
    """The request's user, as the record knows them."""
    return _actor(request.user, client_address(request), request.META.get("HTTP_USER_AGENT", ""))


def signed_in(request: HttpRequest) -> User:
    """The user of a page; LoginRequiredMiddleware lets nobody else come so far."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Sign in first.")
    return request.user


def actor_of_scope(scope: Mapping[str, Any], user: AnyUser) -> Actor:
    """The same for a WebSocket, whose user the ticket or the login has named."""
    return _actor(user, client_address(scope), _header(scope, b"user-agent"))


def client_address(source: HttpRequest | Request | Mapping[str, Any]) -> str:
    """The client's address: the one that connects, or the one that the last trusted proxy says it spoke to.

    With PORTHOLE_TRUSTED_PROXIES at N it is the Nth entry of X-Forwarded-For from the right: what stands further left
    came from the client and may be invented.
    """
    if isinstance(source, Mapping):
        peer = (source.get("client") or ("",))[0]
        forwarded = _header(source, b"x-forwarded-for")
    else:
        peer = source.META.get("REMOTE_ADDR", "")
        forwarded = source.META.get("HTTP_X_FORWARDED_FOR", "")
    trusted = settings.PORTHOLE_TRUSTED_PROXIES
    hops = [hop.strip() for hop in forwarded.split(",")]
    if trusted and len(hops) >= trusted and (address := _address(hops[-trusted])):
        return address
    return _address(peer) or ""


def _actor(user: AnyUser, address: str, agent: str) -> Actor:
    if not user.is_authenticated:
        return Actor(address=address, agent=agent[:AGENT_LENGTH])
    return Actor(id=str(user.pk), name=user.get_username(), address=address, agent=agent[:AGENT_LENGTH])


def _header(scope: Mapping[str, Any], name: bytes) -> str:
    return ",".join(value.decode("latin-1") for key, value in scope.get("headers", ()) if key.lower() == name)


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
