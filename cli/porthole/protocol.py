"""`porthole.v1` from the client's side: its frames and close codes. No I/O."""

import json
from typing import Any

SUBPROTOCOL = "porthole.v1"
TICKET_PREFIX = "ticket."

ACK_EVERY = 128 * 1024
"""Bytes written out between two acknowledgements: an eighth of the server's window."""

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


def hello(cols: int, rows: int, offset: int | None, *, typed: bool) -> str:
    """The first frame: the window's size, and how much of the session's output it has. In one where a person types
    the keys that detach are meant, and one that has nothing yet is to show the screen."""
    frame = {"type": "hello", "cols": cols, "rows": rows, "offset": offset, "mode": "control"}
    return json.dumps({**frame, "detach_keys": typed, "screen": typed})


def resize(cols: int, rows: int) -> str:
    """The window's new size."""
    return json.dumps({"type": "resize", "cols": cols, "rows": rows})


def ack(offset: int) -> str:
    """Every byte below `offset` is written out."""
    return json.dumps({"type": "ack", "offset": offset})


EOF = json.dumps({"type": "eof"})
"""The last byte of stdin was sent."""

LEAVE = json.dumps({"type": "leave"})
"""The person closed the window. What that means is for the portal to say, by the person's preference."""
