"""What of a container's output a person's terminal must not see: what would reach their clipboard, and, in what is only
replayed, what makes the terminal answer, for the answer would appear as if it had been typed."""

import re

KEEP = 256
"""Bytes of an unfinished sequence that are held back until the rest comes. The ones looked for are shorter."""

ENQUIRY = b"\x05"

_CSI = re.compile(rb"\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]")
_CSI_BEGUN = re.compile(rb"\x1b\[[\x30-\x3f]*[\x20-\x2f]*\Z")
# Device attributes, status and cursor reports, mode requests, window reports, parameters, the name and version.
_CSI_QUERY = re.compile(rb"\x1b\[(?:[>=?]?[0-9;]*c|\??[0-9;]*n|\??[0-9;]*\$p|[0-9;]*[tx]|>[0-9;]*q|\?u)\Z")
_STRING = re.compile(rb"\x1b[\]P](?:[^\x07\x1b\x18\x1a]*)")
_STRING_END = re.compile(rb"\x07|\x1b\\|\x18|\x1a|(?=\x1b[^\\])")
_CLIPBOARD = re.compile(rb"\x1b\]0*52;")
_STRING_QUERY = re.compile(rb"\x1b\](?:4|5|1[0-9]);[^\x07\x1b]*\?|\x1bP[+$]q")
_MAY_BE = re.compile(rb"\x1b(?:\]0*(?:5(?:2)?)?)?\Z")
"""The end of a piece of output that could become a clipboard sequence."""


class Filter:
    """Bytes in, fewer bytes out; sequences may be split anywhere between pieces."""

    def __init__(self) -> None:
        self._held = b""
        self._dropping = False

    def pass_on(self, data: bytes, *, replay: bool = False) -> bytes:
        """What may be written of the next output."""
        if self._held:
            data = self._held + data
            self._held = b""
        if replay:
            data = data.replace(ENQUIRY, b"")
        elif not self._dropping and b"\x1b]" not in data and not data.endswith(b"\x1b"):
            return data
        out = bytearray()
        at = 0
        while at < len(data):
            at = self._drop(data, at) if self._dropping else self._step(data, at, out, replay=replay)
        return bytes(out)

    def flush(self) -> bytes:
        """What was held back, now that nothing more comes."""
        held, self._held = self._held, b""
        return held

    def _step(self, data: bytes, at: int, out: bytearray, *, replay: bool) -> int:
        """Take what comes before the next sequence, and that sequence. Returns where to go on."""
        begin = data.find(b"\x1b", at)
        if begin < 0:
            out += data[at:]
            return len(data)
        out += data[at:begin]
        kind = data[begin + 1 : begin + 2]
        if not kind:
            return self._hold(data, begin)
        if kind == b"]" or (replay and kind == b"P"):
            return self._string(data, begin, out, replay=replay)
        if replay and kind == b"[":
            return self._control(data, begin, out)
        if not (replay and kind == b"Z"):  # an old question for the terminal's name
            out += data[begin : begin + 1]
            return begin + 1
        return begin + 2

    def _control(self, data: bytes, begin: int, out: bytearray) -> int:
        match = _CSI.match(data, begin)
        if match is None:
            if len(data) - begin < KEEP and _CSI_BEGUN.match(data, begin):
                return self._hold(data, begin)
            out += data[begin : begin + 1]
            return begin + 1
        if not _CSI_QUERY.match(match[0]):
            out += match[0]
        return match.end()

    def _string(self, data: bytes, begin: int, out: bytearray, *, replay: bool) -> int:
        match = _STRING.match(data, begin)
        assert match is not None
        text = match[0]
        if _CLIPBOARD.match(text) or (replay and _STRING_QUERY.match(text)):
            self._dropping = True
            return match.end()
        unfinished = match.end() == len(data)
        if unfinished and len(text) < KEEP and (replay or _MAY_BE.match(text)):
            return self._hold(data, begin)
        out += text
        return match.end()

    def _drop(self, data: bytes, at: int) -> int:
        """Skip to the end of a sequence that is not passed on."""
        match = _STRING_END.search(data, at)
        if match is not None:
            self._dropping = False
            return match.end()
        if data.endswith(b"\x1b"):
            return self._hold(data, len(data) - 1)
        return len(data)

    def _hold(self, data: bytes, begin: int) -> int:
        self._held = data[begin:]
        return len(data)
