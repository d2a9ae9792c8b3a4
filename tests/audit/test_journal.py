"""The writer and the reader of a journal."""

import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from audit.journal import (
    JournalError,
    JournalHeader,
    JournalMissingError,
    JournalWriter,
    output_size,
    read_header,
    read_output,
    read_timeline,
)
from tests.audit.conftest import events, header, timed


def test_output_is_byte_for_byte_what_came(writer: JournalWriter, folder: Path) -> None:
    everything = bytes(range(256)) * 3
    for start in range(0, len(everything), 7):
        writer.output(everything[start : start + 7])
    assert (folder / "output").read_bytes() == everything
    assert writer.offset == len(everything)


def test_each_output_has_its_line_before_the_call_returns(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    assert events(folder) == [("o", 3)]
    writer.output(b"")
    writer.output(b"de")
    assert [(event.offset, event.value) for event in read_timeline(folder)] == [(0, 3), (3, 2)]


def test_the_timeline_is_json_lines_as_documented(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"x")
    writer.resize(120, 40)
    first, *rest = (folder / "timeline").read_text().splitlines()
    assert json.loads(first)["session_uid"] == read_header(folder).session_uid
    assert [json.loads(line)[1:] for line in rest] == [["o", 1], ["r", "120x40"]]


def test_every_kind_of_event_comes_back_in_order(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"$ ")
    writer.input("l\u00e9\ud83d\x00\n\u2028")
    writer.resize(100, 30)
    writer.marker("deployed")
    writer.gap(10)
    writer.output(b"ls")
    assert events(folder) == [
        ("o", 2),
        ("i", "l\u00e9\ud83d\x00\n\u2028"),
        ("r", "100x30"),
        ("m", "deployed"),
        ("g", 10),
        ("o", 2),
    ]
    assert timed(folder)[-1].offset == 12


def test_times_never_fall_and_begin_near_zero(writer: JournalWriter, folder: Path) -> None:
    for _ in range(200):
        writer.output(b"x")
    times = [event.at for event in read_timeline(folder)]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert 0 <= times[0] < 5


def test_a_gap_leaves_a_hole_so_that_offsets_stay_addresses(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"before")
    writer.gap(1_000_000)
    writer.output(b"after")
    assert read_output(folder, 1_000_006, 100) == b"after"
    assert read_output(folder, 5, 3) == b"e\0\0"
    assert (folder / "output").stat().st_blocks * 512 < 100_000


def test_a_gap_at_the_end_counts_in_the_files_size(writer: JournalWriter, folder: Path) -> None:
    writer.gap(5)
    assert (output_size(folder), writer.offset) == (5, 5)


def test_reading_stops_at_what_is_written(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"0123456789")
    assert read_output(folder, 8, 100) == b"89"
    assert read_output(folder, 10, 100) == b""
    assert read_output(folder, 2, 3) == b"234"


def test_the_header_keeps_every_field(folder: Path) -> None:
    wanted = header(title='a "title"\n<b>', command="bash -l", env={"TERM": "xterm-256color"})
    JournalWriter.create(folder, wanted).close()
    assert read_header(folder) == wanted
    assert isinstance(read_header(folder), JournalHeader)


def test_nobody_else_may_read_the_files(writer: JournalWriter, folder: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: 0o700, "output": 0o600, "timeline": 0o600}
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_a_journal_is_never_begun_twice(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"kept")
    with pytest.raises(JournalError, match="exists already"):
        JournalWriter.create(folder, header())
    assert read_output(folder, 0, 9) == b"kept"


def test_a_header_that_is_too_long_is_refused_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(JournalError, match="too long"):
        JournalWriter.create(folder, header(command="x" * 1_000_000))
    assert not folder.exists()


def test_a_closed_journal_refuses_everything_in_a_sentence(writer: JournalWriter) -> None:
    writer.close()
    writer.close()
    calls: list[Callable[[], None]] = [
        lambda: writer.output(b"x"),
        lambda: writer.gap(1),
        lambda: writer.marker("x"),
        writer.sync,
    ]
    for call in calls:
        with pytest.raises(JournalError, match="closed"):
            call()


def test_a_negative_gap_is_a_mistake(writer: JournalWriter) -> None:
    with pytest.raises(ValueError, match="negative"):
        writer.gap(-1)


def test_long_input_becomes_several_lines_and_the_same_text(writer: JournalWriter, folder: Path) -> None:
    text = "\U0001f600" * 40_000
    writer.input(text)
    assert "".join(str(value) for _, value in events(folder)) == text
    assert len(events(folder)) > 1


def test_a_torn_last_line_is_left_out(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"abc")
    with (folder / "timeline").open("ab") as timeline:
        timeline.write(b'[9.000000,"o",')
    assert events(folder) == [("o", 3)]


@pytest.mark.parametrize(
    "line",
    [
        b"rubbish",
        b'[0.0,"o",1]',
        b'[9,"x",1]',
        b'[9,"o",-1]',
        b'[9,"o",true]',
        b'[NaN,"o",1]',
        b'[9,"r",5]',
        b"[9]",
        b'{"o":1}',
        b"\x00" * 30,
        b'[9,"o",1e400]',
        b"[" * 90_000,
        b'[9,["o"],1]',
        b"7",
    ],
)
def test_a_damaged_line_is_named_by_its_place(writer: JournalWriter, folder: Path, line: bytes) -> None:
    writer.output(b"abc")
    place = (folder / "timeline").stat().st_size
    with (folder / "timeline").open("ab") as timeline:
        timeline.write(line + b'\n[10.000000,"o",1]\n')
    with pytest.raises(JournalError, match=f"damaged at byte {place}"):
        list(read_timeline(folder))


def test_a_missing_journal_is_told_as_missing(folder: Path) -> None:
    calls: list[Callable[[Path], object]] = [read_header, output_size, lambda place: list(read_timeline(place))]
    for call in calls:
        with pytest.raises(JournalMissingError):
            call(folder)


def test_symbolic_links_are_not_followed(writer: JournalWriter, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"another tenant's")
    (folder / "output").unlink()
    (folder / "output").symlink_to(secret)
    with pytest.raises(JournalError, match="symbolic links"):
        read_output(folder, 0, 10)
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(JournalError, match=r"no folder|symbolic links"):
        read_header(link)


def test_a_reader_in_another_thread_sees_only_whole_events(writer: JournalWriter, folder: Path) -> None:
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = timed(folder)
            end = sum(int(event.value) for event in found)
            if read_output(folder, 0, end) != b"x" * end:
                wrong.append(found[-1])

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(2000):
        writer.output(b"xxx")
    done.set()
    reader.join()
    assert wrong == []


def test_syncing_in_another_thread_never_meets_a_closed_file(folder: Path) -> None:
    outcomes: list[str] = []
    writer = JournalWriter.create(folder, header())

    def sync() -> None:
        try:
            while True:
                writer.sync()
        except JournalError as error:
            outcomes.append(str(error))

    thread = threading.Thread(target=sync)
    thread.start()
    for _ in range(50):
        writer.output(b"x")
    writer.close()
    thread.join(timeout=10)
    assert outcomes == ["The journal is closed."]


def counted(name: str, calls: list[str]) -> Callable[..., object]:
    """The system call `name`, which notes in `calls` that it was made."""
    real: Callable[..., object] = getattr(os, name)

    def call(*arguments: object) -> object:
        calls.append(name)
        return real(*arguments)

    return call


def test_one_output_is_two_system_calls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter.create(folder, header())
    calls: list[str] = []
    for name in ("pwrite", "write", "fsync", "open", "ftruncate", "lseek"):
        monkeypatch.setattr(os, name, counted(name, calls))
    writer.output(b"x")
    assert calls == ["pwrite", "pwrite"]


def test_a_journal_to_which_nothing_was_added_is_not_synced_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter.create(folder, header())
    calls: list[str] = []
    monkeypatch.setattr(os, "fsync", counted("fsync", calls))

    def syncs() -> int:
        calls.clear()
        writer.sync()
        return len(calls)

    assert (syncs(), syncs()) == (3, 0), "output, timeline and folder; then there is nothing new"
    for append in (lambda: writer.output(b"x"), lambda: writer.resize(1, 2), lambda: writer.gap(5)):
        append()
        assert (syncs(), syncs()) == (3, 0)


def test_a_sync_that_failed_is_made_up_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter.create(folder, header())

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        with pytest.raises(JournalError):
            writer.sync()
    calls: list[str] = []
    monkeypatch.setattr(os, "fsync", counted("fsync", calls))
    writer.sync()
    assert len(calls) == 3
