"""`manage.py serve`: the web process."""

import asyncio
from argparse import ArgumentParser
from collections.abc import Coroutine
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sessions_app.protocol import Close

MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of one WebSocket message that reach the protocol, which refuses those above 1 MiB with 4413. Larger ones the
server itself refuses with 1009."""

PING_TIMEOUT = 20


class Command(BaseCommand):
    help = "Serve pages, API and live sessions from this process until SIGTERM or Ctrl-C; then end its sessions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
        parser.add_argument("--port", type=int, default=settings.PORT, help="Port to listen on ($PORT or 8000).")
        parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne", help="ASGI server (daphne).")

    def handle(self, *args: Any, host: str, port: int, server: str, **options: Any) -> None:
        if not settings.PORTHOLE_HOST_ADDRESS:
            # Other processes of this machine; those of others need to be told (docs/operations.md).
            here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
            settings.PORTHOLE_HOST_ADDRESS = f"http://{here}:{port}"
        {"daphne": serve_with_daphne, "uvicorn": serve_with_uvicorn}[server](host, port)


def serve_with_daphne(address: str, port: int) -> None:
    """Daphne knows no lifespan events, so the session host starts and stops with its reactor."""
    # Daphne installs Twisted's asyncio reactor when it is imported.
    from daphne.server import Server
    from daphne.ws_protocol import WebSocketProtocol
    from twisted.internet import defer, reactor
    from twisted.python.failure import Failure

    from portal.asgi import application, host

    def deferred(work: Coroutine[Any, Any, object]) -> Any:
        return defer.Deferred.fromFuture(asyncio.ensure_future(work))

    class Socket(WebSocketProtocol):  # type: ignore[misc]
        def sendClose(self, code: int | None = None, reason: str | None = None) -> None:  # noqa: N802
            """autobahn lets an application send 1000 and 3000 up only; ours also says "come back" (1011, 1012)."""
            if code in (Close.SERVER_ERROR, Close.SERVICE_RESTART):
                self.sendCloseFrame(code=int(code), reasonUtf8=None, isReply=False)
            else:
                super().sendClose(code, reason)

    class Daphne(Server):  # type: ignore[misc]
        failure = ""

        def kill_all_applications(self) -> Any:
            """Before its sockets are cut, each session ends, is sealed and says why."""

            def cut(result: object) -> None:
                for connection in self.connections.values():
                    if (task := connection.get("application_instance")) is not None:
                        task.cancel()

            return deferred(host.stop()).addBoth(cut)

        def listen_error(self, failure: Failure) -> None:
            self.failure = f"Cannot listen on {address} port {port}: {failure.getErrorMessage()}"
            self.stop()

    server = Daphne(
        application=application,
        endpoints=[f"tcp:port={port}:interface={address.replace(':', chr(92) + ':')}:backlog=512"],
        ping_interval=settings.PORTHOLE_PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        websocket_timeout=-1,
        websocket_max_message_size=MAX_MESSAGE,
        websocket_max_frame_size=MAX_MESSAGE,
        server_name="porthole",
        verbosity=0,
    )

    def begin() -> None:
        # Without this a broken frame (1007, 1009) cuts the connection, and the client cannot tell it from a lost one.
        server.ws_factory.setProtocolOptions(failByDrop=False)
        server.ws_factory.protocol = Socket
        deferred(host.start())

    reactor.callWhenRunning(begin)
    server.run()
    if server.failure:
        raise CommandError(server.failure)


def serve_with_uvicorn(address: str, port: int) -> None:
    """uvicorn closes its sockets with 1012 first; clients come back to hear how their session ended."""
    import uvicorn

    uvicorn.run(
        "portal.asgi:application",
        host=address,
        port=port,
        lifespan="on",
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        ws_max_size=MAX_MESSAGE,
        ws_ping_interval=settings.PORTHOLE_PING_INTERVAL,
        ws_ping_timeout=PING_TIMEOUT,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=30,
    )
