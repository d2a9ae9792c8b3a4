"""What can be decided about a recording, as pages and the API offer it."""

from collections.abc import Callable
from dataclasses import dataclass

from audit import actions_review
from audit.models import Recording


@dataclass(frozen=True, slots=True)
class Decision:
    """One act, its address's last word, and what it says of itself."""

    word: str
    act: Callable[..., Recording]
    needs_note: bool
    """Whether it must be told why."""
    done: str
    """What the page says afterwards."""


DECISIONS = {
    decision.word: decision
    for decision in (
        Decision("review", actions_review.review_recording, False, "The recording is marked as reviewed."),
        Decision("flag", actions_review.flag_recording, True, "The recording is flagged."),
        Decision("unflag", actions_review.unflag_recording, False, "The flag is taken away."),
        Decision("hold", actions_review.hold_recording, True, "The recording is on legal hold."),
        Decision("release", actions_review.release_recording, True, "The legal hold is lifted."),
    )
}
