"""One exec's WebSocket to a Kubernetes API server.

The first byte of each message names its channel: 0 stdin, 1 stdout, 2 stderr, 3 the final status, 4 the terminal's
size, and in v5 255 closes the one that follows (https://kubernetes.io/docs/reference/command-line-tools-reference/,
"remotecommand" v4 and v5).

v4 cannot close stdin. There launch.sh takes stdin in frames and passes on what they hold.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp

from audit.journal import OutputStream
from sessions_app.backends.base import (
    READ_SIZE,
    WRITE_HIGH_WATER,
    BackendError,
    ExecSink,
    ExecStream,
    ProviderUnreachable,
)
from sessions_app.backends.kubernetes_cluster import CLOSING
from sessions_app.backends.kubernetes_errors import explain_exec_status
from sessions_app.backends.peers import peer_is_silent

KEEPALIVE = 20.0
"""Seconds between two pings: load balancers cut a connection that is silent for a minute."""

SILENCE = 3 * KEEPALIVE
"""Seconds without a byte or a pong after which the other side is taken for dead."""

HELD_UP = 4 * 1024
"""Bytes of input that, once sent and not known to be taken, may be what holds up the pongs: an API server reads its
messages in turn, and waits with the next one until the program has room for this one's."""

INPUT_WINDOW = 512 * 1024
"""Bytes of input that may be under way. More would wait in our own buffer once the program does not read, and an API
server that closes such a connection makes asyncio drop what it had said last: the program's exit code."""

PING_EVERY = 128 * 1024
"""Bytes of input after which a ping asks how far they have come."""

MAX_FRAME = 256 * 1024
"""Bytes of input in one frame for launch.sh, which starts a program to read each."""

STATUS_GRACE = 2.0
"""Seconds that may pass between an exec's status and the end of its stream."""

STDIN, STDOUT, STDERR, STATUS, RESIZE = range(5)
CLOSE = 255
_OUTPUT: dict[int, OutputStream] = {STDOUT: "stdout", STDERR: "stderr"}

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
        self._size = size
        """Still to be sent."""
        self._input = bytearray()
        self._framed = False
        self._frame_left = 0
        self._eof = self._eof_due = False
        self._sent = self._taken = 0
        """Bytes of input: those that went out, and those of them that the other side is known to have taken."""
        self._asked = 0
        """How many had gone out at the last ping."""
        self._took = asyncio.Event()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._reading = asyncio.Event()
        self._reading.set()
        self._heard = self._loop.time()
        self._status: object = None
        self._closing = False
        self._over = False
        self._task = self._loop.create_task(self._run())

    def frame_input(self) -> None:
        """Input goes in frames: to be called before the first of it."""
        self._framed = True

    # ExecStream

    def write(self, data: bytes) -> None:
        if self._over or self._eof:
            return
        self._input += data
        if len(self._input) >= WRITE_HIGH_WATER:
            self._drained.clear()
        self._wake.set()

    def write_eof(self) -> bool:
        if not self._framed and self._websocket.protocol != CLOSING:
            return False
        if not self._eof:
            self._eof = self._eof_due = True
            self._wake.set()
        return True

    async def drain(self) -> None:
        await self._drained.wait()

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        # Pongs could not be heard during the pause.
        self._heard = self._loop.time()
        self._reading.set()

    async def resize(self, cols: int, rows: int) -> None:
        if not self._over:
            self._size = (cols, rows)
            self._wake.set()

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
        helpers = [self._loop.create_task(self._write()), self._loop.create_task(self._keep_alive())]
        try:
            try:
                broken = await self._read()
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)
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
                    sink.output(data[1:], _OUTPUT[data[0]])
                elif len(data) > 1 and data[0] == STATUS:
                    self._status = _parsed(data[1:])
            elif message.type is aiohttp.WSMsgType.PING and await self._answer(data):
                continue
            elif message.type is aiohttp.WSMsgType.PONG:
                self._note_taken(data)
            else:
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

    def _note_taken(self, pong: bytes) -> None:
        """A pong says that the other side has taken what was sent before its ping, which says how much that was."""
        if pong.isdigit() and len(pong) < 20:
            self._taken = max(self._taken, min(int(pong), self._sent))
            self._took.set()

    async def _write(self) -> None:
        """Send what there is to send, in order. While the program does not read, this waits."""
        try:
            while True:
                while (message := self._next_message()) is not None:
                    await self._websocket.send_bytes(message)
                    if self._sent - self._asked >= PING_EVERY:
                        await self._ping()
                    while self._sent - self._taken >= INPUT_WINDOW:
                        self._took.clear()
                        await self._took.wait()
                self._wake.clear()
                await self._wake.wait()
        except (aiohttp.ClientError, OSError):
            return
        finally:
            self._drained.set()

    def _next_message(self) -> bytes | None:
        if self._size is not None:
            size, self._size = self._size, None
            return bytes((RESIZE,)) + json.dumps({"Width": size[0], "Height": size[1]}).encode()
        if self._input:
            return bytes((STDIN,)) + self._next_input()
        if self._eof_due:
            self._eof_due = False
            return b"\x000\n" if self._framed else bytes((CLOSE, STDIN))
        return None

    def _next_input(self) -> bytes:
        head = b""
        if self._framed and not self._frame_left:
            self._frame_left = min(len(self._input), MAX_FRAME)
            head = b"%d\n" % self._frame_left
        size = min(len(self._input), READ_SIZE, self._frame_left or READ_SIZE)
        data = bytes(self._input[:size])
        del self._input[:size]
        if self._framed:
            self._frame_left -= size
        if len(self._input) < WRITE_HIGH_WATER:
            self._drained.set()
        self._sent += size
        return head + data

    async def _keep_alive(self) -> None:
        """Ping, however much there is to send, and notice that nobody is there any more."""
        try:
            while True:
                await asyncio.sleep(KEEPALIVE)
                if self._is_dead():
                    await self._websocket.close()  # The reader sees it, and tells.
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(KEEPALIVE):
                        await self._ping()
        except (aiohttp.ClientError, OSError):
            return

    async def _ping(self) -> None:
        self._asked = self._sent
        await self._websocket.ping(b"%d" % self._sent)

    def _is_dead(self) -> bool:
        """Silence says so, unless it has another cause: output that we do not read, which hides the pongs, or input
        that the program does not read. Then only the kernel can tell whether the other side still answers."""
        if self._loop.time() - self._heard <= SILENCE:
            return False
        if self._reading.is_set() and self._sent - self._taken < HELD_UP:
            return True
        return peer_is_silent(self._websocket.get_extra_info("socket"), SILENCE)

    def _end(self, exit_code: int | None, error: BackendError | None) -> None:
        if self._over:
            return
        self._over = True
        self._drained.set()
        self._sink.closed(exit_code, error)


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")}
