"""A journal as other tools read it: asciicast, plain text, exact bytes. Streams of bytes in flat memory.

Each works on a live journal too and ends with what is written by then. A journal that turns out to be damaged half way
ends the export with a line that says so: the response has begun, so an error could no longer be told.
"""

import codecs
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from audit.journal import (
    JournalError,
    JournalHeader,
    TimelineEvent,
    output_size,
    read_header,
    read_output,
    read_timeline,
)
from audit.transcripts import Transcript

logger = logging.getLogger(__name__)

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

    Characters and their bytes are joined across events; what is no UTF-8 becomes U+FFFD. Raises `JournalError` before
    the first line if there is no journal to read.
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
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    at = 0.0
    try:
        for event in read_timeline(folder):
            at = event.at
            match event.code:
                case "o":
                    for chunk in _chunks(folder, event.offset, int(event.value)):
                        if text := decoder.decode(chunk):
                            yield _line([at, "o", text])
                case "g":
                    notice = gap_notice(int(event.value))
                    yield _line([at, "o", f"{decoder.decode(b'', final=True)}\r\n{notice}\r\n"])
                    yield _line([at, "m", notice])
                case _:
                    yield _line([at, event.code, event.value])
    except JournalError as error:
        logger.warning("%s: the export as asciicast ends early: %s", header.session_uid, error)
        yield _line([at, "m", damage_notice(error)])
    if rest := decoder.decode(b"", final=True):
        yield _line([at, "o", rest])


def _cast_header(header: JournalHeader) -> dict[str, object]:
    fields: dict[str, object] = {"version": 2, "width": header.cols, "height": header.rows}
    try:
        fields["timestamp"] = int(datetime.fromisoformat(header.started_at).timestamp())
    except ValueError:
        logger.warning("%s: the start time %r cannot be read", header.session_uid, header.started_at)
    optional = {"title": header.title, "command": header.command, "env": header.env}
    return fields | {name: value for name, value in optional.items() if value}


def _transcript(folder: Path, header: JournalHeader) -> Iterator[bytes]:
    text = Transcript(header.cols)
    try:
        for event in read_timeline(folder):
            for line in _transcript_lines(text, folder, event):
                yield line.encode()
    except JournalError as error:
        logger.warning("%s: the export as text ends early: %s", header.session_uid, error)
        yield f"{damage_notice(error)}\n".encode()
    for line in text.end():
        yield line.encode()


def _transcript_lines(text: Transcript, folder: Path, event: TimelineEvent) -> Iterator[str]:
    match event.code:
        case "o":
            for chunk in _chunks(folder, event.offset, int(event.value)):
                yield from text.feed(chunk)
        case "g":
            yield from text.end()
            yield f"{gap_notice(int(event.value))}\n"
        case "r":
            cols, _, _ = str(event.value).partition("x")
            if cols.isdecimal():
                text.resize(int(cols))


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
