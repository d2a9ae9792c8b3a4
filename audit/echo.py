"""Follows the cursor while an echo is awaited. No Django."""

import re
import unicodedata

_MOVE = re.compile(r"(?:\x1b\[|\x9b)(\d{0,4})([CD])\Z")
# Sequences that leave the cursor where it is: colours, erasing, inserting and deleting, modes, strings, charsets.
_STAYS = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[mKJXP@hlnqct]\Z|\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]|\x1b[()*+][0-~]|\x1b[=>]\Z"
)


class Cursor:
    """How far the cursor is from where the next echo belongs.

    An echo belongs exactly behind the one before. What else is printed there must take the cursor back before the next
    echo (as the redrawn rest of a line or a suggestion does). Once the position is lost (a control key was typed, the
    cursor jumped), only blanks may come before the echo.
    """

    def __init__(self) -> None:
        self._drift = 0
        self._lost = False
        self._saved: int | None = None

    def anchor(self, *, lost: bool) -> None:
        """The next echo belongs where the cursor is now, or, if `lost`, where it goes first."""
        self._drift = 0
        self._lost = lost
        self._saved = None

    def matches(self, character: str, expected: str) -> bool:
        """Whether `character`, printed now, is the echo of `expected`."""
        return character == expected and (self._lost or self._drift == 0)

    def passes(self, character: str, *, blanks_only: bool) -> bool:
        """Take note of a character that is no echo. False if one can no longer come."""
        if self._lost or blanks_only:
            return self._lost and character == " "
        self._drift += _width(character)
        return True

    def control(self, sequence: str) -> None:
        """Take note of a control character or an escape sequence."""
        if sequence in ("\x07", "\x00") or _STAYS.match(sequence):
            return
        if sequence == "\b":
            self._drift -= 1
        elif sequence == "\x1b7" and not self._lost:
            self._saved = self._drift
        elif sequence == "\x1b8" and self._saved is not None:
            self._drift = self._saved
        elif move := _MOVE.match(sequence):
            columns = max(1, int(move[1] or 1))
            self._drift += columns if move[2] == "C" else -columns
        else:
            self._lost = True


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
