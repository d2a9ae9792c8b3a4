"""Closes a journal for good: hashes, a seal, read-only files."""

import hashlib
import os
from pathlib import Path

from audit.journal.files import explained, held, open_in, replace
from audit.journal.layout import OUTPUT, SEAL, TIMELINE, Seal, encode_seal
from audit.journal.reader import open_file, read_seal, read_timeline
from audit.journal.recovery import RECOVERED_MARKER, repair


def seal(folder: Path) -> Seal:
    """Recover if needed, hash both files, write the `seal` file (JSON, by rename), make all files read-only.

    Idempotent: a sealed journal returns the seal it has. Raises `JournalBusyError` while the journal is still written
    or another process seals it, and `JournalError` if the disk refuses; then it may be tried again.
    """
    with explained():
        if (existing := read_seal(folder)) is not None:
            _make_read_only(folder)
            return existing
        with held(folder) as (directory, output):
            # Another process may have sealed it between the look above and the lock.
            sealed = read_seal(folder)
            if sealed is None:
                sealed = _write_seal(folder, directory, output)
        _make_read_only(folder)
        return sealed


def _write_seal(folder: Path, directory: int, output: int) -> Seal:
    repair(folder, directory)
    duration, gap_bytes, recovered = 0.0, 0, False
    for event in read_timeline(folder):
        duration = event.at
        if event.code == "g":
            gap_bytes += int(event.value)
        recovered |= event.code == "m" and event.value == RECOVERED_MARKER
    timeline = open_in(directory, TIMELINE, os.O_RDONLY)
    try:
        timeline_sha256 = _sha256(timeline)
    finally:
        os.close(timeline)
    sealed = Seal(
        output_bytes=os.fstat(output).st_size,
        output_sha256=_sha256(output),
        timeline_sha256=timeline_sha256,
        duration=duration,
        gap_bytes=gap_bytes,
        recovered=recovered,
    )
    replace(directory, SEAL, encode_seal(sealed))
    return sealed


def _sha256(descriptor: int) -> str:
    # What is hashed must be on the disk before the seal is.
    os.fsync(descriptor)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_read_only(folder: Path) -> None:
    """After the seal is in place, and again on every call, so that a crash in between is made good."""
    for name in (OUTPUT, TIMELINE, SEAL):
        descriptor = open_file(folder, name)
        try:
            if os.fstat(descriptor).st_mode & 0o222:
                os.fchmod(descriptor, 0o400)
        finally:
            os.close(descriptor)
