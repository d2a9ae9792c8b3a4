"""What is piped into a program, for the record of an organization that records input. No Django.

There is no terminal, so no echo tells a password from a command, and nothing can be masked: who records input records
what is sent here, a script or a file, as it is. Only the beginning is kept; after that it is data.
"""

import codecs
from collections.abc import Callable

ON_RECORD = 64 * 1024
"""Bytes of one session's stdin that are recorded."""

CUT = "the rest of stdin is not on record"


class StdinRecorder:
    """Takes one session's stdin; the same calls as a `KeystrokeRecorder`. What is no UTF-8 becomes U+FFFD."""

    def __init__(self, write: Callable[[str], None], mark: Callable[[str], None]) -> None:
        self._write, self._mark = write, mark
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._left = ON_RECORD
        self._over = False

    def typed(self, data: bytes) -> None:
        """Bytes on their way to the program."""
        if self._over:
            return
        kept = data[: self._left]
        self._left -= len(kept)
        self._over = len(kept) < len(data)
        if text := self._decoder.decode(kept, final=self._over):
            self._write(text)
        if self._over:
            self._mark(CUT)

    def echoed(self, data: bytes) -> None:
        """Nothing is echoed."""

    def tick(self) -> None:
        """Nothing waits."""

    def flush(self) -> None:
        """The session is over."""
        if not self._over and (text := self._decoder.decode(b"", final=True)):
            self._write(text)
