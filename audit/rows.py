"""One row of a terminal's screen: its characters, and when they were last written. Pure Python."""

import unicodedata
from dataclasses import dataclass

MAX_MARKS = 8
"""Combining characters in one cell; what is beyond is dropped."""


@dataclass(slots=True)
class Row:
    """Cells of one screen row. A wide character has its cell and an empty one behind it."""

    cells: list[str]
    at: float = 0.0
    """When it was last written to: seconds since the session's start."""
    continued: bool = False
    """It goes on where the row above was full."""
    told: bool = True
    """What it shows is indexed already, or is nothing."""

    @classmethod
    def blank(cls, cols: int) -> "Row":
        return cls([" "] * cols)

    @classmethod
    def of(cls, text: str, cols: int, *, at: float, continued: bool, told: bool) -> "Row":
        """The row that shows `text`."""
        cells: list[str] = []
        for character in text:
            if (columns := width(character)) == 0 and cells:
                cells[-1 if cells[-1] else -2] += character
            else:
                cells += [character, ""][: max(1, columns)]
        row = cls(cells, at, continued, told)
        row.fit(cols)
        return row

    def text(self) -> str:
        return "".join(self.cells).rstrip()

    def write(self, column: int, cells: list[str]) -> None:
        """Put `cells` from `column` on; what they leave of a wide character becomes a space."""
        end = column + len(cells)
        if not self.cells[column] and column and width(self.cells[column - 1]) == 2:
            self.cells[column - 1] = " "
        if end < len(self.cells) and not self.cells[end]:
            self.cells[end] = " "
        self.cells[column:end] = cells

    def erase(self, start: int, end: int) -> None:
        """Blank the cells from `start` up to `end`."""
        end = min(end, len(self.cells))
        if start < end:
            self.write(start, [" "] * (end - start))

    def insert(self, column: int, count: int, end: int) -> None:
        """Move what is from `column` on to the right by `count`; what passes `end` is lost."""
        count = min(count, end - column)
        self.cells[column:end] = [" "] * count + self.cells[column : end - count]
        self._mend()

    def delete(self, column: int, count: int, end: int) -> None:
        """Take `count` cells out at `column`; what is behind moves up."""
        count = min(count, end - column)
        self.cells[column:end] = self.cells[column + count : end] + [" "] * count
        self._mend()

    def fit(self, cols: int) -> None:
        """Cut or fill up to `cols` cells."""
        self.cells = self.cells[:cols] + [" "] * (cols - len(self.cells))
        self._mend()

    def _mend(self) -> None:
        """Halves of wide characters become spaces."""
        cells = self.cells
        for column, cell in enumerate(cells):
            half = not cell and (column == 0 or width(cells[column - 1]) != 2)
            if half or (width(cell) == 2 and (column + 1 == len(cells) or cells[column + 1])):
                cells[column] = " "

    def mark(self, column: int, character: str) -> None:
        """Add a combining character to the cell at `column`."""
        if not self.cells[column] and column:
            column -= 1
        if len(self.cells[column]) <= MAX_MARKS:
            self.cells[column] += character


def width(cell: str) -> int:
    """The columns of a cell's first character: 0 for combining ones, 2 for wide ones."""
    if not cell or cell[0] < "\u0300":
        return 1
    if unicodedata.category(cell[0]) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(cell[0]) in "WF" else 1
