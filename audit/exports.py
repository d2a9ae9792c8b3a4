"""A journal as other tools read it: asciicast, plain text, exact bytes. Streams of bytes in flat memory.

Each works on a live journal too and ends with what is written by then. A journal that turns out to be damaged half way
ends the export with a line that says so: the response has begun, so an error could no longer be told.
"""

import codecs
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from audit.journal import (
    JournalError,
    JournalHeader,
    output_size,
    read_header,
    read_output,
    read_timeline,
)
from audit.transcripts import Transcript

logger = logging.getLogger(__name__)

_BARE_NEWLINE = re.compile(r"(?<!\r)\n")

CHUNK = 64 * 1024
"""Bytes of output in memory at a time."""


def gap_notice(length: int) -> str:
    """What a reader is told where output is missing."""
    return f"[{length} bytes of output are missing here: they were shown and could not be recorded]"


def damage_notice(error: JournalError) -> str:
    """What a reader is told where a recording cannot be read on."""
    return f"[the recording cannot be read further: {error}]"


def cast(folder: Path) -> Iterator[bytes]:
    """The session as asciicast v2: a header line, then one event a line.

    Characters and their bytes are joined across events; what is no UTF-8 becomes U+FFFD. Where there was no terminal,
    stdout and stderr stand in it in the order in which they came, and lines get the carriage return that a terminal
    would have added. Raises `JournalError` before the first line if there is no journal to read.
    """
    header = read_header(folder)
    return _cast(folder, header)


def transcript(folder: Path) -> Iterator[bytes]:
    """What was on the screen as UTF-8 text without escape sequences. Raises `JournalError` as `cast` does."""
    header = read_header(folder)
    return _transcript(folder, header)


def raw_output(folder: Path) -> Iterator[bytes]:
    """The exact bytes, gaps as zero bytes. Raises `JournalError` as `cast` does."""
    return _chunks(folder, 0, output_size(folder))


def _cast(folder: Path, header: JournalHeader) -> Iterator[bytes]:
    yield _line(_cast_header(header))
    decoders = _Decoders(tty=header.tty)
    at = 0.0
    try:
        for event in read_timeline(folder):
            at = event.at
            match event.code:
                case "o":
                    for chunk in _chunks(folder, event.offset, int(event.value)):
                        if text := decoders.decode(chunk):
                            yield _line([at, "o", text])
                case "s":
                    decoders.switch(event.value)
                case "g":
                    notice = gap_notice(int(event.value))
                    yield _line([at, "o", f"{decoders.finish()}\r\n{notice}\r\n"])
                    yield _line([at, "m", notice])
                case _:
                    yield _line([at, event.code, event.value])
    except JournalError as error:
        logger.warning("%s: the export as asciicast ends early: %s", header.session_uid, error)
        yield _line([at, "m", damage_notice(error)])
    if rest := decoders.finish():
        yield _line([at, "o", rest])


class _Decoders:
    """Text of each stream: half a character of the one waits for its other half while the other one speaks."""

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty
        self._stream = "stdout"
        self._of = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}

    def switch(self, stream: object) -> None:
        self._stream = str(stream)

    def decode(self, data: bytes) -> str:
        return self._for_a_terminal(self._of[self._stream].decode(data))

    def finish(self) -> str:
        """What is left of incomplete characters."""
        return self._for_a_terminal("".join(decoder.decode(b"", final=True) for decoder in self._of.values()))

    def _for_a_terminal(self, text: str) -> str:
        return text if self._tty else _BARE_NEWLINE.sub("\r\n", text)


def _cast_header(header: JournalHeader) -> dict[str, object]:
    fields: dict[str, object] = {"version": 2, "width": header.cols, "height": header.rows}
    try:
        fields["timestamp"] = int(datetime.fromisoformat(header.started_at).timestamp())
    except ValueError:
        logger.warning("%s: the start time %r cannot be read", header.session_uid, header.started_at)
    optional = {"title": header.title, "command": header.command, "env": header.env}
    return fields | {name: value for name, value in optional.items() if value}


def _transcript(folder: Path, header: JournalHeader) -> Iterator[bytes]:
    # Without a terminal there are two streams, and no line of the one goes on in the other.
    texts = {"stdout": Transcript(header.cols)}
    if not header.tty:
        texts["stderr"] = Transcript(header.cols)
    stream = "stdout"
    try:
        for event in read_timeline(folder):
            match event.code:
                case "o":
                    for chunk in _chunks(folder, event.offset, int(event.value)):
                        for line in texts.get(stream, texts["stdout"]).feed(chunk):
                            yield line.encode()
                case "s":
                    stream = str(event.value)
                case "g":
                    for text in texts.values():
                        yield from (line.encode() for line in text.end())
                    yield f"{gap_notice(int(event.value))}\n".encode()
                case "r":
                    cols, _, _ = str(event.value).partition("x")
                    if cols.isdecimal():
                        texts["stdout"].resize(int(cols))
    except JournalError as error:
        logger.warning("%s: the export as text ends early: %s", header.session_uid, error)
        yield f"{damage_notice(error)}\n".encode()
    for text in texts.values():
        yield from (line.encode() for line in text.end())


def _chunks(folder: Path, offset: int, length: int) -> Iterator[bytes]:
    end = offset + length
    while offset < end:
        chunk = read_output(folder, offset, min(CHUNK, end - offset))
        if not chunk:
            raise JournalError("The recording's output is shorter than its timeline.")
        yield chunk
        offset += len(chunk)


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n"
