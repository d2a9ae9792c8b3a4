"""What a person saw on a terminal, as lines with their time: the text that search looks in. Pure Python.

A line counts when it leaves the screen: scrolled off, cleared away, or painted over by a full-screen program after it
stood for half a second. What was corrected while it was written (line editing, progress bars) counts as it ended.
Rows that a terminal wrapped are one line. `docs/decisions/0022` says why this is not `audit.transcripts`.
"""

import re
import zlib
from typing import Any, NamedTuple

from audit.rows import Row
from audit.screen import Screen
from audit.terminal import TerminalParser, is_text

MAX_COLS, MAX_ROWS = 1000, 500

MAX_LINE = 2000
"""Characters of one line; a longer one becomes several."""

MAX_REMEMBERED = 1000
"""Lines of a full-screen program that are not told twice while it repaints them."""

_CSI = re.compile(r"(?:\x1b\[|\x9b)([?>=!]?)([\d;:]*)([ $'\"]?)([@-~])\Z")
_NUMBER = re.compile(r"\d{1,6}")
_ALTERNATE = frozenset({47, 1047, 1049})
_LINE_DRAWING = str.maketrans("`afgijklmnopqrstuvwxyz{|}~", "◆▒°±␉┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")


class Line(NamedTuple):
    """One line as it was seen last, and when: seconds since the session's start."""

    at: float
    text: str


