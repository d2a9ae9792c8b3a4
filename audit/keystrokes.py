"""Typed input for the record, without what the terminal did not show: a password is never written. No Django.

What is typed is held in memory, line by line, and reaches the journal only once the terminal has echoed every
character of it where the cursor stood. That is strict on purpose: whatever cannot be told from a hidden prompt (a
program that echoes asterisks, keys of a full-screen program, text typed before the prompt was there) becomes HIDDEN.
Nothing is lost by it, since what the terminal did show is in the recording's output.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from audit.echo import Cursor
from audit.keys import KeyParser, is_key
from audit.terminal import TerminalParser, is_text

HIDDEN = "[hidden]"
"""Stands for typed text that was not echoed: neither its characters nor their number."""

MAX_RUN = 4096
"""Characters of one line held in memory; a longer line is decided before its end."""

MAX_LINES = 32
"""Lines whose echo has not come; beyond, the oldest are decided at once."""

ECHO_TIMEOUT = 1.0
"""Seconds after which a character that has not been echoed counts as hidden."""

# Enter, and the keys that give a line up: interrupt, end of file, quit, suspend.
_BREAKS = frozenset("\r\n\x03\x04\x1c\x1a")

_TAIL = 64
"""Bytes before a keystroke in which the start of an unfinished escape sequence is looked for."""


class _Awaited(NamedTuple):
    """A typed character whose echo has not come."""

    character: str
    moved: bool
    """The cursor may have moved before it: it is a line's first, or a control key was typed."""
    at: float


@dataclass(slots=True)
class _Line:
    """What was typed up to and including Enter."""

    parts: list[tuple[bool, str]] = field(default_factory=list)
    """(True, text) for printable text, (False, key) for a control key, in the order typed."""
    awaited: deque[_Awaited] = field(default_factory=deque)
    size: int = 0
    hidden: bool = False
    """Some of its text was not echoed, so none of it is written."""
    told: bool = False
    """HIDDEN was written for it already."""
    closed_at: float | None = None
    """When Enter was typed."""
    late: bool = False
    """A character was echoed after Enter: then the line's end must follow at once."""

    @property
    def closed(self) -> bool:
        """Enter was typed."""
        return self.closed_at is not None


class KeystrokeRecorder:
    """Masks one session's typed input. Used from one thread.

    `typed` and `echoed` are called in the order in which the bytes go to and come from the container. `write` gets text
    that may be kept; the undecided never leaves this object.
    """

    def __init__(self, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._keys = KeyParser()
        self._terminal = TerminalParser()
        self._tail = b""
        self._cursor = Cursor()
        self._lines: deque[_Line] = deque([_Line()])

    def typed(self, data: bytes) -> None:
        """Bytes on their way to the container."""
        self._expire()
        for token in self._keys.feed(data):
            self._take(token)

    def echoed(self, data: bytes) -> None:
        """Bytes from the container."""
        self._expire()
        if not self._lines[0].awaited and not self._lines[0].closed:
            self._tail = (self._tail + data[-_TAIL:])[-_TAIL:]
            return
        if self._tail:
            self._resume_reading()
        for token in self._terminal.feed(data):
            self._see(token)
            if not self._lines[0].awaited and not self._lines[0].closed:
                # The rest concerns nobody, and there may be much of it.
                self._tail = data[-_TAIL:]
                return

    def tick(self) -> None:
        """Decide what has waited long enough. Call it every few seconds."""
        self._expire()

    def flush(self) -> None:
        """Decide everything: the session is over."""
        for token in self._keys.finish():
            self._take(token)
        while self._lines:
            self._decide()
        self._lines.append(_Line())

    def _resume_reading(self) -> None:
        """Nothing was read while nothing was awaited; what came last may hold half a sequence."""
        start = self._tail.rfind(b"\x1b")
        self._terminal = TerminalParser()
        for _ in self._terminal.feed(self._tail[start:] if start >= 0 else self._tail[-4:]):
            pass
        self._tail = b""

    def _take(self, token: str) -> None:
        """One typed character or one control key."""
        line = self._lines[-1]
        if is_key(token):
            line.parts.append((False, token))
            line.size += len(token)
        else:
            self._take_text(line, token)
        if token in _BREAKS:
            line.closed_at = self._clock()
            self._lines.append(_Line())
            self._settle()
            if len(self._lines) > MAX_LINES:
                self._decide()
        elif line.size > MAX_RUN:
            self._give_out(line)

    def _take_text(self, line: _Line, text: str) -> None:
        moved = not line.parts or not line.parts[-1][0]
        if line is self._lines[0] and not line.awaited:
            # Nothing is under way: the echo begins where the cursor is now.
            self._cursor.anchor(lost=moved)
        if line.hidden:
            text = ""
        else:
            line.awaited.append(_Awaited(text, moved, self._clock()))
        if moved:
            line.parts.append((True, text))
        else:
            line.parts[-1] = (True, line.parts[-1][1] + text)
        line.size += len(text)

    def _see(self, piece: str) -> None:
        """One token of the output."""
        head = self._lines[0]
        if piece == "\n":
            if head.closed:
                self._decide(at_line_end=True)
                self._settle()
            elif head.awaited:
                _hide(head)
        elif is_text(piece):
            for character in piece:
                self._see_character(head, character)
        else:
            self._cursor.control(piece)

    def _see_character(self, line: _Line, character: str) -> None:
        if line.hidden:
            return
        if not line.awaited:
            if line.closed:
                # The last echo came after Enter and then more than a line's end: that was no echo, but an answer.
                _hide(line)
            return
        if self._cursor.matches(character, line.awaited[0].character):
            line.awaited.popleft()
            line.late = line.closed
            self._cursor.anchor(lost=bool(line.awaited) and line.awaited[0].moved)
        elif not self._cursor.passes(character, blanks_only=line.closed):
            _hide(line)

    def _expire(self) -> None:
        """What has been awaited for too long is hidden, and a line that waits for its end no longer does."""
        before = self._clock() - ECHO_TIMEOUT
        head = self._lines[0]
        if head.awaited and head.awaited[0].at <= before:
            _hide(head)
        if head.closed_at is not None and (head.hidden or head.closed_at <= before):
            self._decide()
            self._settle()

    def _settle(self) -> None:
        """Decide closed lines for which nothing is awaited: their echo came before Enter was typed."""
        while (head := self._lines[0]).closed and (head.hidden or not (head.awaited or head.late)):
            self._decide()

    def _decide(self, *, at_line_end: bool = False) -> None:
        head = self._lines.popleft()
        if head.late and not at_line_end:
            _hide(head)
        self._give_out(head)
        self._cursor.anchor(lost=True)

    def _give_out(self, line: _Line) -> None:
        """Write a line, or what there is of it so far."""
        if line.awaited:
            _hide(line)
        text = ""
        for printable, part in line.parts:
            if not (printable and line.hidden):
                text += part
            elif not line.told:
                text += HIDDEN
                line.told = True
        line.parts, line.size = [], 0
        if text:
            self._write(text)


def _hide(line: _Line) -> None:
    """Forget the line's text at once: only that there was some is still known."""
    line.hidden = True
    line.awaited.clear()
    line.parts = [(printable, "" if printable else part) for printable, part in line.parts]
    line.size = sum(len(part) for _, part in line.parts)
