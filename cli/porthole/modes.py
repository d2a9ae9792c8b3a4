"""Which of a terminal's modes a program has switched, so that they can be put back when its window is left."""

import re

CARRY = 64
"""Bytes of an unfinished sequence that are kept until the next ones come."""

NORMALLY_ON = frozenset({7, 25})
"""Line wrap and the visible cursor."""

ALTERNATE_SCREENS = (47, 1047, 1049)

_SEQUENCE = re.compile(
    rb"\x1b\[\?(?P<modes>[0-9;]+)(?P<on>[hl])"
    rb"|\x1b\[(?P<region>[0-9;]*)r"
    rb"|\x1b(?P<keypad>[=>])"
    rb"|\x1b\[[0-9]+ (?P<cursor>q)"
    rb"|\x1b\[>(?P<keys>4);[0-9]+m"
    rb"|\x1b\[[>=](?P<kitty>[0-9;]*)u"
    rb"|\x1b(?P<reset>c)"
)


class Modes:
    """Follows output; `reset` undoes what it left switched."""

    def __init__(self) -> None:
        self._carry = b""
        self._switched: dict[int, bool] = {}
        self._undo: dict[str, bytes] = {}

    @property
    def alternate_screen(self) -> bool:
        """Whether a program has the whole screen to itself."""
        return any(self._switched.get(mode) for mode in ALTERNATE_SCREENS)

    def follow(self, data: bytes) -> None:
        """Output that is written to the terminal."""
        if self._carry:
            data = self._carry + data
            self._carry = b""
        if b"\x1b" not in data:
            return
        end = 0
        for match in _SEQUENCE.finditer(data):
            self._apply(match)
            end = match.end()
        last = data.rfind(b"\x1b")
        if last >= end and len(data) - last < CARRY:
            self._carry = data[last:]

    def reset(self) -> bytes:
        """What puts everything back; empty if nothing was switched."""
        changed = [mode for mode, on in self._switched.items() if on is not (mode in NORMALLY_ON)]
        changed.sort(key=lambda mode: mode not in ALTERNATE_SCREENS)
        modes = b"".join(b"\x1b[?%d%c" % (mode, b"h" if mode in NORMALLY_ON else b"l") for mode in changed)
        undone = modes + b"".join(self._undo.values())
        self._switched.clear()
        self._undo.clear()
        return undone + b"\x1b[0m" if undone else b""

    def _apply(self, match: re.Match[bytes]) -> None:
        found = match.groupdict()
        if found["modes"]:
            for mode in found["modes"].split(b";"):
                if mode and len(mode) <= 5:
                    self._switch(int(mode), on=found["on"] == b"h")
        elif found["region"] is not None:
            # Setting the margins moves the cursor to the top.
            self._set("region", b"\x1b7\x1b[r\x1b8", on=bool(found["region"]))
        elif found["keypad"]:
            self._set("keypad", b"\x1b>", on=found["keypad"] == b"=")
        elif found["cursor"]:
            self._set("cursor", b"\x1b[0 q", on=True)
        elif found["keys"]:
            self._set("keys", b"\x1b[>4m", on=True)
        elif found["kitty"] is not None:
            self._set("kitty", b"\x1b[=0;1u", on=True)
        else:
            self._switched.clear()
            self._undo.clear()

    def _switch(self, mode: int, *, on: bool) -> None:
        if mode in ALTERNATE_SCREENS and not on:  # whichever of them led there
            self._switched |= dict.fromkeys(ALTERNATE_SCREENS, False)
        self._switched[mode] = on

    def _set(self, name: str, undo: bytes, *, on: bool) -> None:
        if on:
            self._undo[name] = undo
        else:
            self._undo.pop(name, None)
