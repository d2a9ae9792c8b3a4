"""Sessions whose container no longer runs though their stream has not noticed, on a connection that died silently."""

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass, field

from audit.events import PORTAL
from sessions_app import actions
from sessions_app.backends.base import Backend, BackendError, Container
from sessions_app.database import in_database
from sessions_app.ending import container_of
from sessions_app.models import Session
from sessions_app.providers import BackendPool, ProviderSpec, reason_of, spec_of
from sessions_app.words import EndReason, State

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Containers of one provider that are asked about at the same time."""

PROVIDER_TIMEOUT = 10.0
"""Seconds for all questions to one provider. What it has not answered by then is not known, and ends nothing."""

DETAIL = "The container stopped."


@dataclass(slots=True)
class _Place:
    """A provider and the live sessions in each of its containers."""

    spec: ProviderSpec
    sessions: dict[Container, list[Session]] = field(default_factory=lambda: defaultdict(list))


async def end_vanished() -> int:
    """Ask for the end of every live session whose container does not run. Returns how many; idempotent."""
    places = await in_database(_places)
    pool = BackendPool()
    try:
        stopped = await asyncio.gather(*(_stopped(pool, place) for place in places))
    finally:
        await pool.close()
    vanished = [session for sessions in stopped for session in sessions]
    for session in vanished:
        await in_database(
            actions.request_end, session=session, reason=EndReason.TARGET_GONE, detail=DETAIL, actor=PORTAL
        )
    return len(vanished)


def _places() -> list[_Place]:
    running = Session.objects.matching(states=[State.ACTIVE, State.DETACHED]).filter(
        end_requested="", provider__isnull=False
    )
    places: dict[int, _Place] = {}
    for session in running.select_related("organization", "provider"):
        assert session.provider is not None
        provider = session.provider
        try:
            place = places.get(provider.pk) or _Place(spec_of(provider))
        except BackendError:
            continue  # its credentials cannot be read, so nothing can be known
        places[provider.pk] = place
        place.sessions[container_of(session)].append(session)
    return list(places.values())


async def _stopped(pool: BackendPool, place: _Place) -> list[Session]:
    """The sessions of one provider whose container does not run, as far as it says so in time."""
    found: list[Session] = []
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(backend: Backend, container: Container, sessions: list[Session]) -> None:
        async with turn:
            try:
                if not await backend.running(container):
                    found.extend(sessions)
            except Exception as error:  # noqa: BLE001 - whatever it answers, it ends nothing
                logger.info("whether %s still runs is not known: %s", container.container_name, error)

    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT), pool.backend(place.spec) as backend, asyncio.TaskGroup() as tasks:
            for container, sessions in place.sessions.items():
                tasks.create_task(ask(backend, container, sessions))
    except Exception as error:  # noqa: BLE001 - one tenant's provider holds up nobody else's
        logger.warning("provider %s could not be asked what still runs: %s", place.spec.pk, reason_of(error))
    return found
