"""One program on a pty or on pipes of this machine."""

import asyncio
import fcntl
import os
import struct
import termios
from collections import deque

from audit.journal import OutputStream
from sessions_app.backends.base import READ_SIZE, WRITE_HIGH_WATER, BackendError, ExecSink, ExecStream

LEFT_READS = 64
"""Reads of what a program left in the pty or a pipe, which hold less than that."""


def set_size(terminal: int, cols: int, rows: int) -> None:
    """Set a terminal's size; its foreground processes are told by the kernel."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


class LocalStream(ExecStream):
    """The portal's end of the pty or the pipes, read and written by the event loop's callbacks."""

    def __init__(
        self,
        sink: ExecSink,
        process: asyncio.subprocess.Process,
        *,
        terminal: int | None = None,
        pipes: tuple[int, int, int] | None = None,
    ) -> None:
        """Takes over `terminal`, or `pipes` (to stdin, from stdout and stderr): `close` or the program's end closes
        them."""
        self._sink = sink
        self._terminal = terminal
        self._sources: dict[int, OutputStream]
        if pipes is not None:
            stdin, stdout, stderr = pipes
            self._sources = {stdout: "stdout", stderr: "stderr"}
        else:
            assert terminal is not None
            stdin, self._sources = terminal, {terminal: "stdout"}
        self._input = stdin
        self._input_open = True
        self._eof = False
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[memoryview] = deque()
        self._queued = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._paused = False
        self._exited = False
        self._open = True
        for descriptor in {stdin, *self._sources}:
            os.set_blocking(descriptor, False)
        self._watch()
        self._exit = self._loop.create_task(self._wait_for_exit())

    def write(self, data: bytes) -> None:
        if not self._input_open or self._eof or not data:
            return
        self._waiting.append(memoryview(data))
        self._queued += len(data)
        if len(self._waiting) == 1:
            self._send()
        elif self._queued >= WRITE_HIGH_WATER:
            self._drained.clear()

    def write_eof(self) -> bool:
        self._eof = True
        if not self._waiting:
            self._close_input()
        return True

    async def drain(self) -> None:
        await self._drained.wait()

    def pause_reading(self) -> None:
        self._paused = True
        if self._open:
            for source in self._sources:
                self._loop.remove_reader(source)

    def resume_reading(self) -> None:
        if self._paused and self._open:
            self._watch()
            if self._exited:
                self._loop.call_soon(self._read_rest)
        self._paused = False

    async def resize(self, cols: int, rows: int) -> None:
        if self._open and self._terminal is not None:
            set_size(self._terminal, cols, rows)

    async def close(self) -> None:
        self._end(None)
        self._exit.cancel()
        await asyncio.gather(self._exit, return_exceptions=True)

    def _watch(self) -> None:
        for source in self._sources:
            self._loop.add_reader(source, self._read, source)

    def _read(self, source: int) -> bool:
        """Deliver what there is, once. False: there was nothing."""
        if not self._open or self._paused:
            return False
        try:
            data = os.read(source, READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: nobody holds the other end any more.
        if data:
            self._sink.output(data, self._sources[source])
            return True
        self._loop.remove_reader(source)
        return False

    async def _wait_for_exit(self) -> None:
        await self._process.wait()
        self._exited = True
        self._read_rest()

    def _read_rest(self) -> None:
        """After the program's exit: deliver what it left, then end. A pause in the middle ends it later.

        What it started in the background may print on without end: that is no reason to keep the loop for itself.
        """
        for source in self._sources:
            for _ in range(LEFT_READS):
                if not self._read(source):
                    break
        if not self._paused:
            self._end(self._process.returncode)

    def _send(self) -> None:
        while self._waiting:
            chunk = self._waiting[0]
            try:
                sent = os.write(self._input, chunk)
            except BlockingIOError:
                self._loop.add_writer(self._input, self._send)
                break
            except OSError:
                # Nobody reads it any more.
                self._waiting.clear()
                self._queued = 0
                break
            self._queued -= sent
            if sent == len(chunk):
                self._waiting.popleft()
            else:
                self._waiting[0] = chunk[sent:]
        if not self._waiting:
            self._loop.remove_writer(self._input)
            if self._eof:
                self._close_input()
        if self._queued < WRITE_HIGH_WATER:
            self._drained.set()
        else:
            self._drained.clear()

    def _close_input(self) -> None:
        if self._input_open and self._input != self._terminal:
            self._input_open = False
            self._loop.remove_writer(self._input)
            os.close(self._input)

    def _end(self, returncode: int | None, error: BackendError | None = None) -> None:
        if not self._open:
            return
        self._open = False
        self._close_input()
        self._input_open = False
        for source in self._sources:
            self._loop.remove_reader(source)
            self._loop.remove_writer(source)
            # Closing a terminal hangs up its foreground processes.
            os.close(source)
        self._waiting.clear()
        self._drained.set()
        # Python says -9 where a shell, and the container engines, say 137.
        exit_code = 128 - returncode if returncode is not None and returncode < 0 else returncode
        self._sink.closed(exit_code, error)
