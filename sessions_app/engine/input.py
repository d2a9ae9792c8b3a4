"""A session's input on its way from the controller to the container."""

import asyncio
from collections import deque
from collections.abc import Callable

from sessions_app import protocol
from sessions_app.backends.base import ExecStream
from sessions_app.engine.viewer import Viewer

STDIN_STAYS_OPEN = (
    "This cluster cannot close a program's stdin, and the container has no shell that could help. "
    "What waits for its end waits on; end the session if it does."
)

INPUT_BUFFER = 4 * 1024 * 1024
"""Bytes of input that may wait for the container. A client that sends more without minding `input_ack` is cut off."""

INPUT_STRIDE = 64 * 1024
"""Bytes of input after which the engine waits for the container to take them, and tells the client."""


class InputQueue:
    """Keystrokes go straight to the stream; whatever is more than it takes at once waits here, and `run` passes it on.

    It belongs to the session and not to a socket: what was accepted reaches the program although its window has gone.
    """

    def __init__(self) -> None:
        self.accepted = 0
        """Bytes taken from all windows so far."""
        self.ended = False
        """The last byte was accepted: the program's stdin is closed, or will be after what waits."""
        self._stream: ExecStream | None = None
        self._waiting: deque[tuple[Viewer, bytes]] = deque()
        self._size = 0
        self._stride = 0
        self._draining = False
        self._closed = False
        self._full = asyncio.Event()

    def connect(self, stream: ExecStream) -> None:
        """The exec stream is open."""
        self._stream = stream
        if self._waiting or self.ended:
            self._full.set()

    def put(self, viewer: Viewer, data: bytes) -> bool:
        """Take a window's input. False: too much waits already, and nothing of it was taken."""
        if self._stream is not None and not self._draining and not self._waiting:
            self._pass_on(self._stream, viewer, data)
        elif self._size + len(data) > INPUT_BUFFER:
            return False
        else:
            self._waiting.append((viewer, data))
            self._size += len(data)
        self.accepted += len(data)
        return True

    def end(self) -> None:
        """No more input follows."""
        if not self.ended:
            self.ended = True
            self._full.set()

    def drop(self) -> None:
        """What waits is not passed on any more."""
        self._waiting.clear()
        self._size = 0

    async def run(self, controller: Callable[[], Viewer | None]) -> None:
        """Pass on what waits, until cancelled, and tell the controller how far its input has come."""
        while True:
            await self._full.wait()
            self._full.clear()
            stream = self._stream
            if stream is None:
                continue
            await stream.drain()
            self._draining = False
            self._stride = 0
            while self._waiting and not self._draining:
                viewer, data = self._waiting.popleft()
                self._size -= len(data)
                self._pass_on(stream, viewer, data)
            now = controller()
            if now is not None:
                now.tell(protocol.input_ack(now.input_taken))
            if self.ended and not self._waiting and not self._draining and not self._closed:
                self._closed = True
                if not stream.write_eof() and now is not None:
                    now.tell(protocol.notice("stdin_stays_open", STDIN_STAYS_OPEN))

    def _pass_on(self, stream: ExecStream, viewer: Viewer, data: bytes) -> None:
        stream.write(data)
        viewer.input_taken += len(data)
        self._stride += len(data)
        if self._stride >= INPUT_STRIDE:
            self._draining = True
            self._full.set()
