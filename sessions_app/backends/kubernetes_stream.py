"""One exec's WebSocket to a Kubernetes API server.

The first byte of each message names its channel: 0 stdin, 1 stdout, 2 stderr, 3 the final status, 4 the terminal's size
(https://kubernetes.io/docs/reference/command-line-tools-reference/, "remotecommand" v4 and v5).
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp

from sessions_app.backends.base import (
    READ_SIZE,
    WRITE_HIGH_WATER,
    BackendError,
    ExecSink,
    ExecStream,
    ProviderUnreachable,
)
from sessions_app.backends.kubernetes_errors import explain_exec_status

KEEPALIVE = 20.0
"""Seconds between two pings: load balancers cut a connection that is silent for a minute."""

SILENCE = 3 * KEEPALIVE
"""Seconds without a byte or a pong after which the other side is taken for dead."""

STATUS_GRACE = 2.0
"""Seconds that may pass between an exec's status and the end of its stream."""

STDIN, STDOUT, STDERR, STATUS, RESIZE = range(5)
_OUTPUT = (STDOUT, STDERR)

Ending = Callable[[int | None, BackendError | None], Awaitable[tuple[int | None, BackendError | None]]]


class KubernetesStream(ExecStream):
    """The connection, from the upgrade to its end. One task owns it."""

    def __init__(
        self,
        websocket: aiohttp.ClientWebSocketResponse,
        sink: ExecSink,
        ending: Ending,
        size: tuple[int, int] | None,
    ) -> None:
        """`ending` is asked what an exit code, or an end without one, really means. `size` is (cols, rows)."""
        self._websocket = websocket
        self._sink = sink
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._reading = asyncio.Event()
        self._reading.set()
        self._heard = self._loop.time()
        self._status: object = None
        self._closing = False
        self._over = False
        if size is not None:
            self._queue(RESIZE, _size(*size))
        self._task = self._loop.create_task(self._run())

    # ExecStream

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), READ_SIZE):
            self._queue(STDIN, data[start : start + READ_SIZE])

    async def drain(self) -> None:
        await self._drained.wait()

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        # Pongs could not be heard during the pause.
        self._heard = self._loop.time()
        self._reading.set()

    async def resize(self, cols: int, rows: int) -> None:
        self._queue(RESIZE, _size(cols, rows))

    async def close(self) -> None:
        self._closing = True
        if not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._websocket.close()
        self._end(None, None)

    # How it runs and ends

    async def _run(self) -> None:
        exit_code: int | None = None
        error: BackendError | None = BackendError("The stream ended and the cluster could not be asked why.")
        writer = self._loop.create_task(self._write_frames())
        try:
            try:
                broken = await self._read()
            finally:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
            await self._websocket.close()
            status, failure = explain_exec_status(self._status)
            exit_code, error = await self._ending(status, failure or broken)
        finally:
            # Whatever went wrong: a session must not stay active on a stream that is dead.
            if not self._closing:
                self._end(exit_code, error)

    async def _read(self) -> BackendError | None:
        """Deliver output until the stream's end. Returns what broke it, if something did."""
        websocket, sink = self._websocket, self._sink
        while True:
            if not self._reading.is_set():
                await self._reading.wait()
            try:
                message = await websocket.receive(STATUS_GRACE if self._status is not None else None)
            except TimeoutError:
                return None
            self._heard = self._loop.time()
            data = message.data
            if message.type is aiohttp.WSMsgType.BINARY:
                if len(data) > 1 and data[0] in _OUTPUT:
                    sink.output(data[1:])
                elif len(data) > 1 and data[0] == STATUS:
                    self._status = _parsed(data[1:])
            elif message.type is aiohttp.WSMsgType.PING and await self._answer(data):
                continue
            elif message.type is not aiohttp.WSMsgType.PONG:
                if self._status is not None:
                    return None
                return ProviderUnreachable("The connection to the cluster broke while the program was running.")

    async def _answer(self, ping: bytes) -> bool:
        """Answer a ping. False: the connection takes nothing any more."""
        try:
            await self._websocket.pong(ping)
        except (aiohttp.ClientError, OSError):
            return False
        return True

    async def _write_frames(self) -> None:
        """Send what is queued, in order, and a ping whenever it is time for one, however much there is to send."""
        ping_at = self._loop.time() + KEEPALIVE
        try:
            while True:
                while self._frames and self._loop.time() < ping_at:
                    frame = self._frames.popleft()
                    await self._websocket.send_bytes(frame)
                    self._queued -= len(frame)
                    if self._queued < WRITE_HIGH_WATER:
                        self._drained.set()
                if self._loop.time() >= ping_at:
                    if self._reading.is_set() and self._loop.time() - self._heard > SILENCE:
                        await self._websocket.close()  # The reader sees it, and tells.
                        return
                    await self._websocket.ping()
                    ping_at = self._loop.time() + KEEPALIVE
                    continue
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(ping_at):
                        await self._wake.wait()
        except (aiohttp.ClientError, OSError):
            return
        finally:
            self._drained.set()

    def _queue(self, channel: int, data: bytes) -> None:
        if self._over:
            return
        self._frames.append(bytes((channel,)) + data)
        self._queued += len(data) + 1
        if self._queued >= WRITE_HIGH_WATER:
            self._drained.clear()
        self._wake.set()

    def _end(self, exit_code: int | None, error: BackendError | None) -> None:
        if self._over:
            return
        self._over = True
        self._drained.set()
        self._sink.closed(exit_code, error)


def _size(cols: int, rows: int) -> bytes:
    return json.dumps({"Width": cols, "Height": rows}).encode()


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")}
