"""What pages say about a session: one sentence for each state and each way it can end."""

from dataclasses import dataclass, replace

from sessions_app.models import Session
from sessions_app.words import TERMINALS, EndReason, Kind, State


@dataclass(frozen=True, slots=True)
class Ending:
    """How an end is told: the heading, and one sentence that says what happened and what to do."""

    title: str
    text: str


ENDINGS: dict[EndReason, Ending] = {
    EndReason.EXITED: Ending("The shell exited", "Its program ended by itself."),
    EndReason.CLOSED_BY_USER: Ending("Session ended", "It was ended on request, with everything it had started."),
    EndReason.DISCONNECTED: Ending(
        "Connection lost for too long",
        "The browser did not come back within the grace period, so the session was ended.",
    ),
    EndReason.IDLE_TIMEOUT: Ending("Ended after no input", "Nothing was typed for as long as this service allows."),
    EndReason.MAX_DURATION: Ending("Time is up", "The session reached the longest duration this service allows."),
    EndReason.DETACH_EXPIRED: Ending(
        "Ended while detached", "Nobody attached again before the detached session's time was over."
    ),
    EndReason.TERMINATED: Ending("Ended by somebody else", "Somebody with the permission to do so ended this session."),
    EndReason.ACCESS_REVOKED: Ending(
        "Access was revoked",
        "The permission for this service is gone. Somebody who manages the organization can grant it.",
    ),
    EndReason.TARGET_GONE: Ending(
        "The container is gone", "It was stopped, restarted or removed while the session ran. Open a new one."
    ),
    EndReason.PROVIDER_ERROR: Ending("The provider failed", "The place where the container runs reported an error."),
    EndReason.RECORDING_FAILED: Ending(
        "The recording could not be written",
        "This service allows no session that is not recorded, so it was ended. Tell whoever runs the portal.",
    ),
    EndReason.OUTPUT_QUOTA: Ending("Too much output", "The session wrote more than one recording may hold."),
    EndReason.HOST_LOST: Ending(
        "The portal restarted", "The process that held this session is gone. What was on the screen is on record."
    ),
    EndReason.NEVER_ATTACHED: Ending("Never used", "No window attached to the session within a minute of its opening."),
}

PIPED_ENDINGS: dict[EndReason, Ending] = ENDINGS | {
    EndReason.EXITED: Ending("The command ended", "It ended by itself."),
    EndReason.DISCONNECTED: Ending(
        "Connection lost for too long",
        "The client did not come back within the grace period, so the command was ended.",
    ),
    EndReason.IDLE_TIMEOUT: Ending(
        "Ended after standing still", "Nothing was read or printed for as long as this service allows."
    ),
    EndReason.NEVER_ATTACHED: Ending("Never used", "No client attached to the session within a minute of its opening."),
}
"""The same for a command without a terminal."""

STATES: dict[State, tuple[str, str]] = {
    State.REQUESTED: ("requested", "blue"),
    State.PROVISIONING: ("starting", "blue"),
    State.ACTIVE: ("active", "green"),
    State.DETACHED: ("detached", "yellow"),
    State.ENDING: ("ending", "orange"),
    State.STOPPED: ("stopped", "secondary"),
    State.FAILED: ("failed", "red"),
}
"""The word and the colour of each state's badge."""


NO_SHELL = " has no shell."
"""From the sentence of `backends.launch` for an image without one: the row has no other mark of it."""


NOT_STARTED = (EndReason.PROVIDER_ERROR, EndReason.TARGET_GONE)
"""Of a session that never became active: what it was to run in could not be had."""


def endings_of(session: Session) -> dict[EndReason, Ending]:
    """How the ends of a session of its kind are told."""
    return ENDINGS if session.kind in TERMINALS else PIPED_ENDINGS


def ending_of(session: Session) -> Ending | None:
    """How a session's end is told, as far as its row knows who or what it was; None where it has no reason yet."""
    if not session.end_reason:
        return None
    reason = EndReason(session.end_reason)
    told = endings_of(session)[reason]
    if reason is EndReason.TERMINATED and session.end_requested_by:
        return replace(told, title=f"Ended by {session.end_requested_by}")
    if reason is EndReason.PROVIDER_ERROR and NO_SHELL in session.end_detail:
        return replace(told, title="No shell in the image")
    if session.kind == Kind.CONSOLE and session.state == State.FAILED and reason in NOT_STARTED:
        return replace(told, title="The console did not start")
    return told
