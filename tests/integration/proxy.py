"""A network that a test can take away: a TCP proxy on the loopback whose connections stall and go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

PIECE = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Passes bytes on until it is frozen. A stalled connection loses nothing, as TCP sends again what was not taken."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._gates: list[asyncio.Event] = []
        self._frozen = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def freeze(self) -> None:
        """Nothing passes any more, on new connections neither."""
        self._frozen = True
        self.freeze_existing()

    def freeze_existing(self) -> None:
        """The connections that are open now die silently; new ones work."""
        for gate in self._gates:
            gate.clear()

    def thaw(self) -> None:
        """The network is back."""
        self._frozen = False
        for gate in self._gates:
            gate.set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has connected."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cut every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gate = asyncio.Event()
        if not self._frozen:
            gate.set()
        self._gates.append(gate)
        try:
            await gate.wait()
            there_reader, there_writer = await self._connect()
            pumps = [_pump(reader, there_writer, gate), _pump(there_reader, writer, gate)]
            await asyncio.gather(*pumps)
        except OSError:
            return
        finally:
            writer.close()
            self._gates.remove(gate)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    try:
        while True:
            piece = await reader.read(PIECE)
            await gate.wait()
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def proxy_to(target: str) -> AsyncIterator[Proxy]:
    """A proxy to `unix:///path`, or to `http://host:port`."""
    scheme, _, place = target.partition("://")

    async def connect() -> Streams:
        if scheme == "unix":
            return await asyncio.open_unix_connection(place)
        host, _, port = place.partition(":")
        return await asyncio.open_connection(host, int(port))

    proxy = Proxy(connect)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
