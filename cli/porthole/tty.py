"""The person's terminal: raw while a session has it, and as it was before on every way out."""

import atexit
import contextlib
import os
import select
import sys
import termios
import tty

from porthole.modes import Modes

Attributes = list[int | list[bytes | int]]

FALLBACK = (80, 24)
PATIENCE = 1.0
"""Seconds that a terminal gets to take the sequences that put it back."""


def write_all(descriptor: int, data: bytes) -> None:
    """Write, however long that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Terminal:
    """stdin and stdout, as one terminal. `modes` follows what is written to it."""

    def __init__(self) -> None:
        self.fileno = sys.stdin.fileno()
        self.modes = Modes()
        self._output = sys.stdout.fileno()
        self._before: Attributes | None = None

    @staticmethod
    def present() -> bool:
        """Whether there is one."""
        return sys.stdin.isatty() and sys.stdout.isatty()

    def size(self) -> tuple[int, int]:
        """Columns and rows; a terminal that does not know says 0."""
        try:
            cols, rows = os.get_terminal_size(self._output)
        except OSError:
            return FALLBACK
        return cols or FALLBACK[0], rows or FALLBACK[1]

    def make_raw(self) -> None:
        """Every key goes through, Ctrl-C as well. Also after it was stopped and came back."""
        if self._before is None:
            self._before = termios.tcgetattr(self.fileno)
            atexit.register(self.restore)
        tty.setraw(self.fileno, termios.TCSANOW)

    def restore(self) -> None:
        """As it was: its modes, and what programs had switched. A terminal that is gone needs none of it."""
        if self._before is None:
            return
        before, self._before = self._before, None
        atexit.unregister(self.restore)
        with contextlib.suppress(OSError):
            undo = self.modes.reset()
            # One that takes no output now must not keep the command from ending.
            if undo and select.select([], [self._output], [], PATIENCE)[1]:
                self.write(undo)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self.fileno, termios.TCSANOW, before)

    def show(self, data: bytes) -> None:
        """Write a program's output. Blocks while the terminal takes no more."""
        self.modes.follow(data)
        self.write(data)

    def write(self, data: bytes) -> None:
        """Write all of it."""
        write_all(self._output, data)

    def progress(self, text: str) -> None:
        """One line that is replaced by the next, or by nothing."""
        cols, _ = self.size()
        self.write(b"\r\x1b[K" + (f"\x1b[2m{text[: cols - 1]}\x1b[0m".encode() if text else b""))

    def say(self, text: str) -> None:
        """A line of the command's own between a program's: on the last row where a program has the whole screen."""
        if self.modes.alternate_screen:
            _, rows = self.size()
            line = f"\x1b7\x1b[{rows};1H\x1b[0;7m porthole: {text} \x1b[0m\x1b[K\x1b8"
        else:
            line = f"\r\n\x1b[0;7m porthole: {text} \x1b[0m\r\n"
        self.write(line.encode())
