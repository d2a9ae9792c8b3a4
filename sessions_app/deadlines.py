"""When a session's time is up. Pure: a row and a moment in, a reason out."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sessions_app.words import TERMINALS, Detachment, EndReason, Kind, State

if TYPE_CHECKING:
    from sessions_app.models import Session

_ALONE = {
    Detachment.LOST: (EndReason.DISCONNECTED, "The connection was lost and did not come back."),
    Detachment.ASKED: (EndReason.DETACH_EXPIRED, "It was detached for as long as it may be."),
    Detachment.CLOSED: (EndReason.CLOSED_BY_USER, "Its window was closed, and its user ends closed terminals."),
}


def overdue(session: "Session", now: datetime) -> tuple[EndReason, str] | None:
    """Why the session must end at `now`, and a sentence for its user; None if it may go on."""
    match session.state:
        case State.REQUESTED:
            if now > session.attach_by:
                return EndReason.NEVER_ATTACHED, "Nobody connected to it in time."
            return None
        case State.DETACHED:
            if session.detach_expires_at is not None and now > session.detach_expires_at:
                return _ALONE[Detachment(session.detach_cause or Detachment.LOST)]
        case State.ACTIVE:
            last = session.last_activity_at
            if last is not None and now > last + timedelta(seconds=session.idle_timeout):
                minutes = session.idle_timeout / 60
                what = "typed" if session.kind in TERMINALS else "read or printed"
                return EndReason.IDLE_TIMEOUT, f"Nothing was {what} for {minutes:g} minutes."
    started = session.started_at
    if session.max_duration and started is not None and now > started + timedelta(seconds=session.max_duration):
        if session.kind == Kind.CONSOLE:
            return EndReason.MAX_DURATION, f"The console was opened for {session.console['max_hours']:g} hours."
        return EndReason.MAX_DURATION, f"A session of this service may last {session.max_duration / 60:g} minutes."
    return None
