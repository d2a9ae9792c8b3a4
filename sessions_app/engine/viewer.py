"""One socket that is attached to a live session: its place in the output log and what is still to be sent to it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal, Protocol

from audit.journal import OutputStream
from sessions_app import protocol
from sessions_app.engine.keys import DetachKeys
from sessions_app.engine.log import OutputLog
from sessions_app.protocol import Close

WINDOW = 1024 * 1024
"""Bytes a viewer may have been sent without having acknowledged them. A controller that is a window behind stops the
container's output."""

WATCHER_BACKLOG = 8 * 1024 * 1024
"""Bytes a watcher may fall behind before it is dropped: it never slows the session."""

SEND_SIZE = 64 * 1024
"""Bytes in one binary frame, at most."""

FAREWELL_TIMEOUT = 5.0
"""Seconds in which a closing viewer must take something of what is still to be sent."""

MAX_FRAMES = 256
"""Text frames that may wait for one viewer."""


Mode = Literal["control", "watch"]

Older = Callable[[int, int], Awaitable[tuple[bytes, OutputStream]]]
"""Reads output that has left memory: an offset and a length in; bytes of one stream out, perhaps fewer, and which."""


class Socket(Protocol):
    """What a viewer needs of its transport."""

    async def send_bytes(self, data: bytes) -> None: ...
    async def send_text(self, text: str) -> None: ...
    async def close(self, code: int) -> None: ...


class Viewer:
    """Moves one socket along the log. `run` is the only sender; everything else sets state and wakes it."""

    def __init__(
        self,
        socket: Socket,
        log: OutputLog,
        older: Older,
        *,
        offset: int,
        mode: Mode,
        user_id: int,
        token_id: int | None = None,
        whole: bool = False,
    ) -> None:
        """`whole`: what it is sent is a program's output for a pipe, where nothing else may stand for lost bytes."""
        self.mode = mode
        self.user_id = user_id
        self.token_id = token_id
        self.sent = offset
        self.acked = offset
        self.stream: OutputStream = log.run(offset)[0] if offset >= log.start else "stdout"
        """Which the client takes the next byte for."""
        self.head_start = log.end - offset
        """Bytes that it was behind when it came, which it may take its time for."""
        self.input_taken = 0
        """Bytes of its input that went to the container."""
        self.keys: DetachKeys | None = None
        """Looks for the keys that detach; None where they mean nothing."""
        self.let_go = False
        """It was told to detach, so its leaving is no lost connection."""
        self._socket = socket
        self._log = log
        self._older = older
        self._frames: deque[str] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._close: Close | None = None
        self._last_words = ""
        self._rest_matters = False
        self._told_of_gap = False
        self._whole = whole

    def wake(self) -> None:
        """There is something new to send."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def tell(self, frame: str) -> None:
        """Queue one text frame; it goes out before further output."""
        if len(self._frames) < MAX_FRAMES:
            self._frames.append(frame)
            self.wake()

    def ack(self, offset: int) -> bool:
        """The client has rendered up to `offset`. False if that was never sent."""
        if offset > self.sent:
            return False
        if offset > self.acked:
            self.acked = offset
            self.wake()
        return True

    def close(self, code: Close, last_words: str = "", *, rest: bool = False) -> None:
        """Send `last_words`, then close; before that all output there is, if the `rest` matters. The first call
        counts."""
        if self._close is None:
            self._close, self._last_words, self._rest_matters = code, last_words, rest
            self.wake()

    @property
    def closing(self) -> bool:
        """No further input is taken from it."""
        return self._close is not None

    async def run(self) -> None:
        """Send until closed. Returns once the socket was told to close."""
        while self._close is None:
            if not await self._send_some():
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                self._waiter = None
        if self._rest_matters:
            with suppress(TimeoutError):
                await self._send_rest()
        while self._frames:
            await self._socket.send_text(self._frames.popleft())
        if self._last_words:
            await self._socket.send_text(self._last_words)
        await self._socket.close(self._close)

    async def _send_some(self) -> bool:
        """Send frames and one piece of output. False if there was nothing to do."""
        if self._frames:
            await self._socket.send_text(self._frames.popleft())
            return True
        room = self.acked + WINDOW - self.sent
        if room <= 0 or self.sent >= self._log.end:
            return False
        limit = min(room, SEND_SIZE)
        stream, end = self._log.run(self.sent)
        data = self._log.newest(self.sent, min(limit, end - self.sent))
        if data is None:
            length = min(limit, self._log.start - self.sent)
            data, stream = await self._older(self.sent, length)
            if not data and self._whole:
                self._lose()
                return True
            # A best-effort journal may have lost these bytes. A gap reads as zero bytes, here as in the record:
            # terminals ignore them, and offsets stay what they are.
            data = data or self._gap(length)
        if stream != self.stream:
            self.stream = stream
            await self._socket.send_text(protocol.stream(stream, self.sent))
        self.sent += len(data)
        await self._socket.send_bytes(data)
        return True

    def _gap(self, length: int) -> bytes:
        if not self._told_of_gap:
            self._told_of_gap = True
            self._frames.append(protocol.notice("recording_gap", "Some output could not be kept and is missing."))
        return bytes(length)

    def _lose(self) -> None:
        """End here, whatever else was to be said: an exit code would make a result of what is none."""
        detail = (
            "Some of the program's output could not be kept and is missing from here on. The recording says how much."
        )
        self._close, self._last_words = Close.OUTPUT_LOST, protocol.error(Close.OUTPUT_LOST, detail)
        self._rest_matters = False

    async def _send_rest(self) -> None:
        """All there is, as long as the client goes on taking it. Raises `TimeoutError`."""
        while self._rest_matters and self.sent < self._log.end:
            async with asyncio.timeout(FAREWELL_TIMEOUT):
                if not await self._send_some():
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
                    self._waiter = None
