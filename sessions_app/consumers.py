"""The WebSocket of a session: check the ticket, hand the socket to the session host, pass frames both ways."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from channels.consumer import AsyncConsumer

from sessions_app import protocol
from sessions_app.admission import Connection, Turned, admit
from sessions_app.afterwards import gave_up, tell_the_end
from sessions_app.attaching import Start, find_start
from sessions_app.detaching import Departure, DetachRefused, let_go, lost, window_closed
from sessions_app.engine.session import LiveSession
from sessions_app.engine.viewer import Viewer
from sessions_app.host import HostStopping, SessionHost
from sessions_app.hosted import HostedSession
from sessions_app.inbox import Gone, Inbox, Message
from sessions_app.protocol import Ack, Close, Detach, Eof, FrameError, Hello, Leave, Ping, Resize, Stay
from sessions_app.relay import relay

logger = logging.getLogger(__name__)

HELLO_TIMEOUT = 10.0
"""Seconds a client has to say hello."""

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiSocket:
    """The sending half of an ASGI WebSocket."""

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send_bytes(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": data})

    async def send_text(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int) -> None:
        await self._send({"type": "websocket.close", "code": int(code)})


class TerminalConsumer(AsyncConsumer):  # type: ignore[misc]
    """`/ws/sessions/{uid}/`.

    It reads its messages itself instead of having Channels dispatch them: that saves two tasks for each keystroke,
    takes a disconnect as soon as it comes, and leaves one `finally` that runs whatever happens.
    """

    def __init__(self, *, host: SessionHost) -> None:
        self._host = host

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        host = self._host
        await receive()  # websocket.connect
        socket = AsgiSocket(send)
        try:
            connection = await admit(scope, (await host.start()).uid)
        except (Turned, TimeoutError) as refusal:
            logger.info("a socket to %s was refused: %s", scope["path"], refusal)
            await socket.close(Close.ACCESS_REVOKED)  # before accept: the client sees 403
            return
        await send({"type": "websocket.accept", "subprotocol": protocol.SUBPROTOCOL})
        try:
            await self._serve(host, connection, Inbox(receive), socket)
        except Gone:
            pass
        except FrameError as error:
            await _refuse(socket, error.code, str(error))
        except HostStopping:
            await _refuse(socket, Close.SERVICE_RESTART, "The portal is restarting. Reconnect in a moment.")

    async def _serve(self, host: SessionHost, connection: Connection, inbox: Inbox, socket: AsgiSocket) -> None:
        hello = await _hello(inbox)
        if hello.mode == "control" and not connection.may_control:
            await _refuse(socket, Close.ACCESS_REVOKED, "Only its own user may type into a session. You may watch it.")
            return
        if connection.elsewhere:
            await relay(connection, hello, inbox, socket)
            return
        session = connection.session
        hosted = host.find(session.uid)
        trouble = connection.trouble if hosted is None and hello.mode == "control" else None
        if trouble is not None and await gave_up(session, trouble, socket, inbox):
            return
        if hosted is None and not connection.over and connection.spec is not None:
            if hello.mode == "watch":
                await _refuse(socket, Close.NO_SESSION, "The session has not begun.")
                return
            await socket.send_text(protocol.state("provisioning"))
            hosted = await host.open(session, connection.spec, cols=hello.cols, rows=hello.rows)
        if hosted is not None:
            await _until_ready(hosted, inbox, socket)
            if (live := hosted.live) is not None and not hosted.last_words:
                start = await inbox.keep_while(find_start(host.screens, hosted, live, hello))
                if not hosted.last_words:
                    await self._attend(host, hosted, live, connection, hello, start, inbox, socket)
                    return
        if not connection.over and (hosted is None or not hosted.last_words):
            # Another process took it a moment ago, or its process died and the row is not ended yet.
            await _refuse(socket, Close.SERVICE_RESTART, "The session is between two processes. Reconnect in a moment.")
            return
        offset = hello.offset if connection.may_read else None
        await tell_the_end(session.uid, offset, hosted.last_words if hosted else "", socket, inbox)

    async def _attend(
        self, host: SessionHost, hosted: HostedSession, live: LiveSession, connection: Connection, hello: Hello,
        start: Start, inbox: Inbox, socket: AsgiSocket,
    ) -> None:  # fmt: skip
        """Two tasks until either is over: one moves the viewer along the log, one takes the client's frames."""
        viewer = host.attach(hosted, live, hello, start, connection, socket)
        departure = lost(hosted.row)
        sending = asyncio.create_task(viewer.run(), name=f"send {live.uid}")
        reading = asyncio.create_task(_read(inbox, hosted, live, viewer, connection), name=f"read {live.uid}")
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                departure = _after_reading(reading, viewer) or departure
                if viewer.closing:  # the last words are still to be sent
                    await asyncio.wait({sending}, timeout=protocol.CLOSE_TIMEOUT)
            if sending.done():
                sending.result()
        finally:
            try:
                for task in (sending, reading):
                    task.cancel()
                await asyncio.wait({sending, reading})
            finally:
                host.leave(hosted, live, viewer, connection.actor, departure)


