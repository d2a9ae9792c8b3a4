"""Replays an asciicast v2 in the terminal, line by line: a day-long recording needs no more memory than a short one."""

import json
import os
import select
import sys
import time
from collections.abc import Iterable
from typing import Any

from porthole.failures import Exit, Failure
from porthole.sanitize import Filter
from porthole.tty import Terminal

PAUSE, QUIT = ord(" "), b"q\x03"


class _Left(Exception):
    """The person has seen enough."""


class Player:
    """Plays one recording: at a speed, with pauses cut to a length, from a moment on."""

    def __init__(self, *, speed: float = 1.0, longest_pause: float | None = None, start: float = 0.0) -> None:
        self._speed, self._longest_pause, self._start = speed, longest_pause, start
        self._filter = Filter()
        self._terminal = Terminal() if Terminal.present() else None

    def play(self, lines: Iterable[str]) -> None:
        """Play to the end, or until the person leaves. Without a terminal all of it is written at once."""
        rows = iter(lines)
        header = _parse(next(rows, ""))
        if not isinstance(header, dict) or header.get("version") != 2:
            raise Failure(
                "This is no asciicast of version 2. Fetch one: porthole play ID, or recording.cast.", Exit.USAGE
            )
        if self._terminal is None:
            for _, text in _output(rows):
                sys.stdout.buffer.write(self._filter.pass_on(text.encode(), replay=True))
            sys.stdout.flush()
            return
        self._warn_of_size(self._terminal, header)
        try:
            self._terminal.make_raw()
            self._show(self._terminal, rows)
        except _Left:
            pass
        finally:
            self._terminal.restore()
            print()

    def _show(self, terminal: Terminal, rows: Iterable[str]) -> None:
        last = self._start
        due = time.monotonic()
        for at, text in _output(rows):
            if at > self._start:
                gap = at - last
                due += (gap if self._longest_pause is None else min(gap, self._longest_pause)) / self._speed
                due += self._wait_until(terminal, due)
                last = at
            terminal.show(self._filter.pass_on(text.encode(), replay=True))

    def _wait_until(self, terminal: Terminal, due: float) -> float:
        """Wait, and obey keys. Returns how long it was paused."""
        paused, pausing_since = 0.0, None
        while True:
            left = None if pausing_since is not None else max(0.0, due + paused - time.monotonic())
            if not select.select([terminal.fileno], [], [], left)[0]:
                return paused
            for key in os.read(terminal.fileno, 64) or QUIT:
                if key in QUIT:
                    raise _Left
                if key == PAUSE and pausing_since is None:
                    pausing_since = time.monotonic()
                elif key == PAUSE and pausing_since is not None:
                    paused += time.monotonic() - pausing_since
                    pausing_since = None

    def _warn_of_size(self, terminal: Terminal, header: dict[str, Any]) -> None:
        cols, rows = terminal.size()
        width, height = int(header.get("width") or 0), int(header.get("height") or 0)
        if width > cols or height > rows:
            print(
                f"porthole: Recorded at {width}x{height}; this terminal is {cols}x{rows}, so lines may break.",
                file=sys.stderr,
            )


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _output(rows: Iterable[str]) -> Iterable[tuple[float, str]]:
    """The moments at which something was written, and what. A line that makes no sense is left out."""
    for row in rows:
        match _parse(row):
            case [int() | float() as at, "o", str() as text]:
                yield float(at), text
