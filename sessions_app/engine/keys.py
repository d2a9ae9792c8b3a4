"""The keys that detach, Ctrl-A D, found in what a person types and never in what is pasted."""

import re

CHORD = re.compile(rb"(?:\x01|\x1b\[97;5u|\x1b\[27;5;97~|[dD]){1,2}")
"""A frame that may be part of it: one key of the chord, or two that a client read at once. The longer forms of Ctrl-A
are what terminals send once a program asked them to say keys in full (kitty's protocol, xterm's modifyOtherKeys)."""

LONGEST_CHORD = 2 * len(b"\x1b[27;5;97~")

PASTE_BEGINS, PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"

PIECE = 1024
"""Bytes from which a frame is taken for a piece of a paste, whose last piece may be as short as a keystroke."""

PIECE_TIME = 0.5
"""Seconds after such a piece in which nothing that comes is taken for the chord."""

_KEY = re.compile(rb"\x01|\x1b\[[0-9;]*[u~]|[dD]")


class DetachKeys:
    """What one window types. A Ctrl-A waits for the next key; nothing else is ever kept or moved.

    After it D detaches, another Ctrl-A types one Ctrl-A, and any other key goes on together with it.
    """

    __slots__ = ("_held", "_pasting", "_piece_at", "_tail")

    def __init__(self) -> None:
        self._held = b""
        self._pasting = False
        self._piece_at = float("-inf")
        self._tail = b""

    def take(self, data: bytes, now: float) -> tuple[bytes, bool]:
        """One frame of input at a moment of the monotonic clock: what the program gets of it, and whether to detach."""
        if self._is_chord(data, now):
            return self._typed(data)
        held, self._held = self._held, b""
        self._look_for_pastes(data, now)
        return held + data, False

    def _is_chord(self, data: bytes, now: float) -> bool:
        return (
            len(data) <= LONGEST_CHORD
            and not self._pasting
            and CHORD.fullmatch(data) is not None
            and now - self._piece_at > PIECE_TIME
        )

    def _typed(self, data: bytes) -> tuple[bytes, bool]:
        passed = b""
        for key in _KEY.findall(data):
            letter = key in b"dD"
            if self._held:
                if letter:
                    self._held = b""
                    return passed, True
                passed += key
                self._held = b""
            elif letter:
                passed += key
            else:
                self._held = key
        self._tail = b""
        return passed, False

    def _look_for_pastes(self, data: bytes, now: float) -> None:
        """A paste's brackets may be cut in two by frames."""
        if len(data) >= PIECE:
            self._piece_at = now
        seen = self._tail + data
        began, ended = seen.rfind(PASTE_BEGINS), seen.rfind(PASTE_ENDS)
        if began != ended:
            self._pasting = began > ended
        self._tail = seen[1 - len(PASTE_BEGINS) :]
