"""What paces input and tries to connect. No I/O."""

import random
from collections import deque

INPUT_FRAME = 64 * 1024
INPUT_WINDOW = 256 * 1024
"""Bytes of input under way that the server has not said it passed on."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
"""Seconds before the first and between later tries to connect."""


class InputPacer:
    """Input that waits to be sent: small frames, and a bound on what the server has not passed on.

    With `keep` nothing is lost with a connection: what was not passed on is kept, and goes out again from the byte that
    the server names. What a person typed is not kept: it would arrive when nobody expects it any more.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self._queue: deque[memoryview] = deque()
        self._kept: deque[memoryview] = deque()
        self._first_kept = 0
        self._start = 0
        self._sent = 0
        self._passed_on = 0
        self.waiting = 0
        """Bytes that are not sent."""

    def push(self, data: bytes) -> None:
        """Queue input."""
        self._queue.append(memoryview(data))
        self.waiting += len(data)

    def take(self) -> memoryview | None:
        """The next frame, None if there is nothing to send or no room."""
        room = min(INPUT_FRAME, INPUT_WINDOW - (self._sent - self._passed_on))
        if not self._queue or room <= 0:
            return None
        frame = self._queue[0][:room]
        if len(frame) == len(self._queue[0]):
            self._queue.popleft()
        else:
            self._queue[0] = self._queue[0][room:]
        self._sent += len(frame)
        self.waiting -= len(frame)
        if self._keep:
            self._kept.append(frame)
        return frame

    def acknowledge(self, total: int) -> None:
        """The server passed on so many bytes of this connection's input."""
        self._passed_on = max(self._passed_on, min(total, self._sent))
        self._let_go(self._start + self._passed_on)

    def restart(self, taken: int = 0) -> None:
        """Another connection, which counts from 0; the session has `taken` so many bytes over all of them."""
        self._let_go(taken)
        for frame in reversed(self._kept):
            self._queue.appendleft(frame)
            self.waiting += len(frame)
        self._kept.clear()
        self._start, self._sent, self._passed_on = taken, 0, 0

    def clear(self) -> None:
        """Forget what was not sent, unless it is to be kept."""
        if not self._keep:
            self._queue.clear()
            self.waiting = 0

    def _let_go(self, end: int) -> None:
        """What comes before this byte of the input need not be kept any more."""
        while self._kept and self._first_kept < end:
            frame = self._kept.popleft()
            gone = min(len(frame), end - self._first_kept)
            self._first_kept += gone
            if gone < len(frame):
                self._kept.appendleft(frame[gone:])


class Backoff:
    """How long to wait before the next try."""

    def __init__(self) -> None:
        self._tries = 0

    def next(self) -> float:
        """Seconds, between half of the step and all of it, so that clients do not return as one."""
        step = min(LONGEST_WAIT, FIRST_WAIT * float(2**self._tries))
        self._tries += 1
        return step / 2 + random.random() * step / 2  # noqa: S311 - jitter

    def restart(self) -> None:
        """A try worked."""
        self._tries = 0
