"""A journal as asciicast, plain text and exact bytes."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.exports import cast, raw_output, transcript
from audit.journal import JournalMissingError, JournalWriter, seal
from tests.audit.conftest import header

Export = Callable[[Path], Iterator[bytes]]


def cast_of(folder: Path) -> tuple[dict[str, object], list[list[object]]]:
    first, *rest = (json.loads(line) for line in b"".join(cast(folder)).splitlines())
    return first, rest


def test_the_header_is_asciicast_v2(folder: Path) -> None:
    JournalWriter.create(folder, header(title="web by ann", command="bash -l", env={"TERM": "xterm-256color"})).close()
    assert cast_of(folder)[0] == {
        "version": 2,
        "width": 80,
        "height": 24,
        "timestamp": 1795168800,
        "title": "web by ann",
        "command": "bash -l",
        "env": {"TERM": "xterm-256color"},
    }


def test_every_event_has_its_line(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"$ ")
    writer.input("ls\r")
    writer.resize(100, 30)
    writer.marker("deployed")
    shown = [event[1:] for event in cast_of(folder)[1]]
    assert shown == [["o", "$ "], ["i", "ls\r"], ["r", "100x30"], ["m", "deployed"]]


def test_characters_split_between_reads_are_joined(writer: JournalWriter, folder: Path) -> None:
    printed = "h\u00e9 漢字 \U0001f600"
    for byte in printed.encode():
        writer.output(bytes([byte]))
    assert "".join(str(text) for _, _, text in cast_of(folder)[1]) == printed


def test_bytes_that_are_no_utf8_are_replaced(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"a\xffb\xf0\x9f")
    assert "".join(str(text) for _, _, text in cast_of(folder)[1]) == "a\ufffdb\ufffd"


def test_gaps_are_visible_in_every_text_form(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"before")
    writer.gap(1234)
    writer.output(b"after\r\n")
    assert "".join(line.decode() for line in transcript(folder)) == (
        "before\n[1234 bytes of output are missing here: they were shown and could not be recorded]\nafter\n"
    )
    events = cast_of(folder)[1]
    assert [code for _, code, _ in events] == ["o", "o", "m", "o"]
    assert "1234 bytes" in str(events[1][2])


def test_the_exact_bytes_come_back_with_zeros_in_gaps(writer: JournalWriter, folder: Path) -> None:
    writer.output(bytes(range(256)))
    writer.gap(3)
    assert b"".join(raw_output(folder)) == bytes(range(256)) + b"\0\0\0"


def test_a_live_journal_is_exported_up_to_what_is_written(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"so far")
    chunks = transcript(folder)
    assert b"".join(chunks) == b"so far\n"


def test_a_resize_changes_where_a_line_wraps_in_the_transcript(writer: JournalWriter, folder: Path) -> None:
    writer.resize(10, 24)
    writer.output(b"0123456789" + b" \r" + b"abc")
    assert b"".join(transcript(folder)) == b"0123456789abc\n"


@pytest.mark.parametrize("export", [cast, transcript, raw_output])
def test_a_missing_journal_is_told_before_the_first_byte(export: Export, folder: Path) -> None:
    with pytest.raises(JournalMissingError):
        export(folder)


def test_a_damaged_journal_ends_with_a_line_that_says_so(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"good\r\n")
    with (folder / "timeline").open("ab") as timeline:
        timeline.write(b"rubbish\n")
    assert b"cannot be read further" in b"".join(transcript(folder))
    assert "cannot be read further" in str(cast_of(folder)[1][-1])


def test_an_output_that_is_shorter_than_its_timeline_says_so(writer: JournalWriter, folder: Path) -> None:
    writer.output(b"x" * 100)
    with (folder / "output").open("r+b") as output:
        output.truncate(10)
    assert b"shorter than its timeline" in b"".join(transcript(folder))


@pytest.mark.parametrize("export", [cast, transcript, raw_output])
def test_a_long_recording_is_exported_in_flat_memory(export: Export, writer: JournalWriter, folder: Path) -> None:
    chunk = b"a line of output that is neither short nor long\r\n" * 1300
    for _ in range(100):
        writer.output(chunk)
    tracemalloc.start()
    total = sum(len(piece) for piece in export(folder))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 6_000_000
    assert peak < 3_000_000


def test_asciinemas_own_command_replays_it(writer: JournalWriter, folder: Path, tmp_path: Path) -> None:
    writer.output("\x1b[1mh\u00e9llo\x1b[0m\r\n".encode())
    writer.input("ls\r")
    writer.resize(100, 30)
    writer.gap(5)
    writer.output(b"bye\r\n")
    writer.close()
    seal(folder)
    recording = tmp_path / "recording.cast"
    recording.write_bytes(b"".join(cast(folder)))
    command = [sys.executable, "-m", "asciinema"]
    shown = subprocess.run([*command, "cat", str(recording)], capture_output=True, timeout=30, check=True)
    assert "\x1b[1mh\u00e9llo\x1b[0m".encode() in shown.stdout
    assert b"5 bytes of output are missing" in shown.stdout
    assert shown.stdout.endswith(b"bye\r\n")
    play = subprocess.run([*command, "play", "-s", "100", str(recording)], capture_output=True, timeout=30, check=True)
    assert b"bye" in play.stdout
