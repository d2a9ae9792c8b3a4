"""What a Docker Engine sends of an exec without a terminal: frames of stdout and stderr on one connection.

A frame is one byte for the stream, three of zero, four for the length of what follows
(https://docs.docker.com/reference/api/engine/, "Attach to a container").
"""

from collections.abc import Callable

from audit.journal import OutputStream

_HEADER = 8
_STREAMS: dict[int, OutputStream] = {1: "stdout", 2: "stderr"}


class NotFrames(Exception):
    """What came is no frame."""


class Demultiplexer:
    """Takes the connection's bytes as they come and delivers each stream's."""

    def __init__(self, deliver: Callable[[bytes, OutputStream], None]) -> None:
        self._deliver = deliver
        self._header = bytearray()
        self._left = 0
        self._stream: OutputStream = "stdout"

    def feed(self, data: memoryview) -> None:
        """Deliver what is in `data`, which may be used again afterwards. Raises `NotFrames`."""
        parts: list[memoryview] = []
        while data:
            if self._left:
                parts.append(data[: self._left])
                self._left -= len(parts[-1])
                data = data[len(parts[-1]) :]
                continue
            missing = _HEADER - len(self._header)
            self._header += data[:missing]
            data = data[missing:]
            if len(self._header) == _HEADER:
                stream = self._read_header()
                if stream != self._stream:
                    self._flush(parts)
                    self._stream = stream
        self._flush(parts)

    def _read_header(self) -> OutputStream:
        stream = _STREAMS.get(self._header[0])
        if stream is None or any(self._header[1:4]):
            raise NotFrames
        self._left = int.from_bytes(self._header[4:], "big")
        self._header.clear()
        return stream

    def _flush(self, parts: list[memoryview]) -> None:
        """Frames that follow each other on one stream go out as one piece."""
        if parts:
            self._deliver(b"".join(parts), self._stream)
            parts.clear()
