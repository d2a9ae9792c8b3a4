"""The record of one live session: its journal and keystrokes, opened before the shell, sealed after it."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from audit import actions as audit
from audit.journal import JournalError, JournalHeader, JournalWriter, OutputStream, RunReader, read_output, seal
from audit.keystrokes import KeystrokeRecorder
from audit.recordings import folder_of
from audit.stdin import StdinRecorder
from portal.models import RecordingMode
from sessions_app.database import in_database
from sessions_app.engine.viewer import Older
from sessions_app.models import Session
from sessions_app.words import TERMINALS

logger = logging.getLogger(__name__)


class SessionRecord:
    """What is written while a session lives. `failed` is told when a strict session can no longer be recorded."""

    def __init__(
        self, row: Session, folder: Path, journal: JournalWriter, failed: Callable[[JournalError], None]
    ) -> None:
        """Use `open`."""
        self.journal = journal
        self.tty = row.kind in TERMINALS
        self.keystrokes: KeystrokeRecorder | StdinRecorder | None = None
        if row.record_input:
            typed, mark = self._write_input, self._write_marker
            self.keystrokes = KeystrokeRecorder(typed) if self.tty else StdinRecorder(typed, mark)
        self.strict = row.recording_mode == RecordingMode.STRICT
        self.folder = folder
        self._uid, self._failed = row.uid, failed

    @classmethod
    async def open(cls, row: Session, failed: Callable[[JournalError], None]) -> "SessionRecord":
        """The recording's row and its files. Raises `JournalError`."""
        recording = await in_database(
            audit.open_recording,
            session_uid=row.uid,
            organization=row.organization,
            title=row.title,
            user_name=row.user_name,
            service_name=row.service_name,
        )
        folder = folder_of(recording)
        header = JournalHeader(
            session_uid=row.uid,
            cols=row.cols,
            rows=row.rows,
            started_at=recording.started_at.isoformat(),
            title=row.title or f"{row.service_name} by {row.user_name}",
            command=" ".join(row.command),
            env={"TERM": "xterm-256color"},
            tty=row.kind in TERMINALS,
        )
        journal = await asyncio.to_thread(JournalWriter.create, folder, header)
        return cls(row, folder, journal, failed)

    def reader(self) -> Older:
        """A viewer's way to output that has left memory."""
        return reader_of(self.folder, tty=self.tty)

    async def sync(self) -> None:
        """Bring the journal to the disk itself, and let undecided keystrokes go by."""
        if self.keystrokes is not None:
            self.keystrokes.tick()
        try:
            await asyncio.to_thread(self.journal.sync)
        except JournalError as error:
            self._refused(error)

    async def seal(self, unrecorded: int) -> None:
        """Close the journal for good. Never raises: what cannot be sealed now, the reaper seals.

        `unrecorded` is the output at the end that is not on record, not even as a gap, in bytes.
        """
        try:
            if self.keystrokes is not None:
                self.keystrokes.flush()
            if unrecorded:
                await in_database(audit.note_unrecorded, session_uid=self._uid, length=unrecorded)
            await asyncio.to_thread(self.journal.close)
            # Hashing takes long for a long session, and the database's few threads have other things to do.
            await asyncio.to_thread(seal, self.folder)
            await in_database(audit.seal_recording, session_uid=self._uid)
        except Exception:
            logger.exception("%s: its recording could not be sealed now", self._uid)

    def _write_input(self, text: str) -> None:
        self._write(lambda: self.journal.input(text))

    def _write_marker(self, label: str) -> None:
        self._write(lambda: self.journal.marker(label))

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except JournalError as error:
            self._refused(error)

    def _refused(self, error: JournalError) -> None:
        if self.strict:
            self._failed(error)


def reader_of(folder: Path, *, tty: bool) -> Older:
    """Reads a journal from anywhere on; with pipes it says which stream the bytes are of."""
    runs = RunReader(folder)

    def read(offset: int, length: int) -> tuple[bytes, OutputStream]:
        return (read_output(folder, offset, length), "stdout") if tty else runs.read(offset, length)

    async def older(offset: int, length: int) -> tuple[bytes, OutputStream]:
        return await asyncio.to_thread(read, offset, length)

    return older
