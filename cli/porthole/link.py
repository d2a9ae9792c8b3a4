"""One window's way to its session: over sockets that may be lost and come back, without losing or doubling a byte."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from porthole import pacing, protocol
from porthole.portal import HEADERS, Portal, Refused, Unreachable, tls_for
from porthole.protocol import Frame

CONNECT_TIMEOUT = 15.0
"""Seconds for the handshake, and again until the session says `attached` once it runs."""

CLOSE_TIMEOUT = 1.0
PING_INTERVAL, PING_TIMEOUT = 15.0, 10.0
"""A connection that does not answer a ping within this time is lost, whatever the system still believes."""

MAX_MESSAGE = 1024 * 1024
MAX_QUEUE = 16
"""Messages of at most 64 KiB that may wait to be written out, before the connection is read no further."""

HTTP_FORBIDDEN = 403
REFUSALS = 3
"""Handshakes refused in a row, each with a fresh ticket, after which it is for good."""


@dataclass(frozen=True)
class Outcome:
    """How it ended. `ended`: the session is over; `detached`: it runs on; `closed`: this window may not stay."""

    kind: str
    reason: str = ""
    detail: str = ""
    exit_code: int | None = None


class Window(Protocol):
    """What the bytes are for: a terminal, or a pair of pipes."""

    def size(self) -> tuple[int, int]: ...
    def attached(self, frame: Frame, *, again: bool) -> None: ...
    def waiting(self, seconds: float) -> None: ...
    def told(self, frame: Frame) -> None: ...
    def taken(self) -> None: ...
    async def draw(self, screen: str) -> None: ...
    async def write(self, data: bytes, offset: int) -> None: ...


class Link:
    """`run` stays connected until it is over for good; `type`, `end_input` and `resize` may be called at any time.

    With `typed` the session is a terminal's. Without, it is a program's three pipes, of which no byte may be missing.
    """

    def __init__(
        self, portal: Portal, uid: str, ticket: str, window: Window, *, offset: int | None, typed: bool = True
    ) -> None:
        self.uid = uid
        self.connected = False
        self.input = pacing.InputPacer(keep=not typed)
        self._typed = typed
        self._input_ended = self._eof_sent = False
        self._portal, self._ticket, self._window = portal, ticket, window
        self._address = f"{portal.url.replace('http', 'ws', 1)}/ws/sessions/{uid}/"
        self._tls = tls_for(portal.url) if portal.url.startswith("https:") else None
        self._offset = offset
        self._attached_once = False
        self._screens = 0
        self._written = self._acknowledged = 0
        self._frames: deque[str] = deque()
        self._something_to_send = asyncio.Event()
        self._backoff = pacing.Backoff()

    def type(self, data: bytes) -> None:
        """Input; it leaves as fast as the container takes it."""
        self.input.push(data)
        self._something_to_send.set()

    def end_input(self) -> None:
        """No more input follows."""
        self._input_ended = True
        self._something_to_send.set()

    def resize(self, cols: int, rows: int) -> None:
        """The window has another size. A connection that is not there now will say its size when it comes."""
        if self.connected:
            self._tell(protocol.resize(cols, rows))

    def leave(self) -> None:
        """The person closed the window."""
        self._tell(protocol.LEAVE)

    async def run(self) -> Outcome:
        """Connect, and connect again whenever the connection is lost. Raises `Failure` if the API says it is over, and
        whatever the window's `write` raises."""
        refused = 0
        while True:
            outcome = None
            try:
                socket = await self._connect()
            except InvalidStatus as error:
                refused = refused + 1 if error.response.status_code == HTTP_FORBIDDEN else 0
                if refused >= REFUSALS:
                    return Outcome("closed", "refused", "The portal refuses the connection, though not the login.")
            except (OSError, TimeoutError, InvalidHandshake):
                pass
            else:
                refused = 0
                outcome = await self._visit(socket)
            if outcome is not None:
                return outcome
            await self._return()

    async def _return(self) -> None:
        """Wait, and get another ticket; wait longer while nobody answers."""
        while True:
            seconds = self._backoff.next()
            self._window.waiting(seconds)
            await asyncio.sleep(seconds)
            try:
                self._ticket = await asyncio.to_thread(self._portal.ticket, self.uid)
            except Unreachable:
                continue
            except Refused as refusal:
                if refusal.status == 429 or refusal.status >= 500:
                    continue
                raise
            return

    async def _connect(self) -> ClientConnection:
        return await connect(
            self._address,
            subprotocols=[Subprotocol(protocol.SUBPROTOCOL), Subprotocol(protocol.TICKET_PREFIX + self._ticket)],
            ssl=self._tls, compression=None, max_size=MAX_MESSAGE, max_queue=MAX_QUEUE, open_timeout=CONNECT_TIMEOUT,
            close_timeout=CLOSE_TIMEOUT, ping_interval=PING_INTERVAL, ping_timeout=PING_TIMEOUT,
            user_agent_header=HEADERS["User-Agent"],
        )  # fmt: skip

    async def _visit(self, socket: ClientConnection) -> Outcome | None:
        """One connection, to its end. None when it was lost."""
        async with socket:
            with contextlib.suppress(ConnectionClosed):
                await socket.send(protocol.hello(*self._window.size(), self._offset, typed=self._typed))
            sending = asyncio.create_task(self._send(socket))
            try:
                return await self._receive(socket)
            finally:
                self.connected = False
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sending

    async def _receive(self, socket: ClientConnection) -> Outcome | None:
        """Take messages until the session or the connection is over. A message is written out before the next is taken:
        when the terminal or pipe is slow, nothing is acknowledged, and the container's program waits."""
        detail = ""
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    await self._output(message)
                    continue
                frame = protocol.parse(message)
                match frame.get("type"):
                    case "attached":
                        self._on_attached(frame)
                    case "screen":
                        await self._window.draw(str(frame.get("data") or ""))
                        self._screens -= 1
                    case "input_ack":
                        self.input.acknowledge(int(frame["bytes"]))
                        self._something_to_send.set()
                    case "ended" if self._misses(frame):
                        return None
                    case "ended":
                        words = {name: str(frame.get(name) or "") for name in ("reason", "detail")}
                        return Outcome("ended", **words, exit_code=frame.get("exit_code"))
                    case "detached":
                        return Outcome("detached", detail=str(frame.get("ttl") or ""))
                    case "error":
                        detail = str(frame.get("detail") or "")
                    case _:
                        self._window.told(frame)
        except ConnectionClosed:
            pass
        if self._screens > 0:  # half a screen is none
            self._offset = None
        code = socket.close_code or 1006
        if not protocol.is_final(code):
            return None
        return Outcome(
            "closed", "taken_over" if code == protocol.TAKEN_OVER else str(code), detail or socket.close_reason or ""
        )

    def _misses(self, ended: Frame) -> bool:
        """Whether there is output of a program that is over which was not sent: it took too long to be written here."""
        return not self._typed and (ended.get("offset") or 0) > (self._offset or 0)

    def _on_attached(self, frame: Frame) -> None:
        again, self._attached_once = self._attached_once, True
        self._offset = self._written = self._acknowledged = int(frame["offset"])
        self.input.restart(int(frame.get("input") or 0))
        self._eof_sent = False
        self._screens = int(frame.get("screens") or 0)
        self._frames.clear()
        self._backoff.restart()
        self.connected = True
        self._window.attached(frame, again=again)
        self._something_to_send.set()

    async def _output(self, data: bytes) -> None:
        offset = self._offset or 0
        self._offset = offset + len(data)
        await self._window.write(data, offset)
        self._written = self._offset
        if self._written - self._acknowledged >= protocol.ACK_EVERY:
            self._acknowledged = self._written
            self._tell(protocol.ack(self._written))

    def _tell(self, frame: str) -> None:
        self._frames.append(frame)
        self._something_to_send.set()

    async def _send(self, socket: ClientConnection) -> None:
        """Send what there is, frames before input."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._something_to_send.wait()
                self._something_to_send.clear()
                while self.connected:
                    if self._frames:
                        await socket.send(self._frames.popleft())
                    elif (data := self.input.take()) is not None:
                        await socket.send(data)
                    elif self.input.waiting:
                        break
                    elif self._input_ended and not self._eof_sent:
                        self._eof_sent = True
                        await socket.send(protocol.EOF)
                    else:
                        self._window.taken()
                        break
