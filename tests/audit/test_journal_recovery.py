"""Recovery after a crash, and sealing."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.journal import (
    RECOVERED_MARKER,
    JournalBusyError,
    JournalError,
    JournalMissingError,
    JournalWriter,
    read_header,
    read_output,
    read_seal,
    recover,
    seal,
)
from tests.audit.conftest import UID, events, header, run_python, timed

RECOVERED = ("m", RECOVERED_MARKER)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def test_a_journal_that_is_whole_is_left_as_it_is(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    writer.close()
    before = (folder / "timeline").read_bytes()
    assert recover(folder) is False
    assert (folder / "timeline").read_bytes() == before


def test_keyframes_stay_with_a_whole_journal_and_go_with_a_repaired_one(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    writer.close()
    keyframes = folder / "keyframes"
    keyframes.write_bytes(b"PKF1")
    assert recover(folder) is False
    assert keyframes.exists()
    append(folder / "timeline", b"[")
    assert recover(folder) is True
    assert not keyframes.exists()


@pytest.mark.parametrize("torn", [b"[", b'[9.000000,"o",4', b'[9.000000,"o",4]', b"\x00" * 4096, b"x" * 600_000])
def test_a_torn_last_line_is_cut(writer: JournalWriter, folder: Path, torn: bytes) -> None:
    writer.output(b"abc")
    writer.close()
    append(folder / "timeline", torn)
    assert recover(folder) is True
    assert events(folder) == [("o", 3), RECOVERED]
    assert recover(folder) is False


def test_output_without_its_line_gets_one_at_the_last_known_time(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    writer.close()
    append(folder / "output", b"defgh")
    assert recover(folder) is True
    assert events(folder) == [("o", 3), RECOVERED, ("o", 5)]
    first, *_, last = timed(folder)
    assert (last.at, last.offset) == (first.at, 3)
    assert recover(folder) is False


def test_output_that_a_power_cut_took_becomes_a_gap(writer: JournalWriter, folder: Path) -> None:
    for chunk in (b"0123", b"4567", b"89ab"):
        writer.output(chunk)
    writer.marker("kept")
    writer.close()
    cut(folder / "output", 6)
    assert recover(folder) is True
    assert events(folder) == [("o", 4), ("o", 2), ("g", 2), ("g", 4), ("m", "kept"), RECOVERED]
    assert read_output(folder, 0, 100) == b"012345" + b"\0" * 6
    assert recover(folder) is False
    assert seal(folder).gap_bytes == 6


def test_a_gap_whose_hole_was_not_made_gets_it(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    writer.gap(7)
    writer.close()
    cut(folder / "output", 3)
    assert recover(folder) is True
    assert (folder / "output").stat().st_size == 10
    assert recover(folder) is False


def test_what_follows_a_damaged_line_is_accounted_for_again(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    writer.close()
    append(folder / "timeline", b'\0\0\0\n[9.000000,"o",2]\n')
    append(folder / "output", b"de")
    assert recover(folder) is True
    assert events(folder) == [("o", 3), RECOVERED, ("o", 2)]


@pytest.mark.parametrize("lost", [b"", b'{"version": 1, "sess', b"\0" * 100, b"[]\n", b'{"version":2}\n'])
def test_a_lost_header_is_replaced_by_what_is_known(writer: JournalWriter, folder: Path, lost: bytes) -> None:
    writer.output(b"abc")
    writer.close()
    (folder / "timeline").write_bytes(lost)
    assert recover(folder) is True
    assert (read_header(folder).session_uid, read_header(folder).cols) == (UID, 80)
    assert events(folder) == [RECOVERED, ("o", 3)]


def test_a_live_journal_is_neither_repaired_nor_sealed_by_this_process(writer: JournalWriter, folder: Path) -> None:
    for call in (recover, seal):
        with pytest.raises(JournalBusyError, match="still being written"):
            call(folder)
    assert read_seal(folder) is None


def test_a_live_journal_is_not_sealed_by_another_process(writer: JournalWriter, folder: Path) -> None:
    result = run_python("import sys, pathlib; from audit.journal import seal; seal(pathlib.Path(sys.argv[1]))", folder)
    assert "JournalBusyError" in result.stderr
    writer.close()
    assert seal(folder).output_bytes == 0


def test_a_missing_journal_cannot_be_sealed(folder: Path) -> None:
    for call in (recover, seal):
        with pytest.raises(JournalMissingError):
            call(folder)


def test_the_seal_holds_hashes_sizes_and_duration(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    writer.gap(2)
    writer.close()
    sealed = seal(folder)
    assert sealed.output_bytes == 5
    assert sealed.gap_bytes == 2
    assert sealed.output_sha256 == hashlib.sha256(b"abc\0\0").hexdigest()
    assert sealed.timeline_sha256 == hashlib.sha256((folder / "timeline").read_bytes()).hexdigest()
    assert sealed.duration == timed(folder)[-1].at
    assert sealed.recovered is False
    assert json.loads((folder / "seal").read_text())["output_sha256"] == sealed.output_sha256


def test_sealing_again_returns_the_seal_and_finishes_what_a_crash_left(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    writer.close()
    sealed = seal(folder)
    (folder / "output").chmod(0o600)
    assert seal(folder) == sealed
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "output": 0o400,
        "timeline": 0o400,
        "seal": 0o400,
    }


def test_a_seal_that_was_cut_while_written_does_not_count(writer: JournalWriter, folder: Path) -> None:
    writer.close()
    (folder / "seal.new").write_bytes(b'{"version": 1, "out')
    assert read_seal(folder) is None
    assert seal(folder).output_bytes == 0
    assert not (folder / "seal.new").exists()


def test_a_recovered_journals_seal_says_so_also_if_recovery_came_before(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    writer.close()
    append(folder / "timeline", b"[torn")
    recover(folder)
    assert seal(folder).recovered is True


def test_recovery_never_touches_a_sealed_journal(writer: JournalWriter, folder: Path) -> None:
    writer.close()
    seal(folder)
    (folder / "output").chmod(0o600)
    append(folder / "output", b"forged")
    assert recover(folder) is False
    assert seal(folder).output_bytes == 0


def test_a_damaged_seal_is_told(writer: JournalWriter, folder: Path) -> None:
    writer.close()
    (folder / "seal").write_bytes(b"{}")
    with pytest.raises(JournalError, match="seal is damaged"):
        seal(folder)


WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from audit.journal import JournalHeader, JournalWriter
writer = JournalWriter.create(Path(sys.argv[1]), JournalHeader("x", 80, 24, ""))
number = 0
while True:
    writer.output(b"%08d" % number)
    number += 1
    sys.stdout.write("%d\\n" % number)
    sys.stdout.flush()
"""