def _after_reading(reading: "asyncio.Task[Departure]", viewer: Viewer) -> Departure | None:
    """Close the viewer as its client's last frame deserves. None if the client left without a word."""
    try:
        departure = reading.result()
    except Gone:
        return None
    except FrameError as error:
        viewer.close(error.code, protocol.error(error.code, str(error)))
        return None
    viewer.close(Close.NORMAL, protocol.detached(departure.ttl))
    return departure


async def _until_ready(hosted: HostedSession, inbox: Inbox, socket: AsgiSocket) -> None:
    """Wait until the session runs or cannot, and say meanwhile what it waits for."""
    telling = asyncio.create_task(hosted.progress.pass_on(socket), name=f"progress of {hosted.row.uid}")
    try:
        await inbox.keep_while(hosted.ready.wait())
    finally:
        telling.cancel()
        await asyncio.wait({telling})


async def _hello(inbox: Inbox) -> Hello:
    with suppress(TimeoutError):
        async with asyncio.timeout(HELLO_TIMEOUT):
            message = await inbox.get()
            frame = protocol.parse_client_frame(message.get("text") or "")
            if isinstance(frame, Hello):
                return frame
    raise FrameError('The first frame must be a "hello".')


async def _read(
    inbox: Inbox, hosted: HostedSession, live: LiveSession, viewer: Viewer, connection: Connection
) -> Departure:
    """Pass the client's frames on until it takes its leave; returns how. Raises `Gone` or `FrameError`."""
    while True:
        message = await inbox.get()
        data: bytes | None = message.get("bytes")
        if data is not None:
            if len(data) > protocol.MAX_INPUT_FRAME:
                raise FrameError("A frame of input may have 1 MiB.", Close.FRAME_TOO_LARGE)
            if live.input.ended and viewer is live.controller:
                raise FrameError('There was input after an "eof".')
            if live.feed(viewer, data):
                return let_go(hosted.row, None)
            continue
        match protocol.parse_client_frame(message["text"]):
            case Ack(offset):
                if not live.ack(viewer, offset):
                    raise FrameError("An ack names an offset that was not sent.")
            case Resize(cols, rows):
                if viewer is live.controller:
                    live.resize(cols, rows)
            case Eof():
                if live.tty:
                    raise FrameError("A terminal's input has no end: type Ctrl-D.")
                live.end_input(viewer)
            case Stay():
                if viewer is live.controller:
                    live.touch()
            case Ping():
                viewer.tell(protocol.pong())
            case Detach(ttl):
                if viewer is not live.controller:
                    raise FrameError("Only the controller may detach a session.")
                try:
                    return let_go(hosted.row, ttl)
                except DetachRefused as refusal:
                    viewer.tell(protocol.notice("detach_refused", str(refusal)))
            case Leave():
                auto_close = connection.preferences.auto_close
                return window_closed(hosted.row, auto_close=auto_close, typed=live.bytes_in > 0)
            case Hello():
                raise FrameError('"hello" comes first, and once.')


async def _refuse(socket: AsgiSocket, code: Close, detail: str) -> None:
    await socket.send_text(protocol.error(code, detail))
    await socket.close(code)
