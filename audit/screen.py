"""A terminal's screen as text: a grid of rows, a cursor, a scroll region. Pure Python.

It knows no colours. What leaves the screen, or is about to be painted over after it stood there, is handed to `tell`,
which makes lines of it.
"""

from itertools import groupby
from typing import Any, Protocol, Self

from audit.rows import Row, width

STOOD = 0.5
"""Seconds after which what a full-screen program shows counts as seen."""

TAB = 8


class Tell(Protocol):
    """Takes rows that are complete, the oldest first. `repainted`: a program paints over them."""

    def __call__(self, rows: list[Row], *, repainted: bool = False) -> None: ...


class Screen:
    """One of a terminal's two screens. On the `alternate` one programs always paint; on the other one from the time
    they put the cursor somewhere until lines run through the screen again."""

    def __init__(self, cols: int, rows: int, tell: Tell, *, alternate: bool = False) -> None:
        self.cols, self.height = cols, rows
        self.rows = [Row.blank(cols) for _ in range(rows)]
        self.x = self.y = 0
        """The cursor. Behind the last column it waits there: it wraps with the next character only."""
        self.saved = (0, 0)
        self.top, self.bottom = 0, rows
        self.wrap = True
        self.inserting = False
        self.painted = alternate
        self.now = 0.0
        self._alternate = alternate
        self._tell = tell
        self._touched: Row | None = None

    def write(self, text: str) -> None:
        """Print characters at the cursor."""
        if text.isascii():
            self._run(list(text))
            return
        for wide, characters in groupby(text, width):
            run = list(characters)
            if wide == 0:
                for mark in run:
                    self._mark(mark)
            elif wide == 1:
                self._run(run)
            else:
                for character in run:
                    self._run([character, ""], whole=True)

    def _run(self, cells: list[str], *, whole: bool = False) -> None:
        if whole and self.cols < 2:
            return
        position = 0
        while position < len(cells):
            if self.x >= self.cols or (whole and self.x + 2 > self.cols):
                if self.wrap:
                    if self.x < self.cols:
                        # Nothing stands between the wide character and the one before.
                        self._touch(self.y).cells[self.x] = ""
                    self._wrap()
                else:
                    self.x = self.cols - (2 if whole else 1)
            row = self._touch(self.y)
            piece = cells[position : position + self.cols - self.x]
            if self.inserting:
                row.insert(self.x, len(piece), self.cols)
            row.write(self.x, piece)
            self.x += len(piece)
            position += len(piece)

    def _mark(self, mark: str) -> None:
        if self.x:
            self._touch(self.y).mark(min(self.x, self.cols) - 1, mark)

    def _wrap(self) -> None:
        self.x = 0
        self.line_feed()
        self.rows[self.y].continued = True

    def _touch(self, y: int) -> Row:
        """The row, which is about to change. What it showed is told if a program paints over it.

        Who edits the row that the cursor stands in corrects what is being written: only the last of it counts.
        """
        row = self.rows[y]
        if row is not self._touched:
            if self.painted and not row.told and self.now - row.at >= STOOD:
                self._tell([row], repainted=True)
            self._touched = row
        row.at, row.told = self.now, False
        return row

    # --- moving ---

    def move(self, *, x: int | None = None, y: int | None = None) -> None:
        """Put the cursor somewhere on the screen."""
        if x is not None:
            self.x = max(0, min(x, self.cols - 1))
        else:
            self.x = min(self.x, self.cols - 1)
        if y is not None:
            self.y = max(0, min(y, self.height - 1))

    def jump(self, x: int | None, y: int) -> None:
        """Put the cursor where a program says: it paints, from here on."""
        self.move(x=x, y=y)
        self.painted, self._touched = True, None

    def prints(self) -> None:
        """What follows is printed line by line, or corrects such lines."""
        self.painted = self._alternate

    def up(self, count: int) -> None:
        self.move(y=max(self.y - count, self.top if self.y >= self.top else 0))

    def down(self, count: int) -> None:
        self.move(y=min(self.y + count, self.bottom - 1 if self.y < self.bottom else self.height - 1))

    def line_feed(self) -> None:
        if self.y == self.bottom - 1:
            if self.bottom == self.height:
                self.prints()
            self.scroll_up(1)
        elif self.y < self.height - 1:
            self.y += 1

    def reverse_line_feed(self) -> None:
        if self.y == self.top:
            self.insert_lines(1, self.top)
        elif self.y:
            self.y -= 1

    def tab(self, count: int) -> None:
        self.move(x=(min(self.x, self.cols - 1) // TAB + count) * TAB)

    def region(self, top: int, bottom: int) -> None:
        """Set the rows that scroll; what makes no region sets them all."""
        self.top, self.bottom = (top, bottom) if 0 <= top < bottom - 1 < self.height else (0, self.height)
        self.jump(0, 0)

    # --- scrolling ---

    def scroll_up(self, count: int) -> None:
        """What passes the top leaves the screen."""
        self.delete_lines(count, self.top)

    def delete_lines(self, count: int, at: int) -> None:
        """Take rows out at `at`; the rows below in the region move up."""
        if not self.top <= at < self.bottom:
            return
        count = min(count, self.bottom - at)
        self._tell(self.rows[at : at + count])
        self.rows[at : self.bottom] = self.rows[at + count : self.bottom] + self._blanks(count)

    def insert_lines(self, count: int, at: int) -> None:
        """Put blank rows in at `at`; what passes the region's bottom leaves the screen."""
        if not self.top <= at < self.bottom:
            return
        count = min(count, self.bottom - at)
        self._tell(self.rows[self.bottom - count : self.bottom])
        self.rows[at : self.bottom] = self._blanks(count) + self.rows[at : self.bottom - count]

    def _blanks(self, count: int) -> list[Row]:
        return [Row.blank(self.cols) for _ in range(count)]

    # --- erasing ---

    def erase_in_row(self, start: int, end: int) -> None:
        row = self._touch(self.y)
        row.erase(start, end)
        if start == 0:
            row.continued = False

    def erase_rows(self, start: int, end: int) -> None:
        """Blank whole rows; they were seen."""
        self._tell(self.rows[start:end])
        self.rows[start:end] = self._blanks(max(0, end - start))
        self._touched = None

    def insert_cells(self, count: int) -> None:
        self.move()
        self._touch(self.y).insert(self.x, count, self.cols)

    def delete_cells(self, count: int) -> None:
        self.move()
        self._touch(self.y).delete(self.x, count, self.cols)

    # --- as a whole ---

    def soft_reset(self) -> None:
        """The modes as at the start."""
        self.top, self.bottom, self.wrap, self.inserting = 0, self.height, True, False

    def clear(self) -> None:
        """Everything as at the start; what stood there was seen."""
        self.erase_rows(0, self.height)
        self.x = self.y = 0
        self.saved, self.top, self.bottom = (0, 0), 0, self.height
        self.wrap, self.inserting, self._touched = True, False, None

    def resize(self, cols: int, height: int) -> None:
        """Another size. Rows too many leave at the top, as far as the cursor allows; text is not wrapped anew."""
        if (cols, height) == (self.cols, self.height):
            return
        below = max(0, len(self.rows) - self.y - 1)
        from_top = max(0, len(self.rows) - height - below)
        self._tell(self.rows[:from_top])
        kept = self.rows[from_top : from_top + height]
        self._tell(self.rows[from_top + height :])
        if cols < self.cols:
            # What is cut off was seen.
            self._tell([row for row in kept if any(cell not in ("", " ") for cell in row.cells[cols:])])
        self.cols, self.height = cols, height
        for row in kept:
            row.fit(cols)
        self.rows = kept + self._blanks(height - len(kept))
        self.top, self.bottom = 0, height
        self.move(y=self.y - from_top)
        self._touched = None

    # --- to go on later ---

    def freeze(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {
            "size": [self.cols, self.height],
            "cursor": [self.x, self.y],
            "saved": list(self.saved),
            "region": [self.top, self.bottom],
            "flags": [self.wrap, self.inserting, self.painted],
            "touched": next((y for y, row in enumerate(self.rows) if row is self._touched), None),
            "rows": [[row.text(), row.at, row.continued, row.told] for row in self.rows],
        }

    @classmethod
    def thaw(cls, state: dict[str, Any], tell: Tell, *, alternate: bool = False) -> Self:
        cols, rows = state["size"]
        screen = cls(cols, rows, tell, alternate=alternate)
        screen.x, screen.y = state["cursor"]
        screen.saved = (state["saved"][0], state["saved"][1])
        screen.top, screen.bottom = state["region"]
        screen.wrap, screen.inserting, screen.painted = state["flags"]
        screen.rows = [
            Row.of(text, screen.cols, at=at, continued=continued, told=told)
            for text, at, continued, told in state["rows"]
        ]
        screen._touched = None if state["touched"] is None else screen.rows[state["touched"]]
        return screen
