"""The words of the audit log: who acts, on what, and the closed set of actions. Pure Python.

A new action is added to `Action`, so that one page lists everything the record can hold.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, as a snapshot. Passed as an argument to every action of the house."""

    id: str = ""
    """The user's primary key as text; empty for the portal itself or somebody not signed in."""
    name: str = ""
    address: str = ""
    """The client's address, as far as the portal can know it (PORTHOLE_TRUSTED_PROXIES)."""
    agent: str = ""
    """The client's User-Agent, at most 255 characters."""


PORTAL = Actor(name="portal")
"""The portal itself: reaper, session host, start-up."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What an event is about, as a snapshot that outlives it."""

    type: str
    """Lower-case model name: organization, membership, team, provider, stack, service, grant, user, session, ..."""
    id: str
    name: str = ""


class Action(StrEnum):
    """Every act that leaves an event."""

    SIGNED_IN = "user.signed_in"
    SIGN_IN_FAILED = "user.sign_in_failed"
    SIGNED_OUT = "user.signed_out"
    TOKEN_CREATED = "token.created"  # noqa: S105
    TOKEN_REFUSED = "token.refused"  # noqa: S105
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    CREATED = "object.created"
    CHANGED = "object.changed"
    DELETED = "object.deleted"
    GRANTED = "grant.created"
    GRANT_CHANGED = "grant.changed"
    REVOKED = "grant.revoked"
    PERMISSION_REFUSED = "permission.refused"
    SESSION_REQUESTED = "session.requested"
    SESSION_OPENED = "session.opened"
    SESSION_FAILED = "session.failed"
    SESSION_ATTACHED = "session.attached"
    SESSION_DETACHED = "session.detached"
    SESSION_WATCHED = "session.watched"
    SESSION_RESIZED = "session.resized"
    SESSION_TAKEN_OVER = "session.taken_over"
    SESSION_END_REQUESTED = "session.end_requested"
    SESSION_ENDED = "session.ended"
    SESSION_CLEANED_UP = "session.cleaned_up"
    LIMIT_REFUSED = "session.limit_refused"
    CONSOLE_CREATED = "console.created"
    CONSOLE_REMOVED = "console.removed"
    RECORDING_SEALED = "recording.sealed"
    RECORDING_LOST = "recording.lost"
    RECORDING_VIEWED = "recording.viewed"
    RECORDING_EXPORTED = "recording.exported"
    RECORDING_DELETED = "recording.deleted"
    RECORDING_HELD = "recording.held"
    RECORDING_RELEASED = "recording.released"
    RECORDING_REVIEWED = "recording.reviewed"
    RECORDING_FLAGGED = "recording.flagged"
    RECORDING_UNFLAGGED = "recording.unflagged"
