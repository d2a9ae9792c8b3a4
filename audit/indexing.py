"""Brings a recording's transcript into the index of search, piece by piece, also while the session lives.

A piece begins where the one before ended: the row says how far the journal is rendered, and holds the screen there.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from audit.actions import store_transcript
from audit.exports import damage_notice, gap_notice
from audit.journal import (
    JournalError,
    JournalMissingError,
    TimelineEvent,
    read_header,
    read_output,
    read_timeline_from,
    timeline_size,
)
from audit.masking import Mask, PatternError, masker, split_patterns
from audit.models import Recording, TranscriptIndex
from audit.recordings import folder_of, node_id
from audit.rendering import Line, Rendering

logger = logging.getLogger(__name__)

RUN_TIME = 10.0
"""Seconds that one run of the task may take."""

PIECE = 512 * 1024
"""Bytes of output that one step renders, roughly."""

PIECE_LINES = 5000
"""Lines after which a step ends early."""

CHUNK = 16 * 1024

MAX_LINES = 1_000_000
"""Lines of one session; what comes after is not indexed, and the last line says so."""

FULL = f"[search does not look further here: the session has more than {MAX_LINES} lines]"


@dataclass(slots=True)
class Piece:
    """Where a step stands, and what it has found."""

    position: int = 0
    offset: int = 0
    rendered: int = 0
    at: float = 0.0
    lines: list[Line] = field(default_factory=list)
    standing: list[Line] = field(default_factory=list)
    state: dict[str, Any] | None = None
    done: bool = False
    problem: str = ""
    read: int = 0
    """Bytes that this step has rendered."""

    @property
    def full(self) -> bool:
        return self.read >= PIECE or len(self.lines) >= PIECE_LINES


def index_transcripts() -> None:
    """Index what this machine's journals have more than the index, in turn, until nothing is left or the time is over.

    A recording that is behind gets one step in each round, so that none waits for a long one.
    """
    end = monotonic() + RUN_TIME
    waiting = list(Recording.objects.to_index_on(node_id()).select_related("organization", "transcript_index"))
    while waiting:
        behind = []
        for recording in waiting:
            if monotonic() >= end:
                return
            try:
                if index_more(recording):
                    behind.append(recording)
            except Exception:
                # One recording's trouble is not the others'.
                logger.exception("%s: its transcript could not be indexed now", recording.session_uid)
        waiting = behind


def index_more(recording: Recording) -> bool:
    """Index the next piece of one recording; whether there is more. Safe to run twice at the same time: one counts."""
    index = TranscriptIndex.objects.of_recording(recording) or TranscriptIndex(recording=recording)
    if index.done:
        return False
    sealed = recording.sealed_at is not None
    piece = Piece(index.position, index.offset, index.rendered, index.at)
    try:
        folder = folder_of(recording)
        if not sealed and index.position == timeline_size(folder):
            return False
        _render(recording, folder, index.state, piece, sealed=sealed)
    except JournalMissingError as error:
        if not sealed:
            # Its files are about to be made, or it will soon be marked as lost.
            return False
        piece.done, piece.problem = True, str(error)
    except JournalError as error:
        logger.warning("%s: its transcript cannot be indexed: %s", recording.session_uid, error)
        piece.done, piece.problem = True, str(error)
    if index.lines + len(piece.lines) > MAX_LINES:
        del piece.lines[max(0, MAX_LINES - index.lines) :]
        piece.lines.append(Line(piece.at, FULL))
        piece.standing, piece.done, piece.problem = [], True, FULL
    mask = _mask_of(recording)
    piece.lines, piece.standing = _masked(piece.lines, mask), _masked(piece.standing, mask)
    stored = store_transcript(
        recording=recording,
        since=(index.position, index.rendered),
        lines=piece.lines,
        standing=piece.standing,
        position=piece.position,
        offset=piece.offset,
        rendered=piece.rendered,
        at=piece.at,
        state=None if piece.done else piece.state,
        done=piece.done,
        problem=piece.problem,
    )
    return stored and not piece.done and piece.full


def _render(recording: Recording, folder: Path, state: dict[str, Any] | None, piece: Piece, *, sealed: bool) -> None:
    """Render on from where `piece` stands, and move it."""
    if state is None:
        header = read_header(folder)
        rendering = Rendering(header.cols, header.rows, tty=header.tty)
    else:
        rendering = Rendering.thaw(state)
    try:
        for line in read_timeline_from(folder, piece.position, piece.offset, piece.at):
            whole = _render_event(rendering, folder, line.event, piece)
            if whole:
                piece.position, piece.offset, piece.at = line.end, piece.rendered, line.event.at
            if not whole or piece.full:
                break
        else:
            piece.done = sealed
    except JournalMissingError:
        raise
    except JournalError as error:
        logger.warning("%s: its transcript ends at byte %d: %s", recording.session_uid, piece.rendered, error)
        rendering.notice(piece.at, damage_notice(error))
        piece.done, piece.problem = True, str(error)
    piece.lines += rendering.take()
    standing = rendering.standing()
    if piece.done:
        piece.lines += standing
    else:
        piece.standing, piece.state = standing, rendering.freeze()


def _end_of(event: TimelineEvent) -> int:
    return event.offset + (int(event.value) if event.code in "og" else 0)


def _render_event(rendering: Rendering, folder: Path, event: TimelineEvent, piece: Piece) -> bool:
    """Render one event, or as much of it as the step may; whether that was all of it."""
    match event.code:
        case "o":
            for chunk in _output(folder, piece.rendered, _end_of(event)):
                rendering.feed(event.at, chunk)
                piece.lines += rendering.take()
                piece.rendered += len(chunk)
                piece.read += len(chunk)
                if piece.full:
                    break
            return piece.rendered == _end_of(event)
        case "g":
            rendering.notice(event.at, gap_notice(int(event.value)))
            piece.rendered = _end_of(event)
        case "r":
            cols, _, rows = str(event.value).partition("x")
            if cols.isdecimal() and rows.isdecimal():
                rendering.resize(int(cols[:6]), int(rows[:6]))
    return True


def _output(folder: Path, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        chunk = read_output(folder, start, min(CHUNK, end - start))
        if not chunk:
            raise JournalError("The recording's output is shorter than its timeline.")
        yield chunk
        start += len(chunk)


def _mask_of(recording: Recording) -> Mask:
    patterns = getattr(recording.organization, "redaction_patterns", "")
    try:
        return masker(split_patterns(patterns))
    except PatternError:
        logger.exception("The redaction patterns of %s cannot be used", recording.organization)
        return masker()


def _masked(lines: list[Line], mask: Mask) -> list[Line]:
    return [Line(line.at, mask(line.text)) for line in lines]
