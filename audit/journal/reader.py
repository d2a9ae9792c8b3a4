"""Reads a journal, live or sealed. Nothing here writes, locks, or keeps a file open longer than its call."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from audit.journal.files import explained, open_folder, open_in
from audit.journal.layout import (
    MAX_LINE,
    OUTPUT,
    SEAL,
    TIMELINE,
    JournalError,
    JournalHeader,
    Line,
    Seal,
    TimelineEvent,
    decode_header,
    decode_seal,
    scan_events,
)

_MAX_SEAL = 64 * 1024


def open_file(folder: Path, name: str) -> int:
    """A descriptor of one of a journal's files, for reading."""
    directory = open_folder(folder)
    try:
        return open_in(directory, name, os.O_RDONLY)
    finally:
        os.close(directory)


def read_output(folder: Path, offset: int, length: int) -> bytes:
    """Up to `length` bytes of output from `offset` on; fewer only at the end of what is written.

    A gap reads as zero bytes. May be called from any thread, also while the journal is written.
    """
    with explained():
        descriptor = open_file(folder, OUTPUT)
        try:
            content = os.pread(descriptor, length, offset)
            while len(content) < length:
                more = os.pread(descriptor, length - len(content), offset + len(content))
                if not more:
                    break
                content += more
        finally:
            os.close(descriptor)
    return content


def output_size(folder: Path) -> int:
    """The number of output bytes written so far, gaps included."""
    with explained():
        descriptor = open_file(folder, OUTPUT)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)


def timeline_size(folder: Path) -> int:
    """The bytes of the timeline's file: where it ends."""
    with explained():
        descriptor = open_file(folder, TIMELINE)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)


def read_header(folder: Path) -> JournalHeader:
    """The timeline's first line. Raises `JournalError` if there is none."""
    with explained(), os.fdopen(open_file(folder, TIMELINE), "rb") as timeline:
        return read_header_of(timeline)[0]


def read_timeline(folder: Path) -> Iterator[TimelineEvent]:
    """The events in order, streamed; a torn last line is left out.

    Raises `JournalError` where a whole line cannot be understood: the file was damaged, and what follows cannot be
    placed.
    """
    with explained(), os.fdopen(open_file(folder, TIMELINE), "rb") as timeline:
        for line in scan_events(timeline, read_header_of(timeline)[1], strict=True):
            yield line.event


def read_timeline_from(folder: Path, position: int, offset: int, last: float) -> Iterator[Line]:
    """The events from a place on that an earlier reader came to: `Line.end`, and the session's offset and time there.

    From position 0 on they are all. Raises `JournalError` as `read_timeline` does.
    """
    with explained(), os.fdopen(open_file(folder, TIMELINE), "rb") as timeline:
        start = position or read_header_of(timeline)[1]
        yield from scan_events(timeline, start, strict=True, offset=offset, last=last)


def read_hashes(folder: Path) -> tuple[str, str]:
    """The SHA-256 of `output` and of `timeline` as they stand now, in hex; each is read once, block by block."""
    with explained():
        with os.fdopen(open_file(folder, OUTPUT), "rb") as output:
            output_sha256 = hashlib.file_digest(output, "sha256").hexdigest()
        with os.fdopen(open_file(folder, TIMELINE), "rb") as timeline:
            return output_sha256, hashlib.file_digest(timeline, "sha256").hexdigest()


def read_seal(folder: Path) -> Seal | None:
    """The seal, or None if the journal is not sealed. Raises `JournalError` if the seal cannot be understood."""
    with explained():
        try:
            descriptor = open_file(folder, SEAL)
        except FileNotFoundError:
            # A missing folder is an error, a missing seal is an answer.
            os.close(open_folder(folder))
            return None
        with os.fdopen(descriptor, "rb") as file:
            seal = decode_seal(file.read(_MAX_SEAL))
    if seal is None:
        raise JournalError("The recording's seal is damaged.")
    return seal


def read_header_of(timeline: BinaryIO) -> tuple[JournalHeader, int]:
    """The header of an open timeline, and where the events begin in the file."""
    line = timeline.readline(MAX_LINE)
    header = decode_header(line) if line.endswith(b"\n") else None
    if header is None:
        raise JournalError("The recording's timeline has no readable header.")
    return header, len(line)
