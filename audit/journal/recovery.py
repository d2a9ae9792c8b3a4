"""Repairs a journal whose writer died, so that its two files tell the same story again.

Three things can be wrong. The last line is torn, or a power cut left rubbish at the timeline's end: cut it. The output
has bytes without a line, because the process died between its two writes: add the line, at the last known time. The
timeline claims bytes that the output does not have, because the power went before they reached the disk: those were
seen by viewers and are lost, which is what a gap is. Offsets stay what viewers knew them to be.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from audit.journal.files import explained, held, open_in, write_all
from audit.journal.layout import (
    KEYFRAMES,
    MAX_LINE,
    OUTPUT,
    TIMELINE,
    JournalHeader,
    TimelineEvent,
    after,
    decode_header,
    encode_count,
    encode_event,
    encode_header,
    encode_text,
    scan_events,
)
from audit.journal.reader import read_seal

RECOVERED_MARKER = "recovered"
"""The marker that a repair leaves in the timeline, at the last known time."""

_REWRITTEN = f"{TIMELINE}.new"


def recover(folder: Path) -> bool:
    """Repair a journal whose writer died. True if anything was changed. Idempotent; never touches a sealed journal.

    Raises `JournalBusyError` while the journal is still written, and `JournalError` if the disk refuses.
    """
    with explained(), held(folder) as (directory, _):
        if read_seal(folder) is not None:
            return False
        return repair(folder, directory)


@dataclass(slots=True)
class _Findings:
    """What a walk through the timeline found."""

    header_end: int
    end: int
    """Where the sound part of the timeline ends."""
    microseconds: int = 0
    """The last known time."""
    claimed: int = 0
    """Output bytes that the timeline accounts for, gaps included."""
    missing: bool = False
    """Whether it claims recorded bytes beyond the output's end."""


def repair(folder: Path, directory: int) -> bool:
    """`recover` for a caller that holds the journal and knows that it is not sealed."""
    output = open_in(directory, OUTPUT, os.O_RDWR)
    try:
        timeline = os.fdopen(open_in(directory, TIMELINE, os.O_RDWR | os.O_CREAT), "r+b", buffering=64 * 1024)
        with timeline:
            size = os.fstat(output).st_size
            found = _examine(timeline, size)
            changed = _mend_timeline(folder, directory, timeline, found, size)
        if found.claimed > size:
            os.ftruncate(output, found.claimed)
            os.fsync(output)
        changed |= found.claimed > size
        if changed:
            # They name places in files that are others now.
            with suppress(FileNotFoundError):
                os.unlink(KEYFRAMES, dir_fd=directory)
        return changed
    finally:
        os.close(output)


def _examine(timeline: BinaryIO, output_size: int) -> _Findings:
    line = timeline.readline(MAX_LINE)
    sound = line.endswith(b"\n") and decode_header(line) is not None
    if not sound:
        return _Findings(0, 0)
    found = _Findings(len(line), len(line))
    for event, end in scan_events(timeline, len(line), strict=False):
        found.end = end
        found.microseconds = round(event.at * 1_000_000)
        found.claimed = after(event)
        found.missing |= event.code == "o" and found.claimed > output_size
    return found


def _mend_timeline(folder: Path, directory: int, timeline: BinaryIO, found: _Findings, output_size: int) -> bool:
    if found.missing:
        _rewrite(directory, timeline, found, output_size)
        return True
    unaccounted = max(0, output_size - found.claimed)
    torn = os.fstat(timeline.fileno()).st_size > found.end
    if found.header_end and not torn and not unaccounted and found.claimed <= output_size:
        return False
    # The marker goes first, over the torn line: a repair that dies half way leaves it, or leaves a torn line again.
    addition = b"" if found.header_end else encode_header(_substitute_header(folder))
    addition += encode_text(found.microseconds, "m", RECOVERED_MARKER)
    if unaccounted:
        addition += encode_count(found.microseconds, "o", unaccounted)
    write_all(timeline.fileno(), addition, found.end)
    os.ftruncate(timeline.fileno(), found.end + len(addition))
    os.fsync(timeline.fileno())
    return True


def _rewrite(directory: int, timeline: BinaryIO, found: _Findings, output_size: int) -> None:
    """Write the timeline anew, with gaps in place of the bytes that were lost, and put it in place in one step."""
    with os.fdopen(open_in(directory, _REWRITTEN, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as rewritten:
        timeline.seek(0)
        rewritten.write(timeline.read(found.header_end))
        for event, _ in scan_events(timeline, found.header_end, strict=False):
            for part in _parts(event, output_size):
                rewritten.write(encode_event(part))
        rewritten.write(encode_text(found.microseconds, "m", RECOVERED_MARKER))
        rewritten.flush()
        os.fsync(rewritten.fileno())
    os.rename(_REWRITTEN, TIMELINE, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)


def _parts(event: TimelineEvent, output_size: int) -> Iterator[TimelineEvent]:
    if event.code != "o" or after(event) <= output_size:
        yield event
        return
    kept = max(0, output_size - event.offset)
    if kept:
        yield event._replace(value=kept)
    yield TimelineEvent(event.at, "g", int(event.value) - kept, event.offset + kept)


def _substitute_header(folder: Path) -> JournalHeader:
    """For a journal that lost its first line: what can still be known."""
    touched = datetime.fromtimestamp((folder / OUTPUT).stat(follow_symlinks=False).st_mtime, UTC)
    return JournalHeader(session_uid=folder.name, cols=80, rows=24, started_at=touched.isoformat())
