"""A console's container in the life of its session: made before the program starts, removed with the session's end."""

import asyncio
import logging
from collections.abc import Callable

from django.conf import settings

from sessions_app import actions
from sessions_app.backends.base import Backend, BackendError, CleanupReport, Container
from sessions_app.backends.consoles import ConsoleNotStarted, ConsoleRequest, Removal, name_of
from sessions_app.database import in_database
from sessions_app.models import Session
from sessions_app.words import OVER, EndReason

logger = logging.getLogger(__name__)

SPARE = 60
"""Seconds that an engine lets a console live beyond its time: the portal ends it before, with its reason."""

GIGABYTE = 1024**3


async def create_console(session: Session, backend: Backend, progress: Callable[[str], None]) -> Container:
    """Make a session's container, within PORTHOLE_CONSOLE_TIMEOUT. `progress` is told what it waits for.

    Raises `BackendError`. Whatever is there then goes with the session (`remove_console`).
    """
    newest = ""

    def tell(detail: str) -> None:
        nonlocal newest
        newest = detail
        progress(f"Pending: {detail}")

    request = _request_of(session, await in_database(actions.installation_uid))
    limit = settings.PORTHOLE_CONSOLE_TIMEOUT
    consoles = await backend.consoles()
    try:
        async with asyncio.timeout(limit):
            container = await consoles.create(request, tell)
    except TimeoutError as error:
        raise ConsoleNotStarted(
            f"The console did not start within {limit} seconds: {newest} Try again, or ask for less."
        ) from error
    await in_database(actions.note_console_created, session=session, container=container)
    return container


async def remove_console(session: Session, backend: Backend, reason: EndReason) -> CleanupReport:
    """Remove a session's container, if there is one, with everything in it. Raises `BackendError`."""
    name = name_of(session.uid)
    again = session.state in OVER  # the provider was not done, or did not answer, when the session ended
    try:
        removal = await (await backend.consoles()).remove(session.uid, session.namespace)
    except BackendError as error:
        if not again:
            await _note(session, name, reason, f"failed: {error}")
        raise
    if removal is Removal.UNDER_WAY:
        if not again:
            await _note(session, name, reason, removal)
        return CleanupReport(note="The provider is still removing the console's container.", unfinished=True)
    if removal is Removal.ABSENT and again:
        removal = Removal.REMOVED
    if removal is Removal.REMOVED or session.container_name:
        await _note(session, name, reason, removal)
    return CleanupReport(container_gone=removal is Removal.ABSENT, container_removed=removal is Removal.REMOVED)


async def _note(session: Session, name: str, why: str, outcome: str) -> None:
    await in_database(
        actions.note_console_removed,
        organization=session.organization,
        session_uid=session.uid,
        name=name,
        why=why,
        outcome=outcome,
    )


def _request_of(session: Session, installation: str) -> ConsoleRequest:
    asked = session.console
    like = asked["like"]
    return ConsoleRequest(
        session_uid=session.uid,
        installation=installation,
        service=asked["service"],
        like=Container(
            container_name=like["container_name"],
            pod_name=like["pod_name"],
            namespace=session.namespace,
            id=like["id"],
            deployment_name=session.deployment_name,
        ),
        memory=round(asked["memory"] * GIGABYTE),
        millicpus=round(asked["cpu"] * 1000),
        lifetime=(session.max_duration or 0) + settings.PORTHOLE_CONSOLE_TIMEOUT + SPARE,
        image=asked["image"],
        tag=asked["docker_tag"],
        user=asked["user"],
    )
