"""Turns terminal output into plain text, line by line, in bounded memory. No Django.

It edits one line at a time, as a terminal does: carriage return, backspace, erasing and the cursor's moves within the
line count, so that what a person corrected while typing reads as it ended. A jump to another line (a full-screen
program, a cleared screen) ends the line, so that nothing that was printed is dropped: a full-screen program therefore
reads as its pieces. Only what was overwritten in its own line is gone; the exact bytes are in the recording.
"""

import re
from collections.abc import Iterator

from audit.terminal import TerminalParser, is_text

MAX_LINE = 64 * 1024
"""Characters of one line; a longer one is broken."""

_CSI = re.compile(r"(?:\x1b\[|\x9b)(\d{0,5})(?:;[\d;]*)?([CDGKP@X])\Z")
_JUMP = re.compile(r"(?:\x1b\[|\x9b)[\d;]*[ABEFHJdf]\Z|\x1b[DEMc]\Z")
_TAB = 8


class Transcript:
    """Feed it output, get the lines that are finished, each with its newline."""

    def __init__(self, cols: int) -> None:
        self._parser = TerminalParser()
        self._line = ""
        self._column = 0
        self._cols = max(1, cols)

    def resize(self, cols: int) -> None:
        """The terminal has another width: carriage return goes to the start of a row, not of a wrapped line."""
        self._cols = max(1, cols)

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` finishes."""
        for token in self._parser.feed(data):
            if is_text(token):
                self._print(token)
            elif token == "\n" or _JUMP.match(token):  # noqa: S105 - a terminal's token, no secret
                # A jump after nothing is no empty line.
                if token == "\n" or self._line:  # noqa: S105
                    yield self._finish_line()
            else:
                self._control(token)
            if len(self._line) > MAX_LINE:
                yield self._finish_line()

    def end(self) -> Iterator[str]:
        """The last line, if it has no newline; what is incomplete is dropped. Feeding may go on afterwards."""
        for token in self._parser.feed(b"", final=True):
            if is_text(token):
                self._print(token)
        if self._line:
            yield self._finish_line()

    def _finish_line(self) -> str:
        line = self._line.rstrip()
        self._line, self._column = "", 0
        return f"{line}\n"

    def _print(self, text: str) -> None:
        self._put(text, replacing=len(text))
        self._column += len(text)

    def _put(self, text: str, *, replacing: int) -> None:
        """Set `text` at the cursor in place of so many characters; the cursor stays."""
        column, line = self._column, self._line
        if column > len(line):
            line += " " * (column - len(line))
        self._line = line + text if column == len(line) else line[:column] + text + line[column + replacing :]

    def _control(self, token: str) -> None:
        if token == "\r":  # noqa: S105
            self._column = self._row_start()
        elif token == "\b":  # noqa: S105
            self._column = max(self._row_start(), self._column - 1)
        elif token == "\t":  # noqa: S105
            self._print(" " * (_TAB - self._column % _TAB))
        elif sequence := _CSI.match(token):
            self._edit(int(sequence[1] or 0), sequence[2])

    def _edit(self, number: int, final: str) -> None:
        count = min(max(1, number), MAX_LINE)
        left = max(0, len(self._line) - self._column)
        match final:
            case "C":
                self._column = min(self._column + count, MAX_LINE)
            case "D":
                self._column = max(self._row_start(), self._column - count)
            case "G":
                self._column = self._row_start() + count - 1
            case "K" if number == 0:
                self._line = self._line[: self._column]
            case "K":
                self._erase_row(to_cursor=number == 1)
            case "P" if left:
                self._put("", replacing=count)
            case "@" if left:
                self._put(" " * count, replacing=0)
            case "X" if left:
                self._put(" " * min(count, left), replacing=min(count, left))

    def _erase_row(self, *, to_cursor: bool) -> None:
        start = self._row_start()
        end = min(self._column + 1, len(self._line)) if to_cursor else len(self._line)
        self._line = self._line[:start] + " " * (end - start) + self._line[end:]

    def _row_start(self) -> int:
        # After a row's last column the cursor waits there: it wraps with the next character only.
        return max(0, self._column - 1) // self._cols * self._cols
