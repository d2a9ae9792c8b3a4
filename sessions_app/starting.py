"""How a session's program comes to run: in a container of the service, or in one that is made for the session."""

import asyncio
from collections.abc import Callable

from sessions_app.backends.base import Backend, ExecRequest, ExecSink, ExecStream, ProviderUnreachable
from sessions_app.consoles import create_console
from sessions_app.ending import container_of
from sessions_app.models import Session
from sessions_app.words import TERMINALS, Kind

OPEN_TIMEOUT = 20.0
"""Seconds until a program that does not start is given up."""


async def start_program(
    session: Session, backend: Backend, sink: ExecSink, progress: Callable[[str], None]
) -> ExecStream:
    """The session's stream, once its program runs. Raises `BackendError`."""
    if session.kind == Kind.CONSOLE:
        container = await create_console(session, backend, progress)
    else:
        container = container_of(session)
    tty = session.kind in TERMINALS
    request = ExecRequest(session.uid, container, argv=session.command, cols=session.cols, rows=session.rows, tty=tty)
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            return await backend.exec(request, sink)
    except TimeoutError as error:
        raise ProviderUnreachable(
            f"The program did not start within {OPEN_TIMEOUT:.0f} seconds. Try again in a moment."
        ) from error
