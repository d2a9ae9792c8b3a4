"""The ASGI routes of live sessions: their WebSocket, and the start and end of the process that owns them."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.urls import re_path

from sessions_app.consumers import TerminalConsumer
from sessions_app.host import SessionHost

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def websocket_routes(host: SessionHost) -> list[Any]:
    """The routes of a process whose live sessions are `host`'s. Whatever else is asked for is refused."""
    return [
        re_path(r"^ws/sessions/(?P<uid>[a-z]{2}-[0-9a-z]{26})/$", TerminalConsumer.as_asgi(host=host)),
        re_path(r"", refuse),  # type: ignore[arg-type]  # the stubs know HTTP views only
    ]


async def refuse(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse a handshake before it is accepted."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


class Lifespan:
    """Starts and stops the session host where the ASGI server tells (uvicorn does, Daphne does not)."""

    def __init__(self, host: SessionHost) -> None:
        self._host = host

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._host.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._host.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
