"""A client of exec: sends stdin as it is taken, tells stdout from stderr, and goes on after a lost connection."""

import asyncio
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.sessions_app.terminal import PATIENCE, Client, Terminal

FRAME = 64 * 1024
UNDER_WAY = 256 * 1024
"""Bytes of stdin that are sent and not acknowledged, at most."""


class Exec:
    """One exec session and what its streams have said so far, over however many sockets."""

    def __init__(self, client: Client, session: dict[str, Any], given: bytes = b"", *, eof: bool = True) -> None:
        self.client, self.session, self.uid = client, session, str(session["uid"])
        self.out = {"stdout": bytearray(), "stderr": bytearray()}
        self.offset = 0
        self.sockets = 0
        self.ended: dict[str, Any] = {}
        self.notices: list[str] = []
        self.given, self.eof = given, eof
        self._stream = "stdout"

    async def run(self, *, drop_at: tuple[int, ...] = (), urls: tuple[str, ...] = ()) -> dict[str, Any]:
        """Until it has ended; the connection is lost each time when so many bytes of output have come, and another
        one is made, in turn through `urls`. Returns the `ended` frame."""
        drops = list(drop_at)
        while not self.ended:
            if urls:
                self.client.url = urls[self.sockets % len(urls)]
            ticket = self.session["ticket"] if not self.sockets else None
            terminal = await self.client.dial(self.uid, ticket=ticket)
            self.sockets += 1
            try:
                await self._talk(terminal, drops.pop(0) if drops else None)
            finally:
                await terminal.drop()
        return self.ended

    async def _talk(self, terminal: Terminal, drop_at: int | None) -> None:
        await terminal.send(type="hello", offset=self.offset)
        attached = await terminal.frame("attached")
        assert attached["offset"] == self.offset
        self._stream = attached["stream"]
        self._sent = self._taken = self._base = attached["input"]
        self._room = asyncio.Event()
        feeding = asyncio.create_task(self._feed(terminal))
        try:
            while not self.ended and (drop_at is None or self.offset < drop_at):
                await self._take(terminal)
        except ConnectionClosed:
            return
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def _feed(self, terminal: Terminal) -> None:
        try:
            while self._sent < len(self.given):
                data = self.given[self._sent : self._sent + FRAME]
                self._sent += len(data)
                await terminal.connection.send(data)
                while self._sent - self._taken >= UNDER_WAY:
                    self._room.clear()
                    await self._room.wait()
            if self.eof:
                await terminal.send(type="eof")
        except ConnectionClosed:
            return

    async def _take(self, terminal: Terminal) -> None:
        taken = len(terminal.output)
        if not terminal.frames:
            await terminal.step()
            if terminal.code is not None:
                raise ConnectionClosed(None, None)
        if data := terminal.output[taken:]:
            self.out[self._stream] += data
            self.offset += len(data)
            terminal.output.clear()
            terminal.start = self.offset
        for frame in terminal.frames:
            match frame["type"]:
                case "stream":
                    assert frame["offset"] == self.offset
                    assert frame["stream"] != self._stream
                    self._stream = frame["stream"]
                case "input_ack":
                    self._taken = self._base + frame["bytes"]
                    self._room.set()
                case "notice":
                    self.notices.append(frame["code"])
                case "ended":
                    self.ended = frame
        terminal.frames.clear()


async def start(client: Client, *command: str, given: bytes = b"", eof: bool = True, **wanted: Any) -> Exec:
    """A requested exec."""
    return Exec(client, await client.open(kind="exec", command=list(command), **wanted), given, eof=eof)


async def within(running: Any, patience: float = 2 * PATIENCE) -> Any:
    """Its result, or a failure."""
    async with asyncio.timeout(patience):
        return await running
