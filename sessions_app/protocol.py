"""The WebSocket protocol `porthole.v1`: its frames and close codes. Pure Python, no I/O.

Binary frames are raw terminal bytes, both ways. A text frame is one JSON object with a `type`. `parse_client_frame`
turns a client's text frame into one of the `ClientFrame` classes or raises `FrameError`; the server's frames are
built by the functions below. `docs/protocol.md` is this file in prose.
"""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, cast

from audit.journal import OutputStream
from sessions_app.ttl import parse_ttl

SUBPROTOCOL = "porthole.v1"
TICKET_PREFIX = "ticket."

MAX_INPUT_FRAME = 1024 * 1024
"""Bytes of terminal input in one binary frame."""

MAX_CONTROL_FRAME = 4096
"""Characters of one text frame. Every frame the protocol knows fits in 200."""

CLOSE_TIMEOUT = 6.0
"""Seconds a closing socket has to take the last frames."""

SCREEN_PIECE = 32 * 1024
"""Characters of a screen in one frame: some clients take no message above 1 MiB."""

MAX_COLS = 1000
MAX_ROWS = 500
MAX_OFFSET = 2**53
"""Offsets stay exact in a JavaScript number."""


class Close(IntEnum):
    """WebSocket close codes. A client retries by itself on 1001, 1006, 1011 and 1012, and never on 44xx."""

    NORMAL = 1000
    SERVER_ERROR = 1011
    SERVICE_RESTART = 1012
    BAD_FRAME = 4400
    NOT_AUTHENTICATED = 4401
    ACCESS_REVOKED = 4403
    NO_SESSION = 4404
    TAKEN_OVER = 4409
    OUTPUT_LOST = 4410
    FRAME_TOO_LARGE = 4413
    TOO_SLOW = 4429


class FrameError(Exception):
    """A frame that the protocol does not know. The text says what was wrong, for the client's developer."""

    def __init__(self, detail: str, code: Close = Close.BAD_FRAME) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Hello:
    """First frame: the window's size, the offset the client already has (None: from where the server sees fit)."""

    cols: int
    rows: int
    offset: int | None
    mode: Literal["control", "watch"]
    detach_keys: bool = True
    """Ctrl-A D in this window's input detaches. False: all input is the program's."""
    screen: bool = False
    """Without an offset: `screen` frames instead of the newest output."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The window has a new size."""

    cols: int
    rows: int


@dataclass(frozen=True, slots=True)
class Ack:
    """The client has rendered every byte below `offset`."""

    offset: int


@dataclass(frozen=True, slots=True)
class Detach:
    """Let the session run on without a viewer for `ttl` seconds (None: the default, 0: no end, if allowed)."""

    ttl: int | None


@dataclass(frozen=True, slots=True)
class Leave:
    """The person closed the window: its user's preferences say whether the session ends or is detached."""


@dataclass(frozen=True, slots=True)
class Eof:
    """The last byte of stdin was sent: the program's stdin ends there. Only without a terminal."""


@dataclass(frozen=True, slots=True)
class Stay:
    """The person is still there: counts as activity, types nothing."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a pong."""


ClientFrame = Hello | Resize | Ack | Detach | Leave | Eof | Stay | Ping


def parse_client_frame(text: str) -> ClientFrame:
    """One text frame of a client. Raises `FrameError` for anything but a frame of the protocol.

    Sizes outside 1 to MAX_COLS by 1 to MAX_ROWS are clamped, as terminals report such sizes in good faith (a hidden
    window has none); sizes that are no whole numbers are refused.
    """
    if len(text) > MAX_CONTROL_FRAME:
        raise FrameError(f"A text frame may have {MAX_CONTROL_FRAME} characters.", Close.FRAME_TOO_LARGE)
    try:
        # json allows NaN and Infinity unless told otherwise.
        frame = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FrameError("A text frame must be one JSON object.") from error
    if not isinstance(frame, dict):
        raise FrameError("A text frame must be one JSON object.")
    match frame.get("type"):
        case "hello":
            mode = frame.get("mode", "control")
            if mode not in ("control", "watch"):
                raise FrameError('"mode" must be "control" or "watch".')
            return Hello(
                cols=_size(frame, "cols", MAX_COLS, default=80),
                rows=_size(frame, "rows", MAX_ROWS, default=24),
                offset=_optional_whole(frame, "offset", MAX_OFFSET),
                mode=cast(Literal["control", "watch"], mode),
                detach_keys=_flag(frame, "detach_keys", default=True),
                screen=_flag(frame, "screen", default=False),
            )
        case "resize":
            return Resize(_size(frame, "cols", MAX_COLS), _size(frame, "rows", MAX_ROWS))
        case "ack":
            offset = _optional_whole(frame, "offset", MAX_OFFSET)
            if offset is None:
                raise FrameError('"ack" needs an "offset".')
            return Ack(offset)
        case "detach":
            return Detach(_ttl(frame))
        case "leave":
            return Leave()
        case "eof":
            return Eof()
        case "stay":
            return Stay()
        case "ping":
            return Ping()
        case unknown:
            raise FrameError(f"Unknown frame type {str(unknown)[:40]!r}.")


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number of the protocol")


