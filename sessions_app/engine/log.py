"""The output of one session as a log that is addressed by byte offset."""

from array import array
from bisect import bisect_left, bisect_right
from collections import deque

from audit.journal import OutputStream

LOG_MEMORY = 2 * 1024 * 1024
"""Bytes of newest output kept in memory for each session. More than a viewer's window, so that a viewer that keeps up
never touches the disk; an idle session holds only what it printed."""

MAX_SWITCHES = 64 * 1024
"""Changes between stdout and stderr that memory knows of, at eight bytes each. Of a program with more, memory holds
less than LOG_MEMORY, and the rest stands in the journal like all that is older."""

_MERGE_BELOW = 4 * 1024
"""Shorter chunks are joined, so that a log of single characters stays a short list."""

_OTHER: dict[OutputStream, OutputStream] = {"stdout": "stderr", "stderr": "stdout"}


class OutputLog:
    """The newest bytes of a session. What is older stands in the journal at the same offset."""

    __slots__ = ("_chunks", "_switches", "end", "start", "stream")

    def __init__(self, offset: int = 0) -> None:
        self._chunks: deque[bytes] = deque()
        self._switches = array("Q")
        """Where another stream begins; there are two, so each is the other one's end."""
        self.start = offset
        """Offset of the oldest byte in memory."""
        self.end = offset
        """Offset of the next byte."""
        self.stream: OutputStream = "stdout"
        """Which the newest byte belongs to."""

    def append(self, data: bytes, stream: OutputStream = "stdout") -> None:
        """Add output at the end; the oldest bytes leave memory."""
        if stream != self.stream:
            self._switch(stream)
        chunks = self._chunks
        if chunks and len(chunks[-1]) < _MERGE_BELOW:
            chunks[-1] += data
        else:
            chunks.append(data)
        self.end += len(data)
        while self.end - self.start - len(chunks[0]) >= LOG_MEMORY:
            self.start += len(chunks.popleft())

    def newest(self, offset: int, limit: int) -> bytes | None:
        """Up to `limit` bytes from `offset` on; empty at the end; None if `offset` has left memory."""
        if offset >= self.end:
            return b""
        if offset < self.start:
            return None
        parts: list[bytes] = []
        position = self.end
        # A viewer is nearly always close to the end, so walk backwards.
        for chunk in reversed(self._chunks):
            position -= len(chunk)
            parts.append(chunk)
            if position <= offset:
                break
        parts.reverse()
        parts[0] = parts[0][offset - position :]
        if len(parts) == 1:
            return parts[0][:limit]
        return b"".join(parts)[:limit]

    def run(self, offset: int) -> tuple[OutputStream, int]:
        """Which stream the byte at `offset` (in memory, or the next one) belongs to, and where its bytes end."""
        if not self._switches:
            return self.stream, self.end
        later = bisect_right(self._switches, offset)
        odd = (len(self._switches) - later) % 2
        end = self._switches[later] if later < len(self._switches) else self.end
        return _OTHER[self.stream] if odd else self.stream, end

    def _switch(self, stream: OutputStream) -> None:
        self.stream = stream
        switches, chunks = self._switches, self._chunks
        switches.append(self.end)
        if len(switches) > MAX_SWITCHES:
            oldest = switches[len(switches) // 2]
            while chunks and self.start < oldest:
                self.start += len(chunks.popleft())
            del switches[: bisect_left(switches, self.start)]