class Rendering:
    """Feed it output with its time; it collects `lines`. Memory is bounded by the screen and what is not taken yet."""

    def __init__(self, cols: int, rows: int, *, tty: bool = True) -> None:
        """Without `tty` a line feed begins a new line by itself."""
        cols, rows = _size(cols, rows)
        self.lines: list[Line] = []
        self._parser = TerminalParser()
        self._main = Screen(cols, rows, self._tell)
        self._other = Screen(cols, rows, self._tell, alternate=True)
        self._tty = tty
        self._alternate = False
        self._drawing = False
        self._pieces: list[Line] = []
        """The beginning of a wrapped line whose end is still on the screen."""
        self._remembered: dict[int, None] = {}
        self._last = " "

    @property
    def screen(self) -> Screen:
        return self._other if self._alternate else self._main

    def feed(self, at: float, output: bytes) -> None:
        self._main.now = self._other.now = at
        for token in self._parser.feed(output if self._tty else output.replace(b"\n", b"\r\n")):
            if is_text(token):
                text = token.translate(_LINE_DRAWING) if self._drawing else token
                self.screen.write(text)
                self._last = text[-1]
            elif token[0] in "\x1b\x9b":
                self._sequence(token)
            else:
                self._control(token)

    def resize(self, cols: int, rows: int) -> None:
        for screen in (self._main, self._other):
            screen.resize(*_size(cols, rows))

    def notice(self, at: float, text: str) -> None:
        """A line that no program printed."""
        self._end_line()
        self.lines.append(Line(at, text))

    def take(self) -> list[Line]:
        """The lines that are complete, once."""
        lines, self.lines = self.lines, []
        return lines

    def standing(self) -> list[Line]:
        """What is on the screen and not told yet. It may still change."""
        kept = self.lines, list(self._pieces), dict(self._remembered)
        told = [row.told for screen in (self._main, self._other) for row in screen.rows]
        self.lines = []
        for screen in (self._main, self._other):
            self._tell(screen.rows, repainted=screen.painted)
        self._end_line()
        found = self.lines
        self.lines, self._pieces, self._remembered = kept
        for row, was in zip([*self._main.rows, *self._other.rows], told, strict=True):
            row.told = was
        return found

    # --- telling ---

    def _tell(self, rows: list[Row], *, repainted: bool = False) -> None:
        once = repainted or self._alternate
        for row in rows:
            if not row.continued:
                self._end_line(once=once)
            if row.told:
                continue
            row.told = True
            self._pieces.append(Line(row.at, "".join(row.cells)))
            if sum(len(piece.text) for piece in self._pieces) >= MAX_LINE:
                self._end_line(once=once)
        if once:
            self._end_line(once=True)

    def _end_line(self, *, once: bool = False) -> None:
        if not self._pieces:
            return
        at = max(piece.at for piece in self._pieces)
        text = "".join(piece.text for piece in self._pieces).rstrip()
        self._pieces = []
        if not text.strip() or (once and self._seen_before(text)):
            return
        self.lines += [Line(at, text[start : start + MAX_LINE]) for start in range(0, len(text), MAX_LINE)]

    def _seen_before(self, text: str) -> bool:
        key = zlib.crc32(text.encode(errors="replace"))
        seen = key in self._remembered
        self._remembered.pop(key, None)
        self._remembered[key] = None
        if len(self._remembered) > MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return seen

    # --- controls and sequences ---

    def _control(self, token: str) -> None:
        screen = self.screen
        match token:
            case "\n" | "\v" | "\f" | "\x84":
                screen.line_feed()
            case "\r":
                screen.move(x=0)
            case "\b":
                screen.move()
                screen.move(x=screen.x - 1)
            case "\t":
                screen.tab(1)
            case "\x85":
                screen.move(x=0)
                screen.line_feed()
            case "\x8d":
                screen.reverse_line_feed()

    def _sequence(self, token: str) -> None:
        if sequence := _CSI.match(token):
            private, numbers, between, final = sequence.groups()
            values = [int(found[0]) if (found := _NUMBER.match(part)) else 0 for part in numbers.split(";")]
            if private == "?" and final in "hl":
                for value in values:
                    self._mode(value, on=final == "h")
            elif private == "!" and final == "p":
                self.screen.soft_reset()
            elif not private and not between:
                self._act(final, values)
            return
        screen = self.screen
        match token[1:]:
            case "7":
                screen.saved = (screen.x, screen.y)
            case "8":
                screen.jump(*screen.saved)
            case "D":
                screen.line_feed()
            case "E":
                screen.move(x=0)
                screen.line_feed()
            case "M":
                screen.reverse_line_feed()
            case "c":
                self._switch(on=False)
                self._main.clear()
                self._drawing = False
            case "(0":
                self._drawing = True
            case "(B" | "(A" | "(U":
                self._drawing = False

    def _mode(self, value: int, *, on: bool) -> None:
        if value in _ALTERNATE:
            self._switch(on=on)
        elif value == 7:
            self.screen.wrap = on

    def _switch(self, *, on: bool) -> None:
        if on == self._alternate:
            return
        if on:
            # What stood there is complete, and comes before what the program shows.
            self._tell(self._main.rows)
            self._end_line()
            self._alternate = True
            self._other.clear()
            self._other.move(x=self._main.x, y=self._main.y)
        else:
            self._tell(self._other.rows)
            self._end_line()
            self._other.clear()
            self._alternate = False
            self._remembered = {}
            self._main.move()

    def _act(self, final: str, values: list[int]) -> None:
        screen, count = self.screen, min(max(1, values[0]), MAX_COLS)
        second = max(1, values[1]) if len(values) > 1 else 1
        match final:
            case "A" | "F":
                screen.prints()
                screen.up(count)
            case "B" | "E" | "e":
                screen.down(count)
            case "C" | "a":
                screen.move(x=min(screen.x, screen.cols - 1) + count)
            case "D":
                screen.move()
                screen.move(x=screen.x - count)
            case "G" | "`":
                screen.move(x=count - 1)
            case "H" | "f":
                screen.jump(second - 1, count - 1)
            case "d":
                screen.jump(None, count - 1)
            case "I":
                screen.tab(count)
            case "L":
                screen.insert_lines(count, screen.y)
            case "M":
                screen.delete_lines(count, screen.y)
            case "S":
                screen.scroll_up(count)
            case "T":
                screen.insert_lines(count, screen.top)
            case "r":
                bottom = values[1] if len(values) > 1 and values[1] else screen.height
                screen.region(count - 1, min(bottom, screen.height))
            case "s":
                screen.saved = (screen.x, screen.y)
            case "u":
                screen.jump(*screen.saved)
            case _:
                self._edit(final, values[0], count)
        if final in "EF":
            screen.move(x=0)

    def _edit(self, final: str, number: int, count: int) -> None:
        screen = self.screen
        match final:
            case "J":
                self._erase_display(number)
            case "K":
                start = 0 if number in (1, 2) else screen.x
                end = min(screen.x + 1, screen.cols) if number == 1 else screen.cols
                screen.erase_in_row(start, end)
            case "X":
                screen.erase_in_row(min(screen.x, screen.cols - 1), screen.x + count)
            case "P":
                screen.delete_cells(count)
            case "@":
                screen.insert_cells(count)
            case "b":
                screen.write(self._last * count)
            case "h" | "l" if number == 4:
                screen.inserting = final == "h"

    def _erase_display(self, number: int) -> None:
        screen = self.screen
        match number:
            case 0 if screen.x == 0 and screen.y == 0:
                screen.erase_rows(0, screen.height)
            case 0:
                screen.erase_in_row(screen.x, screen.cols)
                screen.erase_rows(screen.y + 1, screen.height)
            case 1:
                screen.erase_rows(0, screen.y)
                screen.erase_in_row(0, screen.x + 1)
            case 2:
                screen.erase_rows(0, screen.height)

    # --- to go on later ---

    def freeze(self) -> dict[str, Any]:
        """Everything that it takes to go on, as JSON can carry it. What `take` has not taken is not in it."""
        return {
            "tty": self._tty,
            "parser": self._parser.freeze(),
            "main": self._main.freeze(),
            "other": self._other.freeze(),
            "alternate": self._alternate,
            "drawing": self._drawing,
            "pieces": [list(piece) for piece in self._pieces],
            "remembered": list(self._remembered),
            "last": self._last,
        }

    @classmethod
    def thaw(cls, state: dict[str, Any]) -> "Rendering":
        """Go on where a rendering was frozen."""
        rendering = cls(1, 1, tty=state["tty"])
        rendering._parser.thaw(state["parser"])
        rendering._main = Screen.thaw(state["main"], rendering._tell)
        rendering._other = Screen.thaw(state["other"], rendering._tell, alternate=True)
        rendering._alternate, rendering._drawing = state["alternate"], state["drawing"]
        rendering._pieces = [Line(at, text) for at, text in state["pieces"]]
        rendering._remembered = dict.fromkeys(state["remembered"])
        rendering._last = state["last"]
        return rendering


def _size(cols: int, rows: int) -> tuple[int, int]:
    return max(1, min(cols, MAX_COLS)), max(1, min(rows, MAX_ROWS))