def test_what_was_handed_over_before_a_kill_is_on_record(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(folder)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    confirmed = 0
    deadline = time.monotonic() + 30
    while confirmed < 500 and time.monotonic() < deadline:
        confirmed = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines(keepends=True)
    process.wait()
    confirmed = max([confirmed, *(int(line) for line in rest if line.endswith("\n"))])
    sealed = seal(folder)
    output = read_output(folder, 0, sealed.output_bytes)
    assert sealed.output_bytes >= confirmed * 8
    assert output == b"".join(b"%08d" % number for number in range(len(output) // 8)) + output[len(output) // 8 * 8 :]
    assert sum(int(value) for code, value in events(folder) if code == "o") == sealed.output_bytes


class Step:
    """What may happen to a journal; `crash` tears at most what was not handed over yet."""

    writes = st.tuples(st.just("output"), st.binary(max_size=300))
    gaps = st.tuples(st.just("gap"), st.integers(0, 50))
    others = st.tuples(st.just("marker"), st.text(max_size=20))
    tears = st.tuples(st.just("torn line"), st.integers(1, 12))
    lost_lines = st.tuples(st.just("lost line"), st.just(0))


@given(
    steps=st.lists(st.one_of(Step.writes, Step.gaps, Step.others), max_size=30),
    crash=st.one_of(st.none(), Step.tears, Step.lost_lines, Step.writes),
)
def test_whatever_was_written_and_however_it_ended_the_bytes_are_equal(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]], crash: tuple[str, object] | None
) -> None:
    folder = tmp_path_factory.mktemp("journals") / UID
    writer = JournalWriter.create(folder, header())
    expected, gaps = b"", 0
    for name, value in steps:
        getattr(writer, name)(value)
        if isinstance(value, bytes):
            expected += value
        if isinstance(value, int):
            expected += b"\0" * value
            gaps += value
    writer.close()
    timeline = folder / "timeline"
    match crash:
        case ("torn line", int(torn)):
            append(timeline, b'[9.000000,"o",1]'[:torn])
        case ("lost line", _):
            append(folder / "output", b"killed between the two writes")
            expected += b"killed between the two writes"
        case ("output", bytes(unfinished)):
            append(folder / "output", unfinished)
            append(timeline, b"[9.0000")
            expected += unfinished
    sealed = seal(folder)
    assert read_output(folder, 0, len(expected) + 10) == expected
    assert sealed.output_sha256 == hashlib.sha256(expected).hexdigest()
    assert sealed.gap_bytes == gaps
    assert sealed.recovered is (crash is not None)
    assert sum(int(value) for code, value in events(folder) if code in "og") == len(expected)
