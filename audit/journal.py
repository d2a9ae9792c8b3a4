"""The journal of one session: append-only files that hold the exact output bytes and a timeline. No Django.

A journal is a folder of its own:

`output`    every byte the container sent, nothing else: the byte at offset N of the session is the byte at N of the file.
`timeline`  JSON Lines. The first line is a header object (`JournalHeader`); every other line is one event,
            `[seconds, code, value]`, `seconds` a float since the start, never falling:
            `"o"` the number of output bytes, `"i"` typed text, `"r"` "COLSxROWS", `"m"` a marker's label,
            `"g"` the number of output bytes that were forwarded and not recorded.

`JournalWriter.output` returns after both files have been handed to the operating system, so a killed process loses
nothing; `sync` reaches the disk itself and is called every few seconds. After a crash `recover` cuts a torn last line
and accounts for output bytes whose timeline line is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

EventCode = Literal["o", "i", "r", "m", "g"]


class JournalError(Exception):
    """The journal cannot be written or read. The text says what to do ("The disk … is full")."""


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


class TimelineEvent(NamedTuple):
    """One event of the timeline; for `"o"`, `offset` is where its bytes begin in `output`."""

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


class JournalWriter:
    """Appends to one journal. Used from one thread; `sync` may run in another.

    The clock is monotonic from `create` on. Every method raises `JournalError` if the disk refuses; a call that raised
    left no torn line behind that `recover` does not repair, and may be tried again.
    """

    @classmethod
    def create(cls, folder: Path, header: JournalHeader) -> "JournalWriter":
        """Make the folder (mode 0700, files 0600) and write the header. Raises `JournalError` if it exists."""
        raise NotImplementedError

    @property
    def offset(self) -> int:
        """The number of output bytes so far, gaps included: the session's offset of the next byte."""
        raise NotImplementedError

    def output(self, data: bytes) -> None:
        """Append what the container sent."""
        raise NotImplementedError

    def input(self, text: str) -> None: ...
    def resize(self, cols: int, rows: int) -> None: ...
    def marker(self, label: str) -> None: ...
    def gap(self, length: int) -> None: ...
    def sync(self) -> None:
        """fsync both files."""

    def close(self) -> None:
        """Sync and close. Safe to call twice."""


def read_output(folder: Path, offset: int, length: int) -> bytes:
    """Up to `length` bytes of output from `offset` on; fewer only at the end of what is written."""
    raise NotImplementedError


def read_header(folder: Path) -> JournalHeader:
    raise NotImplementedError


def read_timeline(folder: Path) -> Iterator[TimelineEvent]:
    """The events in order, streamed; a torn last line is left out."""
    raise NotImplementedError


def recover(folder: Path) -> bool:
    """Repair a journal whose writer died. True if anything was changed. Idempotent; never touches a sealed journal."""
    raise NotImplementedError


def seal(folder: Path) -> Seal:
    """Recover if needed, hash both files, write the `seal` file (JSON, by rename), make all files read-only.
    Idempotent: a sealed journal returns the seal it has."""
    raise NotImplementedError
