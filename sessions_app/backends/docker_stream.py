"""One exec's connection to a Docker Engine: an asyncio protocol of our own on the raw socket.

The SDK hands out a blocking socket that needs a thread per session and, under TLS, carries ciphertext (docker-py#2276).
Here the bytes go from the event loop's read callback straight to the sink.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import cast

from sessions_app.backends.base import (
    CONNECT_TIMEOUT,
    READ_SIZE,
    WRITE_HIGH_WATER,
    BackendError,
    ExecSink,
    ExecStream,
    ProviderUnreachable,
)
from sessions_app.backends.docker_engine import Address, explain_status
from sessions_app.backends.docker_frames import Demultiplexer, NotFrames
from sessions_app.backends.tls import HalfClose

MAX_HEAD = 64 * 1024
"""Bytes of an HTTP response head, or of an error's body."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Ending = Callable[[], Awaitable[tuple[int | None, BackendError | None]]]
Resize = Callable[[int, int], Awaitable[None]]


def start_request(api_version: str, exec_id: str, *, tty: bool, size: tuple[int, int] | None) -> bytes:
    """The request that starts an exec and turns the connection into its stream. `size` is (rows, cols)."""
    options: dict[str, object] = {"Detach": False, "Tty": tty}
    if size is not None:
        options["ConsoleSize"] = size
    body = json.dumps(options).encode()
    head = (
        f"POST /v{api_version}/exec/{exec_id}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    return head.encode() + body


class DockerStream(asyncio.BufferedProtocol, ExecStream):
    """The connection, from the HTTP upgrade to its end."""

    def __init__(self, sink: ExecSink, buffer: memoryview, about: str, ending: Ending, resize: Resize | None) -> None:
        """`buffer` may be shared by all streams of one loop: it is filled and emptied within one callback. Without a
        terminal there is no `resize`."""
        self._sink = sink
        self._buffer = buffer
        self._about = about
        self._ending = ending
        self._resize = resize
        self._frames = Demultiplexer(sink.output) if resize is None else None
        self._half_close = HalfClose()
        self._broken: BackendError | None = None
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._request = b""
        self._head = bytearray()
        self._upgraded: asyncio.Future[None] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._writable = asyncio.Event()
        self._writable.set()
        self._finishing: asyncio.Task[None] | None = None
        self._closing = False
        self._over = False

    async def start(self, address: Address, request: bytes) -> None:
        """Connect, send the request and wait for the upgrade. Raises a `BackendError`."""
        try:
            self._request = request
            await address.connect(lambda: self)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await asyncio.shield(self._upgraded)
        except TimeoutError:
            await self.close()
            raise ProviderUnreachable("The Docker Engine did not start the program in time. Try again.") from None
        except BaseException:
            await self.close()
            raise

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self._transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._half_close.read(full=nbytes == len(self._buffer))
        if self._closing:
            return
        if self._upgraded.done():
            self._deliver(self._buffer[:nbytes])
        else:
            self._read_head(bytes(self._buffer[:nbytes]))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> None:
        # What asyncio would do by itself waits until all input is sent, which a program that is over does not read.
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        if not self._lost.done():
            self._lost.set_result(None)
        if not self._upgraded.done():
            self._refuse(ProviderUnreachable("The Docker Engine closed the connection before the program started."))
        elif not self._closing and self._upgraded.exception() is None:
            self._finishing = self._loop.create_task(self._finish())

    # ExecStream

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and not self._half_close.asked:
            transport.write(data)

    def write_eof(self) -> bool:
        if self._transport is not None and not self._over:
            self._half_close.ask(self._transport)
        return True

    async def drain(self) -> None:
        await self._writable.wait()

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._half_close.paused()
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()
            self._half_close.resumed()

    async def resize(self, cols: int, rows: int) -> None:
        if not self._over and self._resize is not None:
            await self._resize(cols, rows)

    async def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            # Not close(): that would wait for a program that does not read its input.
            self._transport.abort()
        if self._finishing is not None and not self._finishing.done():
            self._finishing.cancel()
            await asyncio.gather(self._finishing, return_exceptions=True)
        self._end(None, None)
        if self._transport is not None:
            await asyncio.shield(self._lost)

    # How it begins and ends

    def _deliver(self, data: memoryview) -> None:
        if self._frames is None:
            self._sink.output(bytes(data))
            return
        try:
            self._frames.feed(data)
        except NotFrames:
            self._broken = BackendError("The Docker Engine sent something that is no output of a program.")
            if self._transport is not None:
                self._transport.abort()

    def _read_head(self, data: bytes) -> None:
        self._head += data
        head, separator, rest = bytes(self._head).partition(b"\r\n\r\n")
        if not separator and len(self._head) <= MAX_HEAD:
            return
        status = _STATUS.match(head)
        code = int(status[1]) if status else 500
        if separator and code in (101, 200):
            self._upgraded.set_result(None)
            self._head.clear()
            if rest:
                self._deliver(memoryview(rest))
            return
        length = _LENGTH.search(head)
        if len(rest) >= min(int(length[1]) if length else 0, MAX_HEAD):
            self._refuse(explain_status(code, _message(rest), self._about))

    def _refuse(self, error: BackendError) -> None:
        if not self._upgraded.done():
            self._upgraded.set_exception(error)
            # Retrieved here, as the one who waited for it may have been cancelled.
            self._upgraded.exception()

    async def _finish(self) -> None:
        exit_code: int | None = None
        error: BackendError | None = BackendError("The stream ended and the Docker Engine could not be asked why.")
        try:
            if self._broken is None:
                exit_code, error = await self._ending()
            else:
                error = self._broken
        finally:
            if not self._closing:
                self._end(exit_code, error)

    def _end(self, exit_code: int | None, error: BackendError | None) -> None:
        if self._over:
            return
        self._over = True
        if self._upgraded.done() and not self._upgraded.cancelled() and self._upgraded.exception() is None:
            self._sink.closed(exit_code, error)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace") or "no reason given"


def read_buffer() -> memoryview:
    """A buffer for the streams of one event loop."""
    return memoryview(bytearray(READ_SIZE))
