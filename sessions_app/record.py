"""The record of one live session: its journal and keystrokes, opened before the shell, sealed after it."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from audit import actions as audit
from audit.journal import JournalError, JournalHeader, JournalWriter, read_output, seal
from audit.keystrokes import KeystrokeRecorder
from audit.recordings import folder_of
from portal.models import RecordingMode
from sessions_app.database import in_database
from sessions_app.models import Session

logger = logging.getLogger(__name__)


class SessionRecord:
    """What is written while a session lives. `failed` is told when a strict session can no longer be recorded."""

    def __init__(
        self, row: Session, folder: Path, journal: JournalWriter, failed: Callable[[JournalError], None]
    ) -> None:
        """Use `open`."""
        self.journal = journal
        self.keystrokes = KeystrokeRecorder(self._write_input) if row.record_input else None
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
        )
        journal = await asyncio.to_thread(JournalWriter.create, folder, header)
        return cls(row, folder, journal, failed)

    async def older(self, offset: int, length: int) -> bytes:
        """Output that has left memory."""
        return await asyncio.to_thread(read_output, self.folder, offset, length)

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
        try:
            self.journal.input(text)
        except JournalError as error:
            self._refused(error)

    def _refused(self, error: JournalError) -> None:
        if self.strict:
            self._failed(error)
