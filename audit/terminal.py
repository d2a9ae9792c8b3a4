"""Splits terminal output into text, control characters and escape sequences, however the bytes were cut. No Django.

The grammar is ECMA-48's as xterm reads it: CSI, strings (OSC, DCS, APC, PM, SOS) with BEL or ST as their end, two-byte
escapes, and the C1 controls as UTF-8. Control characters inside a CSI sequence end it here, where xterm would go on:
what matters to a reader of text is that no byte of it passes for text.
"""

import codecs
import re
from collections.abc import Iterator

MAX_SEQUENCE = 256
"""Characters of one CSI or two-byte sequence. No real one comes near; a longer one is dropped as it stands."""

_TOKEN = re.compile(
    "[^\x00-\x1f\x7f-\x9f]+"  # text
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*(?:[@-~]|(?=[^ -~])|\\Z)"  # CSI; broken off by anything that cannot be in it
    "|(?:\x1b[]PX^_]|[\x9d\x90\x98\x9e\x9f])"  # the start of a string
    "|\x1b[ -/]*(?:[0-~]|(?=[^ -~])|\\Z)"  # two-byte escapes, with intermediates
    "|[\x00-\x1f\x7f-\x9f]"  # controls
)
_STRING_START = re.compile("(?:\x1b[]PX^_]|[\x9d\x90\x98\x9e\x9f])\\Z")
_STRING_END = re.compile("[\x07\x9c\x18\x1a]|\x1b\\\\?")


class TerminalParser:
    """Feed it bytes, get tokens: a run of text, one control character, or one whole escape sequence (starts with ESC).

    The content of a string sequence (a title, a link, a clipboard) is dropped; its introducer is the token. Memory is
    bounded by the fed bytes and MAX_SEQUENCE.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._in_string = False

    def freeze(self) -> list[str | bool]:
        """What is incomplete, as JSON can carry it; `thaw` goes on from there."""
        return [self._decoder.getstate()[0].hex(), self._rest, self._in_string]

    def thaw(self, state: list[str | bool]) -> None:
        """Go on where a parser was frozen."""
        undecoded, rest, in_string = state
        self._decoder.setstate((bytes.fromhex(str(undecoded)), 0))
        self._rest, self._in_string = str(rest), bool(in_string)

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[str]:
        """The tokens that `data` completes. With `final`, what is incomplete is dropped."""
        text = self._rest + self._decoder.decode(data, final)
        self._rest = ""
        position = 0
        while position < len(text):
            if self._in_string:
                position = self._skip_string(text, position, final=final)
                continue
            match = _TOKEN.match(text, position)
            # Every character is in one of the token's classes.
            assert match is not None
            token, position = match.group(), match.end()
            if position == len(text) and _is_open(token):
                self._rest = "" if final or len(token) > MAX_SEQUENCE else token
                return
            if _STRING_START.fullmatch(token):
                self._in_string = True
            yield token

    def _skip_string(self, text: str, position: int, *, final: bool) -> int:
        end = _STRING_END.search(text, position)
        if end is None:
            return len(text)
        if end.group() == "\x1b" and end.end() == len(text) and not final:
            # Perhaps the first half of ST.
            self._rest = "\x1b"
            return len(text)
        self._in_string = False
        # ESC and something else than a backslash breaks the string off and begins a sequence of its own.
        return end.start() if end.group() == "\x1b" else end.end()


def is_text(token: str) -> bool:
    """Whether a token is a run of text; else it is a control character or an escape sequence."""
    return token[0] >= " " and not "\x7f" <= token[0] <= "\x9f"


def _is_open(token: str) -> bool:
    """Whether more characters could belong to a token that stands at the end of what has come."""
    if token[0] == "\x9b" or token.startswith("\x1b["):
        body = token[1:] if token[0] == "\x9b" else token[2:]
        return not body or not "@" <= body[-1] <= "~"
    return token[0] == "\x1b" and (len(token) == 1 or " " <= token[-1] <= "/")
