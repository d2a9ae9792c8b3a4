"""Removes the consoles that a crash left: those whose session is over, and those whose time is. Idempotent.

An engine may serve several portals. Each looks only for containers with its own mark (`actions.installation_uid`).
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from portal.models import Organization, Provider
from sessions_app import actions
from sessions_app.backends.base import BackendError
from sessions_app.backends.consoles import Consoles, FoundConsole, Removal, name_of
from sessions_app.consoles import SPARE
from sessions_app.database import in_database
from sessions_app.models import Session
from sessions_app.providers import BackendPool, ProviderSpec, reason_of, spec_of
from sessions_app.words import Kind

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Providers that are looked at, and consoles of one that are removed, at the same time."""

LIST_TIMEOUT = 10.0
"""Seconds one provider has to say what is there."""

REMOVE_TIMEOUT = 15.0
"""Seconds for one removal. What is not done by then is found again by the next sweep."""

MOST = 200
"""Consoles of one provider that one sweep removes."""

MEMORY = timedelta(days=31)
"""Consoles live for 30 days at most (`portal.consoles`), so an older session has none to look for."""

WHY = "left behind"


@dataclass(frozen=True, slots=True)
class _Place:
    """A provider, whose it is, and the namespaces of it in which there can be consoles."""

    spec: ProviderSpec
    organization: Organization
    namespaces: set[str]


async def sweep_consoles() -> int:
    """Look at every provider that had a console of late. Returns how many consoles were removed."""
    installation = await in_database(actions.installation_uid)
    places = await in_database(_places)
    pool, turn = BackendPool(), asyncio.Semaphore(AT_ONCE)

    async def sweep(place: _Place) -> int:
        async with turn:
            try:
                return await _sweep(pool, place, installation)
            except Exception as error:  # noqa: BLE001 - one tenant's provider holds up nobody else's
                _not_swept(place.spec.pk, error)
                return 0

    try:
        return sum(await asyncio.gather(*(sweep(place) for place in places)))
    finally:
        await pool.close()


def _places() -> list[_Place]:
    """Where a console can still be, also of a stack that was deleted since: two queries."""
    recent = Session.objects.filter(
        kind=Kind.CONSOLE, created_at__gt=timezone.now() - MEMORY, provider__isnull=False
    ).order_by()
    namespaces: dict[int, set[str]] = defaultdict(set)
    for key, namespace in recent.values_list("provider", "namespace").distinct():
        namespaces[key].add(namespace)
    places: list[_Place] = []
    for provider in Provider.objects.filter(pk__in=namespaces).select_related("organization"):
        try:
            places.append(_Place(spec_of(provider), provider.organization, namespaces[provider.pk]))
        except BackendError as error:  # its credentials cannot be read, so nothing can be done there
            _not_swept(provider.pk, error)
    return places


def _not_swept(provider: int, error: Exception) -> None:
    logger.warning("provider %s could not be swept: %s", provider, reason_of(error))


async def _sweep(pool: BackendPool, place: _Place, installation: str) -> int:
    async with pool.backend(place.spec) as backend:
        consoles = await backend.consoles()
        async with asyncio.timeout(LIST_TIMEOUT):
            found = await consoles.left(installation, place.namespaces)
        wanted = await in_database(_wanted, [console.session_uid for console in found])
        now = timezone.now().timestamp()
        lost = [each for each in found if each.session_uid not in wanted or each.deadline + SPARE < now]
        return await _remove(consoles, place, lost[:MOST])


def _wanted(uids: Collection[str]) -> set[str]:
    """Those of live sessions."""
    return set(Session.objects.live().with_uids(uids).values_list("uid", flat=True))


async def _remove(consoles: Consoles, place: _Place, lost: Iterable[FoundConsole]) -> int:
    turn = asyncio.Semaphore(AT_ONCE)

    async def remove(console: FoundConsole) -> bool:
        async with turn:
            try:
                return await _remove_one(consoles, place, console)
            except Exception as error:  # noqa: BLE001 - nor one console the others; the next sweep tries again
                said = "%s: its console could not be removed, or its removal noted: %s"
                logger.warning(said, console.session_uid, reason_of(error))
                return False

    return sum(await asyncio.gather(*(remove(console) for console in lost)))


async def _remove_one(consoles: Consoles, place: _Place, console: FoundConsole) -> bool:
    async with asyncio.timeout(REMOVE_TIMEOUT):
        removal = await consoles.remove(console.session_uid, console.namespace)
    if removal is Removal.ABSENT:
        return False
    await in_database(
        actions.note_console_removed,
        organization=place.organization,
        session_uid=console.session_uid,
        name=name_of(console.session_uid),
        why=WHY,
        outcome=removal,
    )
    return True
