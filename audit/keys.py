"""Splits what a terminal sends for typed keys into characters and control keys. No Django."""

import codecs
import re
from collections.abc import Iterator

_TOKEN = re.compile("\x1b\\[[0-?]{0,32}[ -/]{0,2}[@-~]|\x1bO[A-DFHMPQRSj-y]|.", re.DOTALL)
_BEGUN = re.compile("\x1b(?:\\[[0-?]{0,32}[ -/]{0,2}|O)?\\Z")

# The terminal's own answers to a program's question (its colours, its name): not typed by anybody.
_ANSWER = re.compile("\x1b[]P_^X][^\x00-\x1f]{0,4096}(?:\x07|\x1b\\\\)")
_ANSWER_BEGUN = re.compile("\x1b[]P_^X][^\x00-\x1f]{0,4096}\x1b?\\Z")

# Arrows and function keys, focus, mouse, reports. Only these: some keyboard modes send ordinary characters as sequences
# (CSI 115 u is an "s"), which must be treated as the text they are.
_KEY = re.compile(
    r"\x1b\[(?:[\d;]*[A-FHIOPQRSZ]|\d{1,3}(?:;\d{1,3})?~|<[\d;]+[Mm]|[?>]?[\d;]*\$?[cnty])\Z|\x1bO.|[\x00-\x1f\x7f-\x9f]\Z"
)


def is_key(token: str) -> bool:
    """Whether a token of `KeyParser` is a control key. Everything else is text, also what is no printable character."""
    return _KEY.match(token) is not None


class KeyParser:
    """Feed it bytes, get one character or one control key at a time.

    Sequences are recognized narrowly: ESC before anything else is the Escape key, and what follows is text like any
    other, so that no text passes for a key. A terminal's answers are dropped.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> Iterator[str]:
        """The characters and keys that `data` completes."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        position = 0
        while position < len(text):
            if text[position] == "\x1b":
                if answer := _ANSWER.match(text, position):
                    position = answer.end()
                    continue
                if _BEGUN.match(text, position) or _ANSWER_BEGUN.match(text, position):
                    self._rest = text[position:]
                    return
            key = _TOKEN.match(text, position)
            assert key is not None
            position = key.end()
            yield key.group()

    def finish(self) -> Iterator[str]:
        """What is incomplete, as it stands."""
        rest, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        yield from rest
