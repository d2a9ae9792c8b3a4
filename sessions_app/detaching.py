"""How long a session may stay detached."""

from django.conf import settings

from sessions_app.models import Session


class DetachRefused(Exception):
    """A session may not stay detached for that long. The text names the maximum."""


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
