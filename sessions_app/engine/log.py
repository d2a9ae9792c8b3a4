"""The output of one session as a log that is addressed by byte offset."""

from collections import deque

LOG_MEMORY = 2 * 1024 * 1024
"""Bytes of newest output kept in memory for each session. More than a viewer's window, so that a viewer that keeps up
never touches the disk; an idle session holds only what it printed."""

_MERGE_BELOW = 4 * 1024
"""Shorter chunks are joined, so that a log of single characters stays a short list."""


class OutputLog:
    """The newest bytes of a session. What is older stands in the journal at the same offset."""

    __slots__ = ("_chunks", "end", "start")

    def __init__(self, offset: int = 0) -> None:
        self._chunks: deque[bytes] = deque()
        self.start = offset
        """Offset of the oldest byte in memory."""
        self.end = offset
        """Offset of the next byte."""

    def append(self, data: bytes) -> None:
        """Add output at the end; the oldest bytes leave memory."""
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
