"""Tells the person at a terminal in time that the session will end: for want of input, or because its time is up."""

from time import monotonic

from sessions_app import protocol
from sessions_app.engine.session import LiveSession
from sessions_app.models import Session

AHEAD = 120.0
"""Seconds before the end at which a session's user is warned; half of the time allowed where that is short."""


class Forewarning:
    """The warnings of one session. Its times run from now on."""

    def __init__(self, row: Session) -> None:
        self._idle_timeout, self._max_duration = row.idle_timeout, row.max_duration
        self._began = monotonic()
        self._told_idle = self._told_duration = False

    def give(self, live: LiveSession) -> None:
        """Warn the controller of what is near, once; of idleness again after each keystroke."""
        if live.controller is None:
            return
        left = self._idle_timeout - (monotonic() - live.last_activity)
        if left > min(AHEAD, self._idle_timeout / 2):
            self._told_idle = False
        elif not self._told_idle:
            self._told_idle = True
            what = "typed" if live.tty else "read or printed"
            detail = f"Nothing was {what} for a while."
            live.controller.tell(protocol.notice("idle_warning", detail, seconds=max(0, round(left))))
        if self._max_duration is None or self._told_duration:
            return
        left = self._max_duration - (monotonic() - self._began)
        if left <= min(AHEAD, self._max_duration / 2):
            self._told_duration = True
            seconds = max(0, round(left))
            detail = f"This session reaches its longest duration and ends in {seconds} seconds. Save your work."
            live.controller.tell(protocol.notice("max_duration_warning", detail, seconds=seconds))