def _size(frame: dict[str, Any], key: str, largest: int, default: int | None = None) -> int:
    value = frame.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise FrameError(f'"{key}" must be a whole number.')
    return max(1, min(value, largest))


def _optional_whole(frame: dict[str, Any], key: str, largest: int) -> int | None:
    value = frame.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise FrameError(f'"{key}" must be a whole number from 0 to {largest}.')
    return value


def _flag(frame: dict[str, Any], key: str, *, default: bool) -> bool:
    value = frame.get(key, default)
    if not isinstance(value, bool):
        raise FrameError(f'"{key}" must be true or false.')
    return value


def _ttl(frame: dict[str, Any]) -> int | None:
    value = frame.get("ttl")
    if value is None:
        return None
    try:
        return parse_ttl(value)
    except ValueError as error:
        raise FrameError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Piped:
    """Where a session without a terminal stands: the stream of the next byte of output, and the bytes of stdin that it
    has taken from all sockets so far, which a client that comes back goes on from."""

    stream: OutputStream
    input: int


def _frame(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, **fields}, separators=(",", ":"))


def attached(
    session: str,
    state: str,
    offset: int,
    cols: int,
    rows: int,
    *,
    missed: int = 0,
    head: int | None = None,
    screens: int = 0,
    piped: Piped | None = None,
) -> str:
    """The next binary byte is at `offset`. `missed` bytes before it can no longer be had (0 unless the client asked
    for bytes that a best-effort recording lost). What lies between `offset` and `head`, the log's end now, is a
    replay: a terminal must not type its answers to device queries in it into the shell again. So many `screens`
    frames come before the next binary byte. Without a terminal there is also what `piped` holds."""
    head = offset if head is None else head
    more: dict[str, Any] = {"screens": screens} if screens else {}
    if piped is not None:
        more |= {"stream": piped.stream, "input": piped.input}
    return _frame(
        "attached", session=session, state=state, offset=offset, head=head, cols=cols, rows=rows, missed=missed, **more
    )


def screen(text: str) -> list[str]:
    """The session's screen at `attached.offset`, for a terminal of the size in `attached` in its initial state. Written
    to it piece by piece it makes that terminal what one is that took every byte up to there."""
    return [_frame("screen", data=text[start : start + SCREEN_PIECE]) for start in range(0, len(text), SCREEN_PIECE)]


def stream(stream: OutputStream, offset: int) -> str:
    """The bytes from `offset` on are of this stream, until another such frame."""
    return _frame("stream", stream=stream, offset=offset)


def state(state: str, **fields: Any) -> str:
    """The session's state changed, or (`cols`, `rows`) its size by another window."""
    return _frame("state", state=state, **fields)


def notice(code: str, detail: str, **fields: Any) -> str:
    """Something to tell the person: `idle_warning` and `max_duration_warning` (with `seconds` to the end),
    `recording_gap`, `detach_refused`, `screen_incomplete`, `stdin_stays_open`. A client that does not know the code
    shows the text."""
    return _frame("notice", code=code, detail=detail, **fields)


def input_ack(total: int) -> str:
    """`total` bytes of this socket's input have gone to the container: what a large paste paces itself by."""
    return _frame("input_ack", bytes=total)


def detached(ttl: int | None) -> str:
    """Let go as asked; the session runs on for `ttl` seconds (None: without end)."""
    return _frame("detached", ttl=ttl)


def ended(reason: str, exit_code: int | None, detail: str, *, code: str = "", offset: int | None = None) -> str:
    """The session is over. `code` is the word for a provider's error (`no_shell`, say), or empty; `offset` is where its
    output ended, null where that is not known. A client that has less can come back for the rest."""
    return _frame("ended", reason=reason, exit_code=exit_code, detail=detail, code=code, offset=offset)


def error(code: Close, detail: str) -> str:
    """Why the close frame with `code` follows: a close frame's own text holds 123 bytes only."""
    return _frame("error", code=int(code), detail=detail)


def pong() -> str:
    """Answers a ping."""
    return _frame("pong")
