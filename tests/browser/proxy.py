"""A network that the test can take away: a TCP proxy between the browser and the portal."""

import asyncio
from contextlib import suppress

CHUNK = 64 * 1024


class Network:
    """Passes bytes both ways until it is cut; then every connection breaks and none can be made until it is mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._lost: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where the browser finds the portal."""
        return f"http://127.0.0.1:{self._port}"

    async def mend(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break what is there, and refuse what comes."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        if self._server is not None:
            await self._server.wait_closed()

    def swallow(self) -> None:
        """What is there stays open, and nothing arrives any more: a closed lid, a dead router. New ones work."""
        self._lost |= self._writers

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, back}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass_on(reader, back))
                tasks.create_task(self._pass_on(there, writer))
        finally:
            for end in (writer, back):
                self._writers.discard(end)
                self._lost.discard(end)
                end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if writer not in self._lost:
                    writer.write(data)
                    await writer.drain()
        if writer not in self._lost:
            writer.close()
