"""Connection tickets: signed, single-use, valid for a minute, bound to one session and one user.

A ticket travels in the WebSocket's subprotocol list, never in a URL. This file signs and reads them; that each is used
once is the database's business (`actions.redeem_ticket`).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

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
    address: str = ""
    """The client's address and agent, where another web process of the portal relays the connection."""
    agent: str = ""


def _key() -> bytes:
    return salted_hmac("porthole.tickets", "signature", algorithm="sha256").digest()


def issue(*, session_uid: str, user_id: int, address: str = "", agent: str = "") -> str:
    """A fresh ticket for one user's one connection to one session."""
    now = datetime.now(UTC)
    claims = {
        "aud": AUDIENCE,
        "exp": now + timedelta(seconds=settings.PORTHOLE_TICKET_LIFETIME),
        "iat": now,
        "nbf": now,
        "jti": secrets.token_urlsafe(16),
        "session": session_uid,
        "sub": str(user_id),
    }
    if address or agent:
        claims |= {"address": address, "agent": agent}
    return jwt.encode(claims, _key(), ALGORITHM)


def read(token: str, *, session_uid: str) -> Ticket:
    """Check signature, times, audience and session. Raises `TicketError`."""
    try:
        if "kid" in jwt.get_unverified_header(token):
            raise TicketError("names a key")
        claims = jwt.decode(token, _key(), [ALGORITHM], audience=AUDIENCE, options={"require": REQUIRED})
        ticket = Ticket(
            jti=str(claims["jti"]),
            session_uid=str(claims["session"]),
            user_id=int(claims["sub"]),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            address=str(claims.get("address", "")),
            agent=str(claims.get("agent", "")),
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError) as error:
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
