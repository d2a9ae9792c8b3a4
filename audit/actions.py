"""The sole writer of the record's rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from audit import heads
from audit.chain import link
from audit.events import PORTAL, Action, Actor, Thing
from audit.journal import JournalMissingError, Seal, seal
from audit.models import Chain, ChainHead, Event, Health, Recording, TranscriptIndex, TranscriptLine
from audit.recordings import folder_of, journal_folder, journal_root, node_id, thing_of
from audit.redaction import storable_detail, storable_text
from audit.rendering import Line

if TYPE_CHECKING:
    from portal.models import Organization


class BrokenChainError(Exception):
    """A chain does not hold what its row or its last signed head says."""

    def __init__(self, chain: Chain, sequence: int) -> None:
        super().__init__(f"Event {sequence} of the {chain} is missing or was replaced: run manage.py verify_audit.")


def record(
    *,
    action: Action,
    actor: Actor,
    organization: "Organization | None",
    thing: Thing | None = None,
    session_uid: str = "",
    detail: dict[str, Any] | None = None,
) -> Event:
    """Append one event. Call it in the transaction of the change it describes, so that both stand or neither.

    Call it last, after every other write and lock: it locks the organization's chain until the transaction ends, and
    who went on to another row from there could wait for somebody who waits for the chain. Where one change leaves
    events in several organizations, they go by the organizations' keys in rising order.

    Texts that are longer than their column are cut. In `detail`, values under names such as `password` or `token` are
    replaced at any depth: the log holds no secrets, whatever the caller passes.
    """
    about = thing or Thing(type="", id="")
    columns = {
        "organization_name": storable_text(organization.name if organization else "", 120),
        "action": action.value,
        "actor_id": storable_text(actor.id, 64),
        "actor_name": storable_text(actor.name, 150),
        "target_type": storable_text(about.type, 32),
        "target_id": storable_text(about.id, 64),
        "target_name": storable_text(about.name, 255),
        "session_uid": storable_text(session_uid, 32),
        "client_address": storable_text(actor.address, 64),
        "client_agent": storable_text(actor.agent, 255),
        "detail": storable_detail(detail or {}),
    }
    return _append(organization.pk if organization else None, columns)


def _append(organization: int | None, columns: dict[str, Any]) -> Event:
    """Insert the event at the end of its chain: two statements beside the insert."""
    # Without a savepoint: the event and the change it describes stand or fall together.
    with transaction.atomic(savepoint=False):
        chain = _locked_chain(organization)
        # The time is taken under the lock, so that it runs with the sequence.
        columns["at"] = timezone.now()
        sequence = chain.length + 1
        hash_ = link(organization, sequence, chain.head, columns)
        event = Event.objects.create(
            organization_id=organization, sequence=sequence, previous_hash=chain.head, hash=hash_, **columns
        )
        Chain.objects.filter(pk=chain.pk).update(length=sequence, head=hash_)
    return event


def _locked_chain(organization: int | None) -> Chain:
    chain = Chain.objects.select_for_update().filter(organization=organization).order_by().first()
    if chain is None:
        # The chain's first event. Whoever comes at the same time waits here, and then for the row.
        Chain.objects.bulk_create([Chain(organization_id=organization)], ignore_conflicts=True)
        chain = Chain.objects.select_for_update().order_by().get(organization=organization)
    return chain


def sign_head(*, chain: Chain) -> ChainHead | None:
    """Sign where a chain stands now; None if that is signed already or nothing is there to sign. Idempotent.

    Raises `BrokenChainError` and signs nothing if the chain's end is not what its row says, or what was signed last is
    no longer in it. Raises `ImproperlyConfigured` if the portal has no usable key.
    """
    last = ChainHead.objects.of_chain(chain.organization_id).last()
    if last is not None:
        _check_holds(chain, last.sequence, last.hash)
    if chain.length == (last.sequence if last else 0):
        return None
    _check_holds(chain, chain.length, chain.head)
    now = timezone.now()
    signed = heads.sign_head(chain.organization_id, chain.length, chain.head, now)
    fields = {"hash": chain.head, "signed_at": now, "public_key": signed.public_key, "signature": signed.signature}
    head, _ = ChainHead.objects.of_chain(chain.organization_id).get_or_create(
        sequence=chain.length, defaults=fields | {"organization_id": chain.organization_id}
    )
    return head


def _check_holds(chain: Chain, sequence: int, hash_: str) -> None:
    if not Event.objects.of_chain(chain.organization_id).filter(sequence=sequence, hash=hash_).exists():
        raise BrokenChainError(chain, sequence)


def open_recording(
    *, session_uid: str, organization: "Organization", title: str, user_name: str, service_name: str
) -> Recording:
    """The row of a recording that begins now on this machine. Idempotent: a session has one recording.

    It leaves no event of its own: the session's does. ValueError if `session_uid` is none.
    """
    root = journal_root()
    recording, _ = Recording.objects.get_or_create(
        session_uid=session_uid,
        defaults={
            "organization": organization,
            "node": node_id(),
            "path": str(journal_folder(root, session_uid).relative_to(root)),
            "title": storable_text(title, 255),
            "user_name": storable_text(user_name, 150),
            "service_name": storable_text(service_name, 255),
            "started_at": timezone.now(),
        },
    )
    return recording


def note_unrecorded(*, session_uid: str, length: int) -> None:
    """The session's last `length` bytes of output are not on record, and its disk took not even the note of a gap."""
    Recording.objects.filter(session_uid=session_uid, sealed_at__isnull=True).update(gap_bytes=length)


