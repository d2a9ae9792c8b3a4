"""A disk that refuses: full, over its file size limit, read-only."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.journal import JournalError, JournalWriter, read_output, seal
from tests.audit.conftest import UID, events, header, run_python

SmallDisk = Callable[[int], Path]


def test_a_full_disk_refuses_in_a_sentence_and_nothing_of_the_call_stays(small_disk: SmallDisk) -> None:
    folder = small_disk(64) / UID
    writer = JournalWriter.create(folder, header())
    written = b""

    def fill() -> None:
        nonlocal written
        for number in range(100):
            chunk = bytes([number]) * 3000
            writer.output(chunk)
            written += chunk

    with pytest.raises(JournalError, match="full"):
        fill()
    assert writer.offset == len(written) > 0
    assert (folder / "output").read_bytes() == written
    assert sum(int(value) for code, value in events(folder) if code == "o") == len(written)
    writer.close()


def test_a_call_that_failed_may_be_tried_again_when_there_is_space(small_disk: SmallDisk) -> None:
    disk = small_disk(64)
    ballast = disk / "ballast"
    writer = JournalWriter.create(disk / UID, header())
    writer.output(b"first")
    ballast.write_bytes(b"x" * os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize)
    for _ in range(3):
        with pytest.raises(JournalError, match="full"):
            writer.output(b"y" * 10_000)
    ballast.unlink()
    writer.output(b"second")
    writer.close()
    assert read_output(disk / UID, 0, 100) == b"firstsecond"
    assert events(disk / UID) == [("o", 5), ("o", 6)]


def test_the_gap_of_a_full_disk_is_on_record_once_there_is_space(small_disk: SmallDisk) -> None:
    disk = small_disk(64)
    ballast = disk / "ballast"
    writer = JournalWriter.create(disk / UID, header())
    writer.output(b"first")
    ballast.write_bytes(b"x" * os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize)
    with pytest.raises(JournalError, match="full"):
        writer.output(b"y" * 10_000)
    ballast.unlink()
    writer.gap(10_000)
    writer.output(b"second")
    writer.close()
    sealed = seal(disk / UID)
    assert (sealed.output_bytes, sealed.gap_bytes, sealed.recovered) == (10_011, 10_000, False)


def test_a_journal_that_cannot_be_begun_leaves_nothing_and_can_be_tried_again(small_disk: SmallDisk) -> None:
    disk = small_disk(16)
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize)
    with pytest.raises(JournalError, match="full"):
        JournalWriter.create(disk / "journals" / UID, header())
    ballast.unlink()
    JournalWriter.create(disk / "journals" / UID, header()).close()


def test_a_seal_that_finds_no_space_can_be_tried_again(small_disk: SmallDisk) -> None:
    disk = small_disk(32)
    writer = JournalWriter.create(disk / UID, header())
    writer.output(b"kept")
    writer.close()
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize)
    with pytest.raises(JournalError, match="full"):
        seal(disk / UID)
    ballast.unlink()
    assert seal(disk / UID).output_bytes == 4


FILE_SIZE_LIMIT = """
import resource, sys
from pathlib import Path
from audit.journal import JournalError, JournalHeader, JournalWriter
writer = JournalWriter.create(Path(sys.argv[1]), JournalHeader("x", 80, 24, ""))
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
writer.output(b"a" * 9_000)
for _ in range(3):
    try:
        writer.output(b"b" * 5_000)
    except JournalError as error:
        print(error)
writer.output(b"c" * 500)
writer.close()
"""


def test_a_write_that_the_system_cuts_short_is_rolled_back(folder: Path) -> None:
    result = run_python(FILE_SIZE_LIMIT, folder)
    assert result.stderr == ""
    assert result.stdout.count("largest size") == 3
    assert read_output(folder, 0, 20_000) == b"a" * 9_000 + b"c" * 500
    assert events(folder) == [("o", 9_000), ("o", 500)]


READ_ONLY = """
import ctypes, os, sys
from pathlib import Path
from audit.journal import JournalError, JournalHeader, JournalWriter
place = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mount(b"tmpfs", place.encode(), None, 32 | 1, None) == 0, ctypes.get_errno()  # remount, read-only
try:
    JournalWriter.create(Path(place) / "journal", JournalHeader("x", 80, 24, ""))
except JournalError as error:
    print(error)
"""


def test_a_read_only_disk_is_told_as_such(small_disk: SmallDisk) -> None:
    assert "only be read" in run_python(READ_ONLY, small_disk(16)).stdout
