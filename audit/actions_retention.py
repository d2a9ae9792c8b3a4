"""Deleting recordings that are older than their organization keeps them. Writes rows, as `audit.actions` does."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.actions import forget_transcript, record
from audit.events import PORTAL, Action, Actor
from audit.journal import JournalError, read_seal, remove
from audit.models import Health, Recording
from audit.recordings import folder_of, thing_of


def delete_expired_recording(*, session_uid: str, actor: Actor = PORTAL) -> bool:
    """Mark the recording as deleted by its organization's retention, with its event, then delete its files.

    False, and nothing is done, unless it is sealed, on this machine, older than its organization keeps recordings now,
    and on no legal hold. Idempotent. The mark comes first: what a crash or a disk that refuses leaves of the files is
    not shown any more, and `remove_files` tries again. Raises `JournalError` if the disk refuses.
    """
    with transaction.atomic():
        rows = Recording.objects.select_for_update(of=("self",)).select_related("organization")
        recording = rows.filter(session_uid=session_uid).first()
        if recording is None or not _is_due(recording):
            return False
        _mark(recording, actor)
    remove_files(recording=recording)
    return True


def remove_files(*, recording: Recording) -> None:
    """Delete what is left of the files of a recording that is marked as deleted. Idempotent.

    Raises `JournalError` if the disk refuses, or if the recording is not this machine's.
    """
    if recording.deleted_at is None or not recording.path:
        return
    remove(folder_of(recording))
    Recording.objects.filter(pk=recording.pk, deleted_at__isnull=False).update(path="")
    recording.path = ""


def _is_due(recording: Recording) -> bool:
    until = recording.kept_until
    return until is not None and until < timezone.now()


def _mark(recording: Recording, actor: Actor) -> None:
    now, days = timezone.now(), recording.organization.retention_days
    found = _found(recording)
    detail: dict[str, Any] = {
        "cause": "retention",
        "retention_days": days,
        "sealed_at": recording.sealed_at,
        "health": recording.health,
        "output_bytes": recording.output_bytes,
        "output_sha256": recording.output_sha256,
        "timeline_sha256": recording.timeline_sha256,
        "files": found or "sealed",
    }
    recording.health, recording.deleted_at, recording.retention_days = Health.DELETED, now, days
    recording.health_detail = (
        f"Deleted by retention on {now:%Y-%m-%d}: {recording.organization} keeps recordings for "
        f"{days} {'day' if days == 1 else 'days'}."
    )[:500]
    recording.save(update_fields=["health", "health_detail", "deleted_at", "retention_days"])
    forget_transcript(recording=recording)
    record(
        action=Action.RECORDING_DELETED,
        actor=actor,
        organization=recording.organization,
        thing=thing_of(recording),
        session_uid=recording.session_uid,
        detail=detail,
    )


def _found(recording: Recording) -> str:
    """What was wrong with the files before they were deleted, so that deletion hides no loss; empty if nothing was."""
    try:
        seal = read_seal(folder_of(recording))
    except JournalError as error:
        return str(error)
    if seal is None:
        return "The seal is missing."
    sealed = (recording.output_sha256, recording.timeline_sha256)
    return "" if (seal.output_sha256, seal.timeline_sha256) == sealed else "The seal was changed."
