"""How the end of a session is told to the person, and to the program that waits for the exit code."""

import sys

from porthole.failures import Exit
from porthole.link import Outcome
from porthole.printing import clean, span

REASONS = {
    "closed_by_user": "it was ended on request",
    "disconnected": "the connection was lost for too long",
    "idle_timeout": "nothing was typed for as long as this service allows",
    "max_duration": "it reached the longest duration this service allows",
    "detach_expired": "nobody attached again before its time was over",
    "terminated": "somebody with the permission to do so ended it",
    "access_revoked": "the permission for this service is gone. Ask whoever manages the organization",
    "target_gone": "its container was stopped, restarted or removed",
    "provider_error": "the place where the container runs reported an error",
    "recording_failed": "its recording could not be written. Tell whoever runs the portal",
    "output_quota": "it wrote more than one recording may hold",
    "host_lost": "the portal restarted. What was on the screen is on record",
    "never_attached": "nobody attached within a minute of its opening",
}


def exit_code_of(outcome: Outcome, uid: str) -> int:
    """Tell the end on stderr where it is not the program's own, and return the code to exit with."""
    if outcome.kind == "detached":
        how_long = f"for {span(int(outcome.detail))}" if outcome.detail.isdecimal() else "without end"
        _tell(f"Detached; it runs on {how_long}. Back: porthole attach {uid}")
        return Exit.OK
    if outcome.kind == "ended" and outcome.reason == "exited" and outcome.exit_code is not None:
        return outcome.exit_code
    if outcome.kind == "ended":
        why = clean(outcome.detail).rstrip(".") or REASONS.get(outcome.reason, clean(outcome.reason) or "it exited")
        _tell(f"The session ended: {why}.")
        return Exit.CUT_OFF
    if outcome.reason == "taken_over":
        _tell(f"Another window of yours took the session. Take it back: porthole attach {uid}")
        return Exit.CUT_OFF
    why = clean(outcome.detail).rstrip(".") or f"the portal closed the connection ({clean(outcome.reason)})"
    _tell(f"{why}. If the session runs on: porthole attach {uid}")
    return Exit.CUT_OFF


def _tell(sentence: str) -> None:
    print(f"porthole: {clean(sentence)}", file=sys.stderr)
