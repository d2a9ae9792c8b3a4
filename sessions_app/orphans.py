"""Sessions whose host died: their processes are ended, their recordings sealed, their places freed. Idempotent."""

import asyncio
import logging

from django.db.models import Exists, OuterRef
from django.utils import timezone

from audit import actions as audit
from audit.models import Recording
from audit.recordings import node_id
from sessions_app import actions
from sessions_app.backends.base import BackendError, CleanupReport
from sessions_app.database import in_database
from sessions_app.ending import end_processes
from sessions_app.liveness import is_dead
from sessions_app.models import Session, SessionHost
from sessions_app.providers import ProviderSpec, reach, spec_of
from sessions_app.words import LIVE, EndReason

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Sessions that are ended at the same time."""

DETAIL = "The portal's process that held it stopped unexpectedly. What was on the screen is in the recording."


async def end_orphans() -> int:
    """End every live session whose host is dead. Returns how many."""
    orphans = await in_database(_orphans)
    turn = asyncio.Semaphore(AT_ONCE)

    async def end(session: Session, spec: ProviderSpec | None, note: str) -> None:
        async with turn:
            report = await _clean_up(session, spec) if spec is not None else CleanupReport(note=note)
            await in_database(
                actions.finish, session=session, reason=EndReason.HOST_LOST, detail=DETAIL, cleanup=report
            )

    async with asyncio.TaskGroup() as tasks:
        for orphan in orphans:
            tasks.create_task(end(*orphan))
    await in_database(seal_left_recordings)
    return len(orphans)


def _orphans() -> list[tuple[Session, ProviderSpec | None, str]]:
    now = timezone.now()
    dead = [host for host in SessionHost.objects.owning_live_sessions() if is_dead(host, now)]
    found: list[tuple[Session, ProviderSpec | None, str]] = []
    sessions = Session.objects.live().filter(host__in=dead)
    for session in sessions.select_related("organization", "service__stack__provider"):
        if session.service is None:
            found.append((session, None, "The service was deleted."))
            continue
        try:
            found.append((session, spec_of(session.service.stack.provider), ""))
        except BackendError as error:
            found.append((session, None, str(error)))
    return found


async def _clean_up(session: Session, spec: ProviderSpec) -> CleanupReport:
    try:
        async with reach(spec) as backend:
            return await end_processes(session, backend, EndReason.HOST_LOST)
    except BackendError as error:
        return CleanupReport(note=str(error))


def seal_left_recordings() -> None:
    """Seal what a dead process left open on this machine's disk, once its session is over."""
    live = Session.objects.filter(uid=OuterRef("session_uid"), state__in=LIVE)
    for recording in Recording.objects.unsealed_on(node_id()).filter(~Exists(live)):
        try:
            audit.seal_recording(session_uid=recording.session_uid)
        except Exception:
            logger.exception("%s: its recording could not be sealed", recording.session_uid)
