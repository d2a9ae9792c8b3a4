"""Checks sealed recordings: their files against the hashes that the chained event of their sealing holds.

A recording that retention deleted is right without files, if the chained event of its deletion says so.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from django.db.models import Exists, OuterRef

from audit.events import Action
from audit.journal import JournalError, read_hashes, read_seal
from audit.models import Event, Recording
from audit.recordings import folder_of, node_id
from audit.verification.chains import ChainName
from audit.verification.findings import Finding, Progress, Result

BATCH = 200
"""Recordings in memory at a time; of their files, one block."""


def check_recordings(chains: Iterable[ChainName], progress: Progress) -> Result:
    """Look at every recording that was sealed. Each that is wrong is named."""
    checked = 0
    findings: list[Finding] = []
    for chain in chains:
        for event, recording, deleted in _sealed(chain.organization):
            if finding := _finding(event, recording, deleted):
                findings.append(finding)
            checked += 1
            progress(checked)
        findings += _without_event(chain.organization)
    return Result(checked, tuple(findings))


def _sealed(organization: int | None) -> Iterator[tuple[Event, Recording | None, Event | None]]:
    """The events of sealing, the recording of each as far as it is still there, and the event of its deletion."""
    events = Event.objects.of_chain(organization).filter(action=Action.RECORDING_SEALED)
    position = 0
    while some := list(events.filter(sequence__gt=position)[:BATCH]):
        uids = [event.session_uid for event in some]
        rows = Recording.objects.in_bulk(uids, field_name="session_uid")
        later = Event.objects.of_chain(organization).filter(action=Action.RECORDING_DELETED, session_uid__in=uids)
        deleted = {event.session_uid: event for event in later}
        for event in some:
            yield event, rows.get(event.session_uid), deleted.get(event.session_uid)
        position = some[-1].sequence


def _without_event(organization: int | None) -> Iterator[Finding]:
    events = Event.objects.filter(
        organization=organization, action=Action.RECORDING_SEALED, session_uid=OuterRef("session_uid")
    )
    rows = Recording.objects.filter(~Exists(events), organization=organization, sealed_at__isnull=False)
    for uid in rows.order_by("pk").values_list("session_uid", flat=True).iterator(BATCH):
        yield Finding(f"The recording of {uid} is sealed, and no event says so: its row was changed or put in.")


def _finding(event: Event, recording: Recording | None, deleted: Event | None) -> Finding | None:
    uid = event.session_uid
    if recording is None:
        return Finding(f"The recording of {uid} is gone from the database: event {event.sequence} says it was sealed.")
    sealed = (event.detail.get("output_sha256"), event.detail.get("timeline_sha256"))
    if (recording.output_sha256, recording.timeline_sha256) != sealed:
        return Finding(f"The database's row of the recording of {uid} has other hashes than event {event.sequence}.")
    if recording.deleted_at is not None or deleted is not None:
        return _deletion(recording, event, deleted)
    if recording.node != node_id():
        return Finding(f"The recording of {uid} is on another machine ({recording.node}).", wrong=False)
    try:
        return _files(uid, folder_of(recording), sealed)
    except JournalError as error:
        return Finding(f"The recording of {uid}: {error}")


def _deletion(recording: Recording, sealed: Event, deleted: Event | None) -> Finding | None:
    uid = recording.session_uid
    if deleted is None:
        return Finding(f"The recording of {uid} is marked as deleted, and no event says so: its row was changed.")
    if recording.deleted_at is None:
        return Finding(f"Event {deleted.sequence} says that the recording of {uid} was deleted, and its row does not.")
    days = deleted.detail.get("retention_days")
    if not isinstance(days, int) or deleted.at < sealed.at + timedelta(days=days):
        return Finding(f"The recording of {uid} was deleted before its time: see event {deleted.sequence}.")
    if recording.path:
        text = f"The recording of {uid} is deleted, and what is left of its files is still to be removed."
        return Finding(text, wrong=False)
    return None


def _files(uid: str, folder: Path, sealed: tuple[str | None, str | None]) -> Finding | None:
    seal = read_seal(folder)
    if seal is None:
        return Finding(f"The recording of {uid} has lost its seal.")
    if (seal.output_sha256, seal.timeline_sha256) != sealed:
        return Finding(f"The seal of the recording of {uid} was changed.")
    for name, stands, was in zip(("output", "timeline"), read_hashes(folder), sealed, strict=True):
        if stands != was:
            return Finding(f"The {name} of the recording of {uid} was changed after it was sealed ({folder / name}).")
    return None
