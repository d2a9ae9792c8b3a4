"""Sessions whose host died: their processes are ended, their recordings sealed, their places freed. Idempotent."""

import asyncio
import logging
from collections.abc import Iterable, Set

from django.db.models import Exists, OuterRef
from django.utils import timezone

from audit import actions as audit
from audit.journal import JournalError, seal
from audit.models import Recording
from audit.recordings import folder_of, node_id
from sessions_app import actions
from sessions_app.backends.base import BackendError, CleanupReport
from sessions_app.database import in_database
from sessions_app.ending import end_processes
from sessions_app.liveness import is_dead
from sessions_app.models import Session, SessionHost
from sessions_app.providers import ProviderSpec, reach, spec_of
from sessions_app.querysets import SessionQuerySet
from sessions_app.words import LIVE, EndReason

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Sessions that are ended at the same time."""

DETAIL = "The portal's process that held it stopped unexpectedly. What was on the screen is in the recording."


Orphan = tuple[Session, ProviderSpec | None, str]
"""A session, how to reach its container, and if that is not known why not."""


async def end_orphans() -> int:
    """End every live session whose host is dead, and seal what it left. Returns how many sessions that were."""
    orphans = await in_database(_orphans)
    await _end_all(orphans)
    await seal_left_recordings()
    return len(orphans)


async def end_strays(uids: Set[str]) -> None:
    """End live sessions that their own host knows nothing of."""
    await _end_all(await in_database(_described, Session.objects.live().with_uids(uids)))


async def _end_all(orphans: Iterable[Orphan]) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def end(session: Session, spec: ProviderSpec | None, note: str) -> None:
        async with turn:
            try:
                report = await _clean_up(session, spec) if spec is not None else CleanupReport(note=note)
                await in_database(
                    actions.finish, session=session, reason=EndReason.HOST_LOST, detail=DETAIL, cleanup=report
                )
            except Exception:  # one tenant's trouble holds up nobody else's session; the next round tries again
                logger.exception("%s: could not be ended", session.uid)

    async with asyncio.TaskGroup() as tasks:
        for orphan in orphans:
            tasks.create_task(end(*orphan))


def _orphans() -> list[Orphan]:
    now = timezone.now()
    dead = [host for host in SessionHost.objects.owning_live_sessions() if is_dead(host, now)]
    return _described(Session.objects.live().of_hosts(dead))


def _described(sessions: SessionQuerySet) -> list[Orphan]:
    found: list[Orphan] = []
    for session in sessions.select_related("organization", "provider"):
        if session.provider is None:
            found.append((session, None, "The provider was deleted."))
            continue
        try:
            found.append((session, spec_of(session.provider), ""))
        except BackendError as error:
            found.append((session, None, str(error)))
    return found


async def _clean_up(session: Session, spec: ProviderSpec) -> CleanupReport:
    try:
        async with reach(spec) as backend:
            return await end_processes(session, backend, EndReason.HOST_LOST)
    except BackendError as error:
        return CleanupReport(note=str(error), unfinished=True)


async def seal_left_recordings() -> None:
    """Seal what a dead process left open on this machine's disk, once its session is over."""
    for recording in await in_database(_left_recordings):
        try:
            await asyncio.to_thread(seal, folder_of(recording))
        except JournalError as error:
            # A journal that is gone is noted below; whatever else there is may be better the next time.
            logger.warning("%s: its recording is not sealed yet: %s", recording.session_uid, error)
        try:
            await in_database(audit.seal_recording, session_uid=recording.session_uid)
        except (JournalError, TimeoutError) as error:
            logger.warning("%s: its recording is not sealed yet: %s", recording.session_uid, error)


def _left_recordings() -> list[Recording]:
    live = Session.objects.filter(uid=OuterRef("session_uid"), state__in=LIVE)
    return list(Recording.objects.unsealed_on(node_id()).filter(~Exists(live)))
