"""Lists, for people and for programs."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

BREAKABLE = ("name", "image", "you may", "namespace", "params", "text")
"""Columns that may take several lines of a narrow terminal."""

Rows = Sequence[Sequence[str]]

STYLES = {"DETACHED": "yellow", "STOPPED": "bright_black", "ACTIVE": "green", "PENDING": "blue"}


def clean(value: object) -> str:
    """Without anything that a terminal would obey: names are chosen by other people."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else "�" for character in text)


def as_json(value: Any) -> None:
    """For programs. What is no ASCII is escaped, and with it whatever a terminal would obey."""
    print(json.dumps(value, indent=2))


def table(columns: Sequence[str], rows: Rows, *, empty: str, ansi: bool = True) -> None:
    """A table that fits the terminal, or all of it in plain columns where there is none. An empty one says why."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if not cells:
        print(empty, file=sys.stderr)
    elif sys.stdout.isatty():
        _drawn(columns, cells, ansi=ansi)
    else:
        _plain(columns, cells)


def _plain(columns: Sequence[str], rows: Rows) -> None:
    widths = [max(len(row[number]) for row in [columns, *rows]) for number in range(len(columns))]
    for row in [columns, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _drawn(columns: Sequence[str], rows: Rows, *, ansi: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="bold")
    for column in columns:
        # What is short and what is there to be copied is never broken, whatever the width.
        drawn.add_column(column.replace("_", "\n"), no_wrap=column not in BREAKABLE, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    Console(highlight=False, color_system="auto" if ansi else None).print(drawn)


def when(text: str | None) -> str:
    """A moment in local time, short: the time of today, the date of other days. `--json` has it exactly."""
    if not text:
        return ""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    today = datetime.now(UTC).astimezone().date()
    if moment.date() == today:
        return moment.strftime("%H:%M")
    return moment.strftime("%b %d" if moment.year == today.year else "%Y-%m-%d")


def span(seconds: float | None) -> str:
    """A length of time, to two parts."""
    if seconds is None:
        return ""
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{whole % 60:02}s" if minutes else f"{whole}s"


def size(number: int | None) -> str:
    """A number of bytes, short."""
    if number is None:
        return ""
    amount = float(number)
    for unit in ("B", "K", "M", "G"):
        if amount < 1000:
            return f"{amount:.0f}{unit}" if unit == "B" or amount >= 10 else f"{amount:.1f}{unit}"
        amount /= 1024
    return f"{amount:.1f}T"
