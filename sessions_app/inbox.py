"""What a client has sent and nobody has taken yet, with a bound: the ASGI server itself has none."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sessions_app.protocol import Close, FrameError

EARLY_INPUT = 1024 * 1024
"""Bytes a client may send before its session can take them: type-ahead, not a file."""

Message = dict[str, Any]
T = TypeVar("T")


class Gone(Exception):
    """The client closed the socket."""


class Inbox:
    """The messages of one socket, in order."""

    def __init__(self, receive: Callable[[], Awaitable[Message]]) -> None:
        self._receive = receive
        self._early: deque[Message] = deque()
        self._size = 0

    async def get(self) -> Message:
        """The next message. Raises `Gone`."""
        message = self._early.popleft() if self._early else await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        return message

    async def keep_while(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something else and keep what the client sends meanwhile.

        Raises `Gone` at once if the client leaves, and `FrameError` if it sends more than anybody types.
        """
        reading = asyncio.create_task(self._read_on())
        waiting = asyncio.create_task(work)
        try:
            await asyncio.wait({waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            return await waiting
        finally:
            for task in (waiting, reading):
                task.cancel()
            await asyncio.wait({waiting, reading})

    async def _read_on(self) -> None:
        while True:
            self._keep(await self._receive())

    def _keep(self, message: Message) -> None:
        if message["type"] == "websocket.disconnect":
            raise Gone
        self._size += len(message.get("bytes") or message.get("text") or "") + 1
        if self._size > EARLY_INPUT:
            raise FrameError("More input than a session takes before it has begun. Reconnect.", Close.TOO_SLOW)
        self._early.append(message)
