"""The output log against what it stands for: one long byte string."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.journal import OutputStream
from sessions_app.engine import log as log_module
from sessions_app.engine.log import LOG_MEMORY, OutputLog


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=60),
    start=st.integers(0, 50),
    reads=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 500)), min_size=1, max_size=20),
)
def test_any_appends_read_back_from_any_offset_as_the_bytes_they_are(
    chunks: list[bytes], start: int, reads: list[tuple[int, int]]
) -> None:
    # Small enough for chunks to be joined and to leave memory within an example.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "LOG_MEMORY", 256)
        patch.setattr(log_module, "_MERGE_BELOW", 16)
        log = OutputLog(start)
        for chunk in chunks:
            log.append(chunk)
    whole = b"\0" * start + b"".join(chunks)
    assert log.end == len(whole)
    assert min(256, len(whole) - start) <= log.end - log.start < 256 + 16 + 40
    for offset, limit in reads:
        if offset >= log.end:
            assert log.newest(offset, limit) == b""
        elif offset < log.start:
            assert log.newest(offset, limit) is None
        else:
            assert log.newest(offset, limit) == whole[offset : offset + limit]


def test_memory_is_bounded_however_much_is_printed() -> None:
    log = OutputLog()
    for number in range(200):
        log.append(bytes([number]) * 65536)
    held = log.end - log.start
    assert LOG_MEMORY <= held < LOG_MEMORY + 65536
    assert log.newest(log.start, held) == b"".join(bytes([n]) * 65536 for n in range(200))[-held:]


def test_a_log_of_single_characters_stays_short() -> None:
    log = OutputLog()
    for _ in range(10_000):
        log.append(b"x")
    assert len(log._chunks) < 10


@given(
    pieces=st.lists(
        st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(min_size=1, max_size=9)), min_size=1, max_size=120
    ),
    start=st.integers(0, 50),
    switches=st.integers(2, 12),
)
def test_each_byte_in_memory_has_its_stream_and_switches_are_bounded(
    pieces: list[tuple[OutputStream, bytes]], start: int, switches: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "LOG_MEMORY", 256)
        patch.setattr(log_module, "_MERGE_BELOW", 16)
        patch.setattr(log_module, "MAX_SWITCHES", switches)
        log, owners = OutputLog(start), list[OutputStream](["stdout"] * start)
        for stream, data in pieces:
            log.append(data, stream)
            owners += [stream] * len(data)
            assert len(log._switches) <= switches
    whole = b"\0" * start + b"".join(data for _, data in pieces)
    assert log.run(log.end) == (owners[-1], log.end), "the next byte is taken for the same stream"
    for offset in range(log.start, log.end):
        stream, end = log.run(offset)
        assert owners[offset:end] == [stream] * (end - offset)
        assert end == log.end or owners[end] != stream
    assert log.newest(log.start, 10_000) == whole[log.start :]
