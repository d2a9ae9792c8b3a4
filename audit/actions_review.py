"""What people with `audit` decide about a recording: a legal hold, a review, a flag. Writes rows, as `audit.actions`
does: each decision with its event.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.actions import record
from audit.events import Action, Actor
from audit.models import Health, Recording
from audit.recordings import thing_of
from audit.redaction import storable_text

MAX_NOTE = 500
"""Characters of a reason or a note; a longer one is cut."""


class DecisionRefused(Exception):
    """The recording is not in a state for this. The text says what it is, `code` says it to programs."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@transaction.atomic
def hold_recording(*, session_uid: str, actor: Actor, note: str) -> Recording:
    """Put it on legal hold, for the reason in `note`: retention leaves it alone until somebody lifts the hold."""
    recording = _locked(session_uid)
    _refuse_deleted(recording)
    if recording.held_at is not None:
        raise DecisionRefused("recording_held", f"It is on legal hold already: {recording.held_by} set it.")
    recording.held_at, recording.held_by = timezone.now(), storable_text(actor.name, 150)
    recording.hold_reason = storable_text(note, MAX_NOTE)
    fields = ["held_at", "held_by", "hold_reason"]
    return _write(recording, fields, Action.RECORDING_HELD, actor, {"reason": note})


@transaction.atomic
def release_recording(*, session_uid: str, actor: Actor, note: str) -> Recording:
    """Lift the legal hold, for the reason in `note`. What retention held back for it may be deleted at once."""
    recording = _locked(session_uid)
    if recording.held_at is None:
        raise DecisionRefused("recording_not_held", "It is on no legal hold.")
    detail = {"reason": note, "was": {"by": recording.held_by, "at": recording.held_at, "why": recording.hold_reason}}
    recording.held_at, recording.held_by, recording.hold_reason = None, "", ""
    return _write(recording, ["held_at", "held_by", "hold_reason"], Action.RECORDING_RELEASED, actor, detail)


@transaction.atomic
def review_recording(*, session_uid: str, actor: Actor, note: str) -> Recording:
    """Somebody has looked at it. A later review takes the place of an earlier one, whose event stays."""
    recording = _locked(session_uid)
    _refuse_deleted(recording)
    if recording.sealed_at is None and recording.health != Health.LOST:
        raise DecisionRefused("recording_live", "It is still being recorded: review it once the session has ended.")
    recording.reviewed_at, recording.reviewed_by = timezone.now(), storable_text(actor.name, 150)
    recording.review_note = storable_text(note, MAX_NOTE)
    fields = ["reviewed_at", "reviewed_by", "review_note"]
    detail = {"note": note, "own_session": actor.name == recording.user_name}
    return _write(recording, fields, Action.RECORDING_REVIEWED, actor, detail)


@transaction.atomic
def flag_recording(*, session_uid: str, actor: Actor, note: str) -> Recording:
    """Mark it for others to look at, for what `note` says. A later flag takes the place of an earlier one."""
    recording = _locked(session_uid)
    recording.flagged_at, recording.flagged_by = timezone.now(), storable_text(actor.name, 150)
    recording.flag_note = storable_text(note, MAX_NOTE)
    fields = ["flagged_at", "flagged_by", "flag_note"]
    return _write(recording, fields, Action.RECORDING_FLAGGED, actor, {"note": note})


@transaction.atomic
def unflag_recording(*, session_uid: str, actor: Actor, note: str) -> Recording:
    """Take the flag away; `note` may say why."""
    recording = _locked(session_uid)
    if recording.flagged_at is None:
        raise DecisionRefused("recording_not_flagged", "It has no flag.")
    was = {"by": recording.flagged_by, "at": recording.flagged_at, "note": recording.flag_note}
    recording.flagged_at, recording.flagged_by, recording.flag_note = None, "", ""
    fields = ["flagged_at", "flagged_by", "flag_note"]
    return _write(recording, fields, Action.RECORDING_UNFLAGGED, actor, {"note": note, "was": was})


def _locked(session_uid: str) -> Recording:
    """The row, held against retention and other decisions. `Recording.DoesNotExist` if there is none."""
    rows = Recording.objects.select_for_update(of=("self",)).select_related("organization")
    return rows.get(session_uid=session_uid)


def _refuse_deleted(recording: Recording) -> None:
    if recording.health == Health.DELETED:
        raise DecisionRefused("recording_deleted", recording.health_detail)


def _write(recording: Recording, fields: list[str], action: Action, actor: Actor, detail: dict[str, Any]) -> Recording:
    recording.save(update_fields=fields)
    record(
        action=action,
        actor=actor,
        organization=recording.organization,
        thing=thing_of(recording),
        session_uid=recording.session_uid,
        detail=detail,
    )
    return recording
