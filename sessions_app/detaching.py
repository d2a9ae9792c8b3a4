"""Whether a session can be detached, and for how long it may stay so."""

from dataclasses import dataclass

from django.conf import settings

from portal.templatetags.porthole import span
from sessions_app.models import Session
from sessions_app.words import Detachment, State

CLOSE_GRACE = 30
"""Seconds a closed window's session waits before it ends: no browser can tell a reload from a closed tab."""


@dataclass(frozen=True, slots=True)
class Departure:
    """How a window left its session, and for how many seconds the session waits (None: without end)."""

    cause: Detachment
    ttl: int | None
    wished: bool = False
    """Somebody said so just now: it replaces what was asked for before. A window that goes by itself does not."""


class DetachRefused(Exception):
    """A session may not stay detached for that long. The text names the maximum."""


class NotDetachable(Exception):
    """There is nothing to detach from, or to stay detached."""

    code = "not_detachable"

    def __init__(self, session: Session) -> None:
        begun = session.state not in (State.REQUESTED, State.PROVISIONING)
        super().__init__(
            "The session is over or ending, so it cannot be detached. Open another one."
            if begun
            else "The session has not begun, so there is nothing to detach. Connect to it first."
        )


def detach_ttl(session: Session, asked: int | None) -> int | None:
    """Seconds: what was asked for (0: None, without end), or the default within the service's maximum.

    Raises `DetachRefused` for more than the service allows.
    """
    most = session.detach_ttl_max
    if asked is None:
        return min(settings.PORTHOLE_DETACH_TTL, most)
    if asked == 0 and session.detach_without_end:
        return None
    if 0 < asked <= most:
        return asked
    told = "without end" if asked == 0 else f"for {span(asked)}"
    raise DetachRefused(
        f"A session of this service may not stay detached {told}. "
        f"The most it allows is {span(most)} ({most} seconds): ask for that or less."
    )


def lost(session: Session) -> Departure:
    """The connection broke."""
    return Departure(Detachment.LOST, session.reconnect_grace)


def let_go(session: Session, asked: int | None) -> Departure:
    """Somebody asked for it. Raises `DetachRefused`."""
    return Departure(Detachment.ASKED, detach_ttl(session, asked), wished=True)


def window_closed(session: Session, *, auto_close: bool, typed: bool) -> Departure:
    """Its person closed the window, and this is what that person wants it to mean.

    A shell that nobody typed into (`typed`) has nothing to come back to: it does not keep a place for an hour.
    """
    if not auto_close and (typed or session.command):
        return Departure(Detachment.ASKED, detach_ttl(session, None))
    return Departure(Detachment.CLOSED, min(CLOSE_GRACE, session.reconnect_grace))
