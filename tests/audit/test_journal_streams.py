"""stdout and stderr told apart: in the timeline, by whoever reads along it, and in what is exported."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.exports import cast, raw_output, transcript
from audit.journal import JournalError, JournalWriter, OutputStream, RunReader, read_header, recover, seal
from audit.journal import writer as writer_module
from audit.stdin import CUT, ON_RECORD, StdinRecorder
from tests.audit.conftest import events, header

Piece = tuple[OutputStream, bytes]
PIECES: st.SearchStrategy[list[Piece]] = st.lists(
    st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(min_size=1, max_size=5)), max_size=40
)


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[JournalWriter]:
    """The journal of a program without a terminal, in `tmp_path / "piped"`."""
    writer = JournalWriter.create(tmp_path / "piped", header(tty=False))
    yield writer
    writer.close()


def text_of(export: Callable[[Path], Iterator[bytes]], folder: Path) -> str:
    return b"".join(export(folder)).decode()


def test_a_line_says_where_another_stream_begins(piped: JournalWriter, tmp_path: Path) -> None:
    for stream, data in (("stdout", b"a"), ("stdout", b"b"), ("stderr", b"cc"), ("stdout", b"d")):
        piped.output(data, stream)  # type: ignore[arg-type]
    assert events(tmp_path / "piped") == [
        ("o", 1), ("o", 1), ("s", "stderr"), ("o", 2), ("s", "stdout"), ("o", 1)
    ]  # fmt: skip
    assert not read_header(tmp_path / "piped").tty


def test_a_journal_from_before_says_that_it_is_a_terminals(writer: JournalWriter, folder: Path) -> None:
    timeline = folder / "timeline"
    fields = json.loads(timeline.read_text())
    del fields["tty"]
    timeline.write_text(json.dumps(fields) + "\n")
    assert read_header(folder).tty


def test_a_switch_that_is_none_is_damage(piped: JournalWriter, tmp_path: Path) -> None:
    piped.output(b"x")
    with (tmp_path / "piped" / "timeline").open("ab") as timeline:
        timeline.write(b'[1.000000,"s","stdin"]\n')
    with pytest.raises(JournalError, match="damaged"):
        events(tmp_path / "piped")


@settings(max_examples=60)
@given(pieces=PIECES, reads=st.lists(st.tuples(st.integers(0, 220), st.integers(1, 30)), max_size=12))
def test_any_offset_reads_back_with_its_stream(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[Piece], reads: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("runs") / "journal"
    writer = JournalWriter.create(folder, header(tty=False))
    reader, whole, owners = RunReader(folder), b"", list[OutputStream]()
    for number, (stream, data) in enumerate(pieces):
        writer.output(data, stream)
        whole, owners = whole + data, owners + [stream] * len(data)
        if number % 5 == 0:
            assert reader.read(len(whole) - 1, 9) == (whole[-1:], stream), "a live journal"
    writer.close()
    for offset, length in reads:
        data, stream = reader.read(offset, length)
        assert data == whole[offset : offset + len(data)]
        assert owners[offset : offset + len(data)] == [stream] * len(data)
        assert data or offset >= len(whole)
    position = 0
    while position < len(whole):
        data, stream = reader.read(position, 1000)
        same = next((end for end in range(position, len(whole)) if owners[end] != stream), len(whole))
        assert (position + len(data), stream) == (same, owners[position]), "a whole run at once"
        position += len(data)


def test_no_byte_goes_to_the_wrong_stream_when_the_disk_refuses(
    piped: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped.output(b"out")
    real, calls = writer_module.write_all, 0

    def full_at_the_bytes(descriptor: int, content: bytes, position: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # the switch's line was written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor, content, position)

    monkeypatch.setattr(writer_module, "write_all", full_at_the_bytes)
    with pytest.raises(JournalError, match="full"):
        piped.output(b"lost", "stderr")
    monkeypatch.undo()
    piped.output(b"more")
    piped.output(b"err", "stderr")
    assert events(tmp_path / "piped") == [("o", 3), ("o", 4), ("s", "stderr"), ("o", 3)]


def test_bytes_without_a_line_belong_to_the_stream_that_had_begun(piped: JournalWriter, tmp_path: Path) -> None:
    folder = tmp_path / "piped"
    piped.output(b"out")
    piped.output(b"err", "stderr")
    piped.close()
    timeline = folder / "timeline"
    timeline.write_bytes(timeline.read_bytes().rpartition(b"[")[0])  # killed between the bytes and their line
    assert recover(folder)
    assert [event for event in events(folder) if event[0] != "m"] == [("o", 3), ("s", "stderr"), ("o", 3)]
    assert seal(folder).output_bytes == 6


def test_what_a_power_cut_took_is_a_gap_and_the_switches_stay(piped: JournalWriter, tmp_path: Path) -> None:
    folder = tmp_path / "piped"
    piped.output(b"out")
    piped.output(b"errors", "stderr")
    piped.close()
    os.truncate(folder / "output", 5)
    assert recover(folder)
    assert [event for event in events(folder) if event[0] != "m"] == [("o", 3), ("s", "stderr"), ("o", 2), ("g", 4)]


def test_exports_join_each_streams_characters_and_end_lines_for_a_terminal(
    piped: JournalWriter, tmp_path: Path
) -> None:
    folder = tmp_path / "piped"
    first, second = "ä".encode(), "漢".encode()
    piped.output(b"one\n" + first[:1])
    piped.output(b"bad\r\n" + second[:2], "stderr")
    piped.output(first[1:] + b"\nlast")
    piped.output(second[2:] + b"!\n", "stderr")
    lines = [json.loads(line) for line in text_of(cast, folder).splitlines()[1:]]
    assert {code for _, code, _ in lines} == {"o"}, "players know no streams"
    assert "".join(text for _, _, text in lines) == "one\r\nbad\r\nä\r\nlast漢!\r\n"
    assert text_of(transcript, folder) == "one\nbad\nä\n漢!\nlast\n"
    assert b"".join(raw_output(folder)) == b"one\n\xc3bad\r\n\xe6\xbc\xa4\nlast\xa2!\n"


def test_a_gap_ends_the_lines_of_both_streams(piped: JournalWriter, tmp_path: Path) -> None:
    piped.output(b"half")
    piped.output(b"other", "stderr")
    piped.gap(10)
    piped.output(b"on\n", "stderr")
    notice = "[10 bytes of output are missing here: they were shown and could not be recorded]"
    assert text_of(transcript, tmp_path / "piped") == f"half\nother\n{notice}\non\n"


def test_a_gap_reads_as_nothing_and_what_is_around_it_as_it_is(piped: JournalWriter, tmp_path: Path) -> None:
    piped.output(b"half")
    piped.gap(10)
    piped.output(b"more")
    piped.output(b"bad", "stderr")
    for reader in (RunReader(tmp_path / "piped"), None):
        for offset in (0, 2, 4, 13, 14, 18, 21, 5, 16, 0):
            data, stream = (reader or RunReader(tmp_path / "piped")).read(offset, 100)
            run, start = (b"half", 0) if offset < 14 else (b"more", 14) if offset < 18 else (b"bad", 18)
            assert data == run[offset - start :]
            assert stream == ("stderr" if offset >= 18 else "stdout") or not data


def test_stdin_is_recorded_up_to_a_bound_and_the_rest_is_told() -> None:
    texts: list[str] = []
    marks: list[str] = []
    recorder = StdinRecorder(texts.append, marks.append)
    character = "é".encode()
    recorder.typed(b"SELECT " + character[:1])
    recorder.typed(character[1:] + b";\n\xff")
    assert "".join(texts) == "SELECT é;\n\ufffd"
    for _ in range(3):
        recorder.typed(b"x" * ON_RECORD)
    recorder.flush()
    assert len("".join(texts)) == ON_RECORD - 1
    assert marks == [CUT]
