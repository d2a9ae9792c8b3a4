"""Connection tickets: signed, single-use, valid for a minute, bound to one session and one user.

A ticket travels in the WebSocket's subprotocol list, never in a URL. This file signs and reads them; that each is used
once is the database's business (`actions.redeem_ticket`).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from audit.events import Actor
from sessions_app.protocol import SUBPROTOCOL, TICKET_PREFIX

ALGORITHM = "HS256"
AUDIENCE = "porthole.websocket"
REQUIRED = ["aud", "exp", "iat", "jti", "nbf", "session", "sub"]


class TicketError(Exception):
    """The ticket is not valid. The text says how, for a log; the client is told no more than that it is not."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a valid ticket says."""

    jti: str
    session_uid: str
    user_id: int
    expires_at: datetime
    token_id: int | None = None
    """The API token with which it was asked for, if it was one."""
    relayed: bool = False
    """Another web process of the portal passes the connection on; then these are the client's address and agent."""
    address: str = ""
    agent: str = ""


def _key() -> bytes:
    return salted_hmac("porthole.tickets", "signature", algorithm="sha256").digest()


def issue(*, session_uid: str, user_id: int, token_id: int | None = None, relayed_for: Actor | None = None) -> str:
    """A fresh ticket for one user's one connection to one session, or for its relay to another process."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "aud": AUDIENCE,
        "exp": now + timedelta(seconds=settings.PORTHOLE_TICKET_LIFETIME),
        "iat": now,
        "nbf": now,
        "jti": secrets.token_urlsafe(16),
        "session": session_uid,
        "sub": str(user_id),
    }
    if token_id is not None:
        claims["token"] = token_id
    if relayed_for is not None:
        claims["relayed"] = {"address": relayed_for.address, "agent": relayed_for.agent}
    return jwt.encode(claims, _key(), ALGORITHM)


def read(token: str, *, session_uid: str) -> Ticket:
    """Check signature, times, audience and session. Raises `TicketError`."""
    try:
        if "kid" in jwt.get_unverified_header(token):
            raise TicketError("names a key")
        claims = jwt.decode(token, _key(), [ALGORITHM], audience=AUDIENCE, options={"require": REQUIRED})
        relayed = claims.get("relayed")
        token_id = claims.get("token")
        ticket = Ticket(
            jti=str(claims["jti"]),
            session_uid=str(claims["session"]),
            user_id=int(claims["sub"]),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            token_id=None if token_id is None else int(token_id),
            relayed=relayed is not None,
            address=str((relayed or {}).get("address", "")),
            agent=str((relayed or {}).get("agent", "")),
        )
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise TicketError(str(error)) from error
    if ticket.session_uid != session_uid:
        raise TicketError("is for another session")
    return ticket


def from_subprotocols(offered: Sequence[str]) -> str:
    """The ticket among a WebSocket's offered subprotocols. Raises `TicketError`."""
    if SUBPROTOCOL not in offered:
        raise TicketError(f"the client does not speak {SUBPROTOCOL}")
    tokens = [word.removeprefix(TICKET_PREFIX) for word in offered if word.startswith(TICKET_PREFIX)]
    if len(tokens) != 1:
        raise TicketError("there must be exactly one")
    return tokens[0]
