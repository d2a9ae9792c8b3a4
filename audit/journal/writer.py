"""The append-only writer: what stands between a container's output and everybody who sees it."""

import errno
import os
import threading
from pathlib import Path
from time import monotonic_ns

from audit.journal.files import explain, explained, lock, make_folder, open_folder, open_in, write_all
from audit.journal.layout import (
    MAX_TEXT,
    OUTPUT,
    TIMELINE,
    JournalError,
    JournalHeader,
    OutputStream,
    encode_count,
    encode_header,
    encode_text,
)

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL


class JournalWriter:
    """Appends to one journal. Used from one thread; `sync` may run in another.

    The clock is monotonic from `create` on. Every method raises `JournalError` if the disk refuses; a call that raised
    left no torn line behind that `recover` does not repair, and may be tried again: nothing of it counts.

    Both files are written at explicit positions, so a failed or repeated call overwrites its own remains.
    """

    def __init__(self, directory: int, output: int, timeline: int, timeline_size: int) -> None:
        """Use `create`."""
        self._directory = directory
        self._output = output
        self._timeline = timeline
        self._offset = 0
        self._timeline_size = timeline_size
        self._started = monotonic_ns()
        self._torn = False
        self._synced: tuple[int, int] | None = None
        self._stream: OutputStream = "stdout"
        # fsync in another thread must not meet a descriptor that `close` has let go (and somebody else got).
        self._closing = threading.Lock()

    @classmethod
    def create(cls, folder: Path, header: JournalHeader) -> "JournalWriter":
        """Make the folder (mode 0700, files 0600) and write the header. Raises `JournalError` if it exists."""
        line = encode_header(header)
        try:
            make_folder(folder)
        except FileExistsError as error:
            raise JournalError("A recording of this session exists already.") from error
        except OSError as error:
            raise explain(error) from error
        try:
            return cls._open_new(folder, line)
        except OSError as error:
            _remove(folder)
            raise explain(error) from error

    @classmethod
    def _open_new(cls, folder: Path, header_line: bytes) -> "JournalWriter":
        opened: list[int] = []
        try:
            opened.append(directory := open_folder(folder))
            opened.append(output := open_in(directory, OUTPUT, _NEW))
            lock(output)
            opened.append(timeline := open_in(directory, TIMELINE, _NEW))
            write_all(timeline, header_line, 0)
        except BaseException:
            for descriptor in opened:
                os.close(descriptor)
            raise
        return cls(directory, output, timeline, len(header_line))

    @property
    def offset(self) -> int:
        """The number of output bytes so far, gaps included: the session's offset of the next byte."""
        return self._offset

    def output(self, data: bytes, stream: OutputStream = "stdout") -> None:
        """Append what the container sent. Two system calls: the bytes, then the line that accounts for them; before
        them a third where another stream begins, so that a crash in between leaves no byte to the wrong one."""
        if not data:
            return
        now = self._now()
        line = encode_count(now, "o", len(data))
        size = self._timeline_size
        try:
            if self._torn:
                self._cut_back()
            if stream != self._stream:
                switch = encode_text(now, "s", stream)
                write_all(self._timeline, switch, size)
                size += len(switch)
            write_all(self._output, data, self._offset)
            write_all(self._timeline, line, size)
        except OSError as error:
            raise self._rolled_back(error) from error
        self._stream = stream
        self._offset += len(data)
        self._timeline_size = size + len(line)

    def input(self, text: str) -> None:
        """Append typed text, already masked."""
        for start in range(0, len(text), MAX_TEXT):
            self._append(encode_text(self._now(), "i", text[start : start + MAX_TEXT]))

    def resize(self, cols: int, rows: int) -> None:
        """Note the terminal's new size."""
        self._append(encode_text(self._now(), "r", f"{cols}x{rows}"))

    def marker(self, label: str) -> None:
        """Note that something happened here; the label is cut at MAX_TEXT characters."""
        self._append(encode_text(self._now(), "m", label[:MAX_TEXT]))

    def gap(self, length: int) -> None:
        """Note that the next `length` bytes of output were forwarded and not recorded: the file gets a hole."""
        if length < 0:
            raise ValueError("a gap cannot be negative")
        if not length:
            return
        # The line goes first: were the process killed in between, a hole without its line would pass for zero bytes.
        line = encode_count(self._now(), "g", length)
        try:
            if self._torn:
                self._cut_back()
            write_all(self._timeline, line, self._timeline_size)
            os.ftruncate(self._output, self._offset + length)
        except OSError as error:
            raise self._rolled_back(error) from error
        self._offset += length
        self._timeline_size += len(line)

    def sync(self) -> None:
        """fsync both files, and the folder that names them, unless nothing was appended since. The one method that
        another thread may call."""
        with self._closing, explained():
            if self._output < 0:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            # Looked at first: what is appended from here on is for the next time. Every append makes it longer.
            written = self._offset, self._timeline_size
            if written == self._synced:
                return
            for descriptor in (self._output, self._timeline, self._directory):
                os.fsync(descriptor)
            self._synced = written

    def close(self) -> None:
        """Sync and close; lets go of the lock. Safe to call twice."""
        if self._output < 0:
            return
        try:
            self.sync()
        finally:
            with self._closing:
                for descriptor in (self._timeline, self._directory, self._output):
                    os.close(descriptor)
                # A later call gets EBADF from the system, at no cost on the way of the bytes.
                self._timeline = self._directory = self._output = -1

    def _now(self) -> int:
        return (monotonic_ns() - self._started) // 1000

    def _append(self, line: bytes) -> None:
        try:
            if self._torn:
                self._cut_back()
            write_all(self._timeline, line, self._timeline_size)
        except OSError as error:
            raise self._rolled_back(error) from error
        self._timeline_size += len(line)

    def _cut_back(self) -> None:
        os.ftruncate(self._timeline, self._timeline_size)
        os.ftruncate(self._output, self._offset)
        self._torn = False

    def _rolled_back(self, error: OSError) -> JournalError:
        self._torn = True
        try:
            self._cut_back()
        except OSError:
            # The disk refuses even that: the next call begins with it, and so does `recover`.
            return explain(error)
        return explain(error)


def _remove(folder: Path) -> None:
    """Take back a folder that could not be filled, so that opening the session can be tried again."""
    try:
        for name in (OUTPUT, TIMELINE):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    except OSError:
        # What is left is an empty folder; the error that led here is the one to tell.
        return
