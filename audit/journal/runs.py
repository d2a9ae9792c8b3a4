"""Reads a journal's output together with the stream that it belongs to."""

import os
from pathlib import Path

from audit.journal.files import explained
from audit.journal.layout import TIMELINE, OutputStream, after, scan_events
from audit.journal.reader import open_file, read_header_of, read_output


class RunReader:
    """For one reader that goes forward through a journal, live or sealed: it walks the timeline along, and remembers
    nothing but its place. A step back begins anew. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begin()

    def _begin(self) -> None:
        self._position = 0
        """In the timeline; 0 before its header."""
        self._known = 0
        """The session's offset there."""
        self._last = 0.0
        self._start = 0
        """Where the run began that `_known` ends for now: bytes of one stream."""
        self._stream: OutputStream = "stdout"

    def read(self, offset: int, length: int) -> tuple[bytes, OutputStream]:
        """Up to `length` bytes of output from `offset` on, all of one stream, and which; empty at the end of what is
        written, and in a gap. Raises `JournalError`."""
        if offset < self._start:
            self._begin()
        self._walk(offset, offset + length)
        end = min(offset + length, self._known)
        if end <= offset or offset < self._start:
            return b"", self._stream
        return read_output(self._folder, offset, end - offset), self._stream

    def _walk(self, offset: int, until: int) -> None:
        """Until everything below `until` is known to be of one stream, or a run that holds `offset` ends."""
        if self._known >= until:
            return
        with explained(), os.fdopen(open_file(self._folder, TIMELINE), "rb") as timeline:
            start = self._position or read_header_of(timeline)[1]
            for event, end in scan_events(timeline, start, strict=True, offset=self._known, last=self._last):
                if event.code == "s" and event.value != self._stream:
                    if offset < self._known:
                        return
                    self._start = event.offset
                    self._stream = "stderr" if event.value == "stderr" else "stdout"
                elif event.code == "g":
                    if offset < self._known:
                        return
                    self._start = after(event)
                self._position, self._known, self._last = end, after(event), event.at
                if self._known >= until:
                    return
