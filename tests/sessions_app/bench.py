"""A live session without a server: the engine, a journal on the disk, a program on a pty, and windows that look on."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from audit.journal import JournalError, JournalHeader, JournalWriter, read_output
from sessions_app.backends.base import BackendError, Container, ExecRequest, ExecStream
from sessions_app.backends.local import LocalBackend
from sessions_app.engine.session import LiveSession
from sessions_app.engine.viewer import Mode, Viewer
from sessions_app.record import reader_of
from sessions_app.words import Kind, Via, new_uid

PATIENCE = 15.0

RAW_CAT = ("sh", "-c", "stty raw -echo; printf ready; exec cat")
"""Gives back every byte it gets, as it is."""

MULTIBYTE = "äß€漢字𝄞👩‍👩‍👧é".encode()

MUCH = ("sh", "-c", "stty raw; yes | head -c 60000000; exec sleep 600")
"""Prints as fast as it can, for long enough."""


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait for a condition; fail after PATIENCE."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, what or "waited in vain"
        await asyncio.sleep(0.002)


class Window:
    """The transport of one viewer: keeps what it is sent. With `open` cleared it takes nothing, as a stuck client."""

    def __init__(self, live: LiveSession, *, acks: bool) -> None:
        self.output = bytearray()
        self.frames: list[dict[str, Any]] = []
        self.code: int | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.viewer: Viewer
        self._live, self._acks = live, acks
        self.offset = 0

    async def send_bytes(self, data: bytes) -> None:
        await self.open.wait()
        self.output += data
        if self._acks:
            self._live.ack(self.viewer, self.offset + len(self.output))

    async def send_text(self, text: str) -> None:
        await self.open.wait()
        self.frames.append(json.loads(text))

    async def close(self, code: int) -> None:
        self.code = int(code)

    def told(self, type_: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == type_]

    def type(self, data: bytes) -> None:
        self._live.feed(self.viewer, data)


class Stream(ExecStream):
    """The real stream, with a note of what the engine asked of it."""

    def __init__(self, inner: ExecStream) -> None:
        self._inner = inner
        self.sizes: list[tuple[int, int]] = []
        self.paused = False

    def write(self, data: bytes) -> None:
        self._inner.write(data)

    def write_eof(self) -> bool:
        return self._inner.write_eof()

    async def drain(self) -> None:
        await self._inner.drain()

    def pause_reading(self) -> None:
        self.paused = True
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self.paused = False
        self._inner.resume_reading()

    async def resize(self, cols: int, rows: int) -> None:
        self.sizes.append((cols, rows))
        await self._inner.resize(cols, rows)

    async def close(self) -> None:
        await self._inner.close()


class Bench:
    """One live session and everything around it. It is the engine's owner."""

    def __init__(self, folder: Path, *, strict: bool, quota: int, tty: bool) -> None:
        self.uid = new_uid(Kind.SHELL, Via.API)
        self.folder = folder / self.uid
        self.journal = JournalWriter.create(self.folder, JournalHeader(self.uid, 80, 24, "", tty=tty))
        self.live = LiveSession(
            self.uid,
            self.journal,
            self,
            older=lambda: reader_of(self.folder, tty=tty),
            cols=80,
            rows=24,
            strict=strict,
            output_quota=quota,
            tty=tty,
        )
        self.stream: Stream
        self.exit: tuple[int | None, BackendError | None] | None = None
        self.failures: list[JournalError] = []
        self.quota_reports = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def stream_closed(self, exit_code: int | None, error: BackendError | None) -> None:
        self.exit = exit_code, error

    def recording_failed(self, error: JournalError) -> None:
        self.failures.append(error)
        self.live.shut()

    def quota_reached(self) -> None:
        self.quota_reports += 1
        self.live.shut()

    def record(self) -> bytes:
        """What stands in the journal."""
        return read_output(self.folder, 0, self.live.log.end)

    def window(self, mode: Mode = "control", *, offset: int = 0, acks: bool = True) -> Window:
        """Attach a window from `offset` on."""
        window = Window(self.live, acks=acks)
        window.offset = offset
        window.viewer = self.live.new_viewer(window, offset=offset, mode=mode, user_id=0)
        self.live.attach(window.viewer)
        self.run(self._serve(window.viewer))
        return window

    async def _serve(self, viewer: Viewer) -> None:
        try:
            await viewer.run()
        finally:
            self.live.leave(viewer)

    def run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


@asynccontextmanager
async def bench(
    folder: Path,
    argv: Sequence[str] = RAW_CAT,
    *,
    strict: bool = True,
    quota: int = 2**40,
    connect: bool = True,
    tty: bool = True,
) -> AsyncIterator[Bench]:
    """A live session that runs `argv`; afterwards nothing of it is left."""
    backend = LocalBackend()
    it = Bench(folder, strict=strict, quota=quota, tty=tty)
    container = Container("local")
    try:
        it.run(it.live.run())
        it.stream = Stream(await backend.exec(ExecRequest(it.uid, container, argv=argv, tty=tty), it.live))
        if connect:
            it.live.connect(it.stream)
        yield it
    finally:
        it.stream.pause_reading()
        await backend.end_processes(it.uid, container, kill_protected=True)
        await backend.close()
        await it.stop()
        it.journal.close()
