"""Whether a session can be detached, and for how long it may stay so."""

from django.conf import settings

from sessions_app.models import Session
from sessions_app.words import State


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


def detach_ttl(session: Session, asked: int | None) -> int:
    """Seconds: what was asked for, or the default within the service's maximum. Raises `DetachRefused` above it.

    0 means without end, which no service allows as long as every service has a maximum.
    """
    most = session.detach_ttl_max
    if asked is None:
        return min(settings.PORTHOLE_DETACH_TTL, most)
    if not 0 < asked <= most:
        raise DetachRefused(f"This service allows sessions to stay detached for 1 to {most} seconds.")
    return asked
