"""`porthole.v1` from the client's side: frames, close codes, what paces input and reconnection. No I/O."""

import json
import random
from collections import deque
from typing import Any

SUBPROTOCOL = "porthole.v1"
TICKET_PREFIX = "ticket."

INPUT_FRAME = 64 * 1024
INPUT_WINDOW = 256 * 1024
"""Bytes of input under way that the server has not said it passed on."""

ACK_EVERY = 128 * 1024
"""Bytes written out between two acknowledgements: an eighth of the server's window."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
"""Seconds before the first and between later tries to connect."""

NORMAL = 1000
TAKEN_OVER = 4409

Frame = dict[str, Any]


def is_final(code: int) -> bool:
    """Whether a close code means that trying again would not help."""
    return code == NORMAL or 4400 <= code <= 4499


def parse(text: str | bytes) -> Frame:
    """A text frame of the server. One that makes no sense is as if it had a type that nobody knows."""
    try:
        frame = json.loads(text)
    except ValueError:
        frame = None
    return frame if isinstance(frame, dict) else {"type": ""}


def hello(cols: int, rows: int, offset: int | None) -> str:
    """The first frame: the window's size, and how much of the session's output it has."""
    return json.dumps({"type": "hello", "cols": cols, "rows": rows, "offset": offset, "mode": "control"})


def resize(cols: int, rows: int) -> str:
    """The window's new size."""
    return json.dumps({"type": "resize", "cols": cols, "rows": rows})


def ack(offset: int) -> str:
    """Every byte below `offset` is written out."""
    return json.dumps({"type": "ack", "offset": offset})


LEAVE = json.dumps({"type": "leave"})
"""The person closed the window. What that means is for the portal to say, by the person's preference."""


class InputPacer:
    """What was typed and is not yet sent: small frames, and a bound on what the server has not passed on."""

    def __init__(self) -> None:
        self._queue: deque[memoryview] = deque()
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
        return frame

    def acknowledge(self, total: int) -> None:
        """The server passed on so many bytes of this connection's input."""
        self._passed_on = max(self._passed_on, min(total, self._sent))

    @property
    def in_doubt(self) -> int:
        """Bytes that were sent and never confirmed. The server confirms in strides, so these may have arrived."""
        return self._sent - self._passed_on

    def restart(self) -> None:
        """Another connection counts from 0."""
        self._sent = self._passed_on = 0

    def clear(self) -> None:
        """Forget what was not sent."""
        self._queue.clear()
        self.waiting = 0


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