def seal_recording(*, session_uid: str, actor: Actor = PORTAL) -> Recording:
    """Close the session's journal for good and write down what it holds. Blocks while it hashes the files.

    Idempotent, and safe when two processes try: one row is written and one event. Raises `JournalBusyError` while the
    journal is still written or another process seals it, and `JournalError` if the disk refuses: try again later. A
    journal that is not there makes the recording lost. Recording.DoesNotExist if there is none of this session.
    """
    recording = Recording.objects.select_related("organization").get(session_uid=session_uid)
    if recording.sealed_at is not None or recording.health == Health.LOST:
        return recording
    try:
        sealed = seal(folder_of(recording))
    except JournalMissingError as error:
        return mark_lost(session_uid=session_uid, detail=str(error), actor=actor)
    return _note_seal(recording, sealed, actor)


def mark_lost(*, session_uid: str, detail: str, actor: Actor = PORTAL) -> Recording:
    """The journal cannot be had any more; `detail` says why. Idempotent; a sealed recording stays sealed."""
    recording = Recording.objects.select_related("organization").get(session_uid=session_uid)
    _finish(
        recording,
        actor,
        Action.RECORDING_LOST,
        {"reason": detail},
        health=Health.LOST,
        health_detail=storable_text(detail, 500),
    )
    return recording


def _note_seal(recording: Recording, sealed: Seal, actor: Actor) -> Recording:
    gap_bytes = sealed.gap_bytes + recording.gap_bytes
    gaps = f"{gap_bytes} bytes of output are not on record." if gap_bytes else ""
    repaired = "Repaired after its portal process stopped unexpectedly." if sealed.recovered else ""
    health = Health.GAP if gap_bytes else Health.COMPLETE
    detail = {
        "health": health.value,
        "output_bytes": sealed.output_bytes,
        "output_sha256": sealed.output_sha256,
        "timeline_sha256": sealed.timeline_sha256,
        "duration": sealed.duration,
        "gap_bytes": gap_bytes,
        "recovered": sealed.recovered,
    }
    _finish(
        recording,
        actor,
        Action.RECORDING_SEALED,
        detail,
        health=health,
        health_detail=f"{gaps} {repaired}".strip(),
        sealed_at=timezone.now(),
        duration=sealed.duration,
        output_bytes=sealed.output_bytes,
        gap_bytes=gap_bytes,
        output_sha256=sealed.output_sha256,
        timeline_sha256=sealed.timeline_sha256,
    )
    return recording


def _finish(recording: Recording, actor: Actor, action: Action, detail: dict[str, Any], **fields: Any) -> None:
    """Write how the recording ended, unless another process did: then nothing changes and no event is left."""
    with transaction.atomic():
        unfinished = Recording.objects.filter(pk=recording.pk, sealed_at__isnull=True).exclude(health=Health.LOST)
        if unfinished.update(**fields):
            record(
                action=action,
                actor=actor,
                organization=recording.organization,
                thing=thing_of(recording),
                session_uid=recording.session_uid,
                detail=detail,
            )
    recording.refresh_from_db()


def forget_transcript(*, recording: Recording) -> None:
    """Take a recording's lines out of the index of search, for good: its files are deleted."""
    TranscriptLine.objects.filter(recording=recording).delete()
    TranscriptIndex.objects.filter(recording=recording).delete()


def store_transcript(
    *,
    recording: Recording,
    since: tuple[int, int],
    lines: Sequence[Line],
    standing: Sequence[Line],
    problem: str,
    **reached: Any,
) -> bool:
    """Add lines to the index of search, and put `standing`, which may still change, in place of what stood last.

    `since` is the position and the offset that they were rendered from: if another process was faster, or the
    recording was deleted, nothing is written and the answer is False. `reached` is where the index stands then.
    """
    with transaction.atomic():
        locked = Recording.objects.select_for_update().filter(pk=recording.pk).order_by().first()
        if locked is None or locked.health == Health.DELETED:
            return False
        organization = recording.organization_id
        index, _ = TranscriptIndex.objects.get_or_create(
            recording=recording, defaults={"organization_id": organization}
        )
        if (index.position, index.rendered) != since or index.done:
            return False
        TranscriptLine.objects.filter(recording=recording, number__gte=index.lines).delete()
        TranscriptLine.objects.bulk_create(
            (
                TranscriptLine(
                    recording=recording,
                    organization_id=organization,
                    number=number,
                    at=line.at,
                    text=storable_text(line.text, len(line.text)),
                    settled=number < index.lines + len(lines),
                )
                for number, line in enumerate([*lines, *standing], index.lines)
            ),
            batch_size=1000,
        )
        for name, value in (reached | {"problem": storable_text(problem, 500)}).items():
            setattr(index, name, value)
        index.lines += len(lines)
        index.save()
    return True
