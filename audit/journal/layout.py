"""What a journal's files hold: its records, and each one's way to bytes and back. No I/O but reading given files."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Literal, NamedTuple, get_args

EventCode = Literal["o", "i", "r", "m", "g", "s"]

OutputStream = Literal["stdout", "stderr"]
"""What a program wrote its output to. A terminal makes one of the two, which counts as stdout."""

OUTPUT = "output"
TIMELINE = "timeline"
SEAL = "seal"
KEYFRAMES = "keyframes"
"""Written and read by sessions_app/screens."""

VERSION = 1
"""Of the layout; stands in the header and in the seal."""

MAX_TEXT = 16 * 1024
"""Characters of one event's text; longer input becomes several events."""

MAX_LINE = 256 * 1024
"""Bytes of one timeline line, the header included: JSON makes at most 12 bytes of a character."""

_CODES = frozenset(get_args(EventCode))
_COUNTS = frozenset({"o", "g"})
_STREAMS = frozenset(get_args(OutputStream))
_COUNT_LINE = {"o": b'[%d.%06d,"o",%d]\n', "g": b'[%d.%06d,"g",%d]\n'}


class JournalError(Exception):
    """The journal cannot be written or read. The text says what to do ("The disk … is full")."""


class JournalBusyError(JournalError):
    """Somebody holds the journal: it is still being written, or another process is repairing or sealing it."""


class JournalMissingError(JournalError):
    """There is no such journal, or one of its files is gone."""


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """The timeline's first line."""

    session_uid: str
    cols: int
    rows: int
    started_at: str
    """ISO 8601, UTC."""
    title: str = ""
    command: str = ""
    env: dict[str, str] | None = None
    tty: bool = True
    """False: the program had pipes. Its lines end as it ended them, and stdout and stderr are told apart."""


class TimelineEvent(NamedTuple):
    """One event of the timeline. `offset` is the session's offset before it: for `"o"`, where its bytes begin."""

    at: float
    code: EventCode
    value: int | str
    offset: int


@dataclass(frozen=True, slots=True)
class Seal:
    """What was sealed: sizes in bytes, SHA-256 in hex, duration in seconds."""

    output_bytes: int
    output_sha256: str
    timeline_sha256: str
    duration: float
    gap_bytes: int
    recovered: bool
    """True if something had to be cut or filled in."""


def encode_header(header: JournalHeader) -> bytes:
    """The header's line. Raises `JournalError` if it is longer than a line may be."""
    line = json.dumps({"version": VERSION, **asdict(header)}).encode() + b"\n"
    if len(line) > MAX_LINE:
        raise JournalError("The recording's header is too long: shorten the session's title or command.")
    return line


def decode_header(line: bytes) -> JournalHeader | None:
    """The header in `line`, or None if it holds none."""
    fields = _object(line)
    if fields is None or fields.pop("version", None) != VERSION:
        return None
    try:
        header = JournalHeader(**fields)
    except TypeError:
        return None
    texts = (header.session_uid, header.started_at, header.title, header.command)
    sound = all(isinstance(text, str) for text in texts) and _is_count(header.cols) and _is_count(header.rows)
    sound = sound and isinstance(header.env, (dict, type(None))) and isinstance(header.tty, bool)
    return header if sound else None


def encode_count(microseconds: int, code: Literal["o", "g"], count: int) -> bytes:
    """The line of an event that counts bytes."""
    return _COUNT_LINE[code] % (microseconds // 1_000_000, microseconds % 1_000_000, count)


def encode_text(microseconds: int, code: Literal["i", "r", "m", "s"], text: str) -> bytes:
    """The line of an event that carries text. ASCII only, so that no byte of it can be taken for a line's end."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return b'[%d.%06d,"%b",%b]\n' % (seconds, rest, code.encode(), json.dumps(text).encode())


def encode_event(event: TimelineEvent) -> bytes:
    """The line of an event that was read, as it was."""
    microseconds = round(event.at * 1_000_000)
    match event.code:
        case "o" | "g":
            return encode_count(microseconds, event.code, int(event.value))
        case "i" | "r" | "m" | "s":
            return encode_text(microseconds, event.code, str(event.value))


class Line(NamedTuple):
    """One sound line of a timeline and where the next one begins in the file."""

    event: TimelineEvent
    end: int


def scan_events(timeline: BinaryIO, start: int, *, strict: bool, offset: int = 0, last: float = 0.0) -> Iterator[Line]:
    """The sound events from the file's position `start` on, which is that of the session's `offset` and after the time
    `last`; a torn last line ends them.

    So does a damaged one, or, if `strict`, it raises `JournalError`: what follows it cannot be placed.
    """
    timeline.seek(start)
    position = start
    while line := timeline.readline(MAX_LINE):
        event = _decode_event(line, offset, last)
        if event is None:
            if strict and (line.endswith(b"\n") or len(line) == MAX_LINE):
                raise JournalError(f"The recording's timeline is damaged at byte {position}.")
            return
        position += len(line)
        yield Line(event, position)
        last, offset = event.at, after(event)


def after(event: TimelineEvent) -> int:
    """The session's offset after `event`."""
    return event.offset + (int(event.value) if event.code in _COUNTS else 0)


def _decode_event(line: bytes, offset: int, last: float) -> TimelineEvent | None:
    if not line.endswith(b"]\n"):
        return None
    try:
        at, code, value = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(at, (int, float)) or not math.isfinite(at) or at < last:
        return None
    if not isinstance(code, str) or code not in _CODES:
        return None
    sound = _is_count(value) if code in _COUNTS else isinstance(value, str) and (code != "s" or value in _STREAMS)
    return TimelineEvent(float(at), code, value, offset) if sound else None  # type: ignore[arg-type]


def encode_seal(seal: Seal) -> bytes:
    """The content of the `seal` file."""
    return json.dumps({"version": VERSION, **asdict(seal)}, indent=2).encode() + b"\n"


def decode_seal(content: bytes) -> Seal | None:
    """The seal in `content`, or None if it holds none."""
    fields = _object(content)
    if fields is None or fields.pop("version", None) != VERSION:
        return None
    try:
        seal = Seal(**fields)
    except TypeError:
        return None
    sound = (
        _is_count(seal.output_bytes)
        and _is_count(seal.gap_bytes)
        and isinstance(seal.output_sha256, str)
        and isinstance(seal.timeline_sha256, str)
        and isinstance(seal.duration, (int, float))
        and isinstance(seal.recovered, bool)
    )
    return seal if sound else None


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
