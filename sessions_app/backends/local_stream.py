"""One program on a pty of this machine."""

import asyncio
import fcntl
import os
import struct
import termios
from collections import deque

from sessions_app.backends.base import READ_SIZE, WRITE_HIGH_WATER, BackendError, ExecSink, ExecStream

LEFT_READS = 64
"""Reads of what a program left in the pty, which holds less than that."""


def set_size(terminal: int, cols: int, rows: int) -> None:
    """Set a terminal's size; its foreground processes are told by the kernel."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


class LocalStream(ExecStream):
    """The portal's end of the pty, read and written by the event loop's callbacks."""

    def __init__(self, sink: ExecSink, terminal: int, process: asyncio.subprocess.Process) -> None:
        """Takes over `terminal`, which `close` or the program's end closes."""
        self._sink = sink
        self._terminal = terminal
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[memoryview] = deque()
        self._queued = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._paused = False
        self._exited = False
        self._open = True
        os.set_blocking(terminal, False)
        self._loop.add_reader(terminal, self._read)
        self._exit = self._loop.create_task(self._wait_for_exit())

    def write(self, data: bytes) -> None:
        if not self._open or not data:
            return
        self._waiting.append(memoryview(data))
        self._queued += len(data)
        if len(self._waiting) == 1:
            self._send()
        elif self._queued >= WRITE_HIGH_WATER:
            self._drained.clear()

    async def drain(self) -> None:
        await self._drained.wait()

    def pause_reading(self) -> None:
        self._paused = True
        if self._open:
            self._loop.remove_reader(self._terminal)

    def resume_reading(self) -> None:
        if self._paused and self._open:
            self._loop.add_reader(self._terminal, self._read)
            if self._exited:
                self._loop.call_soon(self._read_rest)
        self._paused = False

    async def resize(self, cols: int, rows: int) -> None:
        if self._open:
            set_size(self._terminal, cols, rows)

    async def close(self) -> None:
        self._end(None)
        self._exit.cancel()
        await asyncio.gather(self._exit, return_exceptions=True)

    def _read(self) -> bool:
        """Deliver what there is, once. False: there was nothing."""
        if not self._open or self._paused:
            return False
        try:
            data = os.read(self._terminal, READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: nobody holds the other end any more.
        if data:
            self._sink.output(data)
            return True
        self._loop.remove_reader(self._terminal)
        return False

    async def _wait_for_exit(self) -> None:
        await self._process.wait()
        self._exited = True
        self._read_rest()

    def _read_rest(self) -> None:
        """After the program's exit: deliver what it left in the pty, then end. A pause in the middle ends it later.

        What it started in the background may print on without end: that is no reason to keep the loop for itself.
        """
        for _ in range(LEFT_READS):
            if not self._read():
                break
        if not self._paused:
            self._end(self._process.returncode)

    def _send(self) -> None:
        while self._waiting:
            chunk = self._waiting[0]
            try:
                sent = os.write(self._terminal, chunk)
            except BlockingIOError:
                self._loop.add_writer(self._terminal, self._send)
                break
            except OSError:
                self._waiting.clear()
                self._queued = 0
                break
            self._queued -= sent
            if sent == len(chunk):
                self._waiting.popleft()
            else:
                self._waiting[0] = chunk[sent:]
        if not self._waiting:
            self._loop.remove_writer(self._terminal)
        if self._queued < WRITE_HIGH_WATER:
            self._drained.set()
        else:
            self._drained.clear()

    def _end(self, returncode: int | None, error: BackendError | None = None) -> None:
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._terminal)
        self._loop.remove_writer(self._terminal)
        # Closing it hangs up the terminal's foreground processes.
        os.close(self._terminal)
        self._waiting.clear()
        self._drained.set()
        # Python says -9 where a shell, and the container engines, say 137.
        exit_code = 128 - returncode if returncode is not None and returncode < 0 else returncode
        self._sink.closed(exit_code, error)
