"""`porthole exec`: a program's three streams, apart and byte for byte, without a terminal."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from functools import partial
from typing import Any, TypeVar

from porthole.failures import Failure
from porthole.link import Link, Outcome
from porthole.portal import Portal
from porthole.printing import clean
from porthole.protocol import Frame
from porthole.tty import write_all

READ_SIZE = 64 * 1024
STDIN, STDOUT, STDERR = 0, 1, 2
DESCRIPTORS = {"stdout": STDOUT, "stderr": STDERR}

END_TIMEOUT = 5.0
"""Seconds the portal gets to be told that the program is no longer wanted."""

T = TypeVar("T")

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class PipeWindow:
    """What a `Link` moves bytes for: stdin one way, stdout and stderr the other."""

    def __init__(self) -> None:
        self.link: Link | None = None
        self._stream = STDOUT
        self._switches: deque[tuple[int, int]] = deque()
        self._room = asyncio.Event()

    # --- what the link tells ---------------------------------------------------------------------------------------

    def size(self) -> tuple[int, int]:
        return 80, 24

    def attached(self, frame: Frame, *, again: bool) -> None:
        self._switches.clear()
        self._stream = DESCRIPTORS.get(str(frame.get("stream")), STDOUT)
        if again:
            _say("Connected again.")
        if self.link is not None and not self.link.input.waiting:
            self._room.set()

    def waiting(self, seconds: float) -> None:
        _say(f"The connection is lost. Trying again in {seconds:.1f} s.")

    def taken(self) -> None:
        self._room.set()

    async def draw(self, screen: str) -> None:
        """Nothing is drawn here."""

    def told(self, frame: Frame) -> None:
        if frame.get("type") == "stream" and frame.get("stream") in DESCRIPTORS:
            self._switches.append((int(frame["offset"]), DESCRIPTORS[frame["stream"]]))
        elif frame.get("type") in ("notice", "state") and frame.get("detail"):
            _say(clean(frame["detail"]))

    async def write(self, data: bytes, offset: int) -> None:
        loop = asyncio.get_running_loop()
        while data:
            while self._switches and self._switches[0][0] <= offset:
                self._stream = self._switches.popleft()[1]
            length = min(len(data), self._switches[0][0] - offset) if self._switches else len(data)
            await loop.run_in_executor(None, write_all, self._stream, data[:length])
            data = data[length:]
            offset += length

    # --- stdin -----------------------------------------------------------------------------------------------------

    async def feed(self) -> None:
        """Read stdin to its end, no faster than the program takes it."""
        assert self.link is not None
        while True:
            await self._room.wait()
            data = await _read(STDIN)
            if not data:
                self.link.end_input()
                return
            self._room.clear()
            self.link.type(data)


def run(portal: Portal, uid: str, ticket: str, *, stdin: bool) -> Outcome:
    """Join the program's streams to ours until it is over. Raises `Failure` and `BrokenPipeError`."""
    return asyncio.run(_run(portal, uid, ticket, stdin=stdin))


async def _run(portal: Portal, uid: str, ticket: str, *, stdin: bool) -> Outcome:
    loop = asyncio.get_running_loop()
    window = PipeWindow()
    window.link = Link(portal, uid, ticket, window, offset=0, typed=False)
    dying: asyncio.Future[signal.Signals] = loop.create_future()
    for number in ENDING_SIGNALS:
        loop.add_signal_handler(number, partial(_set, dying, number))
    feeding = loop.create_task(window.feed()) if stdin else None
    if feeding is None:
        window.link.end_input()
    running = loop.create_task(window.link.run())
    try:
        either: set[asyncio.Future[Any]] = {running, dying}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await _end(portal, uid)
            signal.signal(dying.result(), signal.SIG_DFL)
            os.kill(os.getpid(), dying.result())
        return running.result()
    except BrokenPipeError:
        await _end(portal, uid)
        raise
    finally:
        if feeding is not None:
            feeding.cancel()
        running.cancel()


async def _end(portal: Portal, uid: str) -> None:
    """Nobody wants the program's output any more: end it, and do not leave it to the portal to notice."""
    with contextlib.suppress(Failure, TimeoutError):
        async with asyncio.timeout(END_TIMEOUT):
            await asyncio.to_thread(portal.post, f"sessions/{uid}/terminate/", {"reason": ""})


async def _read(descriptor: int) -> bytes:
    """What there is of the input, at least a byte; none at its end."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(descriptor, _set, ready, None)
    except PermissionError:  # a file, which is always ready
        return await loop.run_in_executor(None, os.read, descriptor, READ_SIZE)
    except OSError:  # closed
        return b""
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    try:
        return os.read(descriptor, READ_SIZE)
    except OSError:
        return b""


def _set(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)


def _say(sentence: str) -> None:
    print(f"porthole: {sentence}", file=sys.stderr)
