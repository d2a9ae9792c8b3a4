"""Sessions that ended while their provider did not answer: what they left in containers is looked for until it does."""

import asyncio
import logging

from django.utils import timezone

from sessions_app import actions
from sessions_app.backends.base import BackendError
from sessions_app.database import in_database
from sessions_app.ending import end_processes
from sessions_app.models import Session
from sessions_app.providers import BackendPool, ProviderSpec, reason_of, spec_of
from sessions_app.words import EndReason

logger = logging.getLogger(__name__)

PROVIDER_TIME = 20.0
"""Seconds one provider gets in each round; long enough for one try that is answered at the last moment."""

AT_MOST = 500
"""Sessions that are looked at in one round."""

Unfinished = tuple[ProviderSpec, list[Session]]


async def finish_cleanups() -> int:
    """Try again what could not be done at the end of sessions. Returns how many are in order now; idempotent."""
    pool = BackendPool()
    try:
        counts = await asyncio.gather(*(_finish(pool, *one) for one in await in_database(_unfinished)))
    finally:
        await pool.close()
    return sum(counts)


def _unfinished() -> list[Unfinished]:
    """By provider. In another order each time, so that a container that hangs does not keep the others waiting."""
    sessions = Session.objects.uncleaned(timezone.now()).order_by("?")
    found: dict[int, Unfinished] = {}
    for session in sessions.select_related("organization", "provider")[:AT_MOST]:
        assert session.provider is not None
        try:
            _, waiting = found.setdefault(session.provider.pk, (spec_of(session.provider), []))
        except BackendError:
            continue  # its credentials cannot be read now
        waiting.append(session)
    return list(found.values())


async def _finish(pool: BackendPool, spec: ProviderSpec, sessions: list[Session]) -> int:
    count = 0
    try:
        async with asyncio.timeout(PROVIDER_TIME), pool.backend(spec) as backend:
            for session in sessions:
                report = await end_processes(session, backend, EndReason(session.end_reason))
                if not report.unfinished:
                    await in_database(actions.finish_cleanup, session=session, report=report)
                    count += 1
    except Exception as error:  # noqa: BLE001 - one tenant's provider holds up nobody else's
        logger.warning("provider %s: sessions that ended still wait for it: %s", spec.pk, reason_of(error))
    return count
