"""How a session ends: why, on whose word, and what becomes of its processes."""

import asyncio
import logging
from dataclasses import dataclass

from audit.events import PORTAL, Actor
from sessions_app.backends.base import Backend, BackendError, CleanupReport, Container
from sessions_app.consoles import remove_console
from sessions_app.models import Session
from sessions_app.words import EndReason, Kind

logger = logging.getLogger(__name__)

CLEANUP_TIMEOUT = 12.0
"""Seconds the processes of a session have to go."""

KILL_PROTECTED = frozenset({EndReason.TERMINATED, EndReason.ACCESS_REVOKED})
"""Reasons for which also goes what the user protected with nohup or setsid."""


@dataclass(frozen=True, slots=True)
class EndOrder:
    """Why a session ends, and on whose word."""

    reason: EndReason
    detail: str = ""
    exit_code: int | None = None
    actor: Actor = PORTAL
    code: str = ""
    """A backend error's code, where there was one."""


def container_of(session: Session) -> Container:
    """The container a session is in, from its row."""
    return Container(
        container_name=session.container_name,
        pod_name=session.pod_name,
        namespace=session.namespace,
        id=session.container_id,
        deployment_name=session.deployment_name,
    )


async def end_processes(session: Session, backend: Backend, reason: EndReason) -> CleanupReport:
    """End what the session started in its container, or remove the container that is its own. What cannot be done
    stands in the report's note."""
    try:
        async with asyncio.timeout(CLEANUP_TIMEOUT):
            if session.kind == Kind.CONSOLE:
                return await remove_console(session, backend, reason)
            return await backend.end_processes(
                session.uid, container_of(session), kill_protected=reason in KILL_PROTECTED
            )
    except (BackendError, TimeoutError) as error:
        note = str(error) or "The container did not answer in time."
        logger.warning("%s: its processes could not be looked for: %s", session.uid, note)
        return CleanupReport(note=note, unfinished=True)
