"""A live session without a terminal: two streams in one log, an input that ends, and what counts as activity."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.journal import OutputStream
from sessions_app.engine import log as log_module
from sessions_app.engine.input import INPUT_BUFFER
from sessions_app.engine.log import OutputLog
from sessions_app.engine.viewer import Viewer
from sessions_app.protocol import Close
from sessions_app.record import reader_of
from tests.sessions_app.bench import Bench, Window, bench, until
from tests.sessions_app.test_engine_record import fill

QUIET = ("sleep", "600")
OUT = "".join(f"o{number}\n" for number in range(400)).encode()
ERR = "".join(f"e{number}\n" for number in range(400)).encode()


def streams(window: Window, first: OutputStream) -> dict[str, bytes]:
    """What a window was sent, by stream; it begins with `first`."""
    told = [(window.offset, first), *((frame["offset"], frame["stream"]) for frame in window.told("stream"))]
    found = {"stdout": b"", "stderr": b""}
    for (start, stream), (end, _) in zip(told, [*told[1:], (window.offset + len(window.output), "")], strict=True):
        found[stream] += bytes(window.output[start - window.offset : end - window.offset])
    return found


def alternate(session: Bench) -> None:
    """Output that changes its stream with each line: read from pipes, most lines come together."""
    for number in range(400):
        session.live.output(b"o%d\n" % number, "stdout")
        session.live.output(b"e%d\n" % number, "stderr")


async def test_a_window_that_comes_back_anywhere_gets_the_same_bytes_of_the_same_streams(tmp_path: Path) -> None:
    async with bench(tmp_path, QUIET, tty=False) as session:
        first = session.window()
        alternate(session)
        await until(lambda: len(first.output) == session.live.log.end)
        whole = streams(first, "stdout")
        assert whole == {"stdout": OUT, "stderr": ERR}
        for offset in range(0, session.live.log.end, 97):
            again = session.window("watch", offset=offset)
            taken_for = again.viewer.stream
            await until(lambda again=again, offset=offset: len(again.output) == session.live.log.end - offset)
            rest = streams(again, taken_for)
            assert all(whole[name].endswith(rest[name]) for name in rest)
            assert len(rest["stdout"]) + len(rest["stderr"]) == session.live.log.end - offset


async def test_switches_that_have_left_memory_are_read_from_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "MAX_SWITCHES", 16)
    async with bench(tmp_path, QUIET, tty=False) as session:
        alternate(session)
        assert session.live.log.start > 0
        late = session.window()
        await until(lambda: len(late.output) == session.live.log.end)
        assert streams(late, "stdout") == {"stdout": OUT, "stderr": ERR}


@pytest.mark.parametrize("recovered", [False, True])
async def test_output_that_nobody_kept_ends_a_window_and_never_passes_for_the_programs_bytes(
    small_disk: Callable[[int], Path], recovered: bool
) -> None:
    disk = small_disk(256)
    async with bench(disk, QUIET, strict=False, tty=False) as session:
        session.live.output(b"kept")
        ballast = fill(disk)
        while session.live.log.start <= 64 * 1024:
            session.live.output(b"x" * 64 * 1024)
        if recovered:
            ballast.unlink()
            session.live.output(b"and on", "stderr")
        late = session.window("watch")
        await until(lambda: late.code is not None)
        assert late.code == Close.OUTPUT_LOST
        assert late.output == b"kept"
        assert late.told("error")[0]["detail"]
        back = session.window("watch", offset=session.live.log.start)
        await until(lambda: back.offset + len(back.output) == session.live.log.end)
        assert back.code is None, "what is in memory is whole"


async def test_a_program_that_is_over_has_no_exit_code_for_who_cannot_have_all_of_its_output(tmp_path: Path) -> None:
    async with bench(tmp_path, QUIET, strict=False, tty=False) as session:
        session.live.output(b"kept")
        session.journal.gap(5_000)
        session.journal.output(b"after")
        window = Window(session.live, acks=False)
        log = OutputLog(session.journal.offset)
        reader = reader_of(session.folder, tty=False)
        viewer = Viewer(window, log, reader, offset=0, mode="watch", user_id=0, whole=True)
        viewer.close(Close.NORMAL, '{"type": "ended"}', rest=True)
        await viewer.run()
        assert (bytes(window.output), window.code) == (b"kept", Close.OUTPUT_LOST)
        assert [frame["type"] for frame in window.frames] == ["error"]


async def test_input_ends_after_what_waits_of_it_and_for_good(tmp_path: Path) -> None:
    program = ("sh", "-c", "sleep 0.5; wc -c")
    async with bench(tmp_path, program, tty=False) as session:
        window = session.window()
        for _ in range(24):
            window.type(bytes(128 * 1024))
        session.live.end_input(window.viewer)
        session.live.end_input(window.viewer)
        await until(lambda: session.exit is not None)
        assert bytes(window.output) == b"%d\n" % (24 * 128 * 1024)
        assert session.live.bytes_in == 24 * 128 * 1024


async def test_input_that_was_refused_is_not_counted_as_taken(tmp_path: Path) -> None:
    async with bench(tmp_path, QUIET, tty=False) as session:
        window = session.window()
        while window.code is None:
            window.type(bytes(256 * 1024))
            await asyncio.sleep(0)
        assert window.code == 4429
        taken = session.live.bytes_in
        assert INPUT_BUFFER < taken < 2 * INPUT_BUFFER
        back = session.window(offset=session.live.log.end)
        back.type(b"x")
        assert back.code is None or session.live.bytes_in == taken


async def test_only_the_controller_ends_the_input(tmp_path: Path) -> None:
    async with bench(tmp_path, ("cat",), tty=False) as session:
        window, watcher = session.window(), session.window("watch")
        session.live.end_input(watcher.viewer)
        window.type(b"still")
        await until(lambda: bytes(watcher.output) == b"still")
        assert session.exit is None
        session.live.end_input(window.viewer)
        await until(lambda: session.exit == (0, None))


async def test_a_provider_that_cannot_close_stdin_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, ("cat",), tty=False) as session:
        monkeypatch.setattr(type(session.stream), "write_eof", lambda _: False)
        window = session.window()
        session.live.end_input(window.viewer)
        await until(lambda: window.told("notice"))
        assert window.told("notice")[0]["code"] == "stdin_stays_open"


@pytest.mark.parametrize("tty", [True, False])
async def test_output_is_activity_where_nobody_types(tmp_path: Path, *, tty: bool) -> None:
    program = ("sh", "-c", "while sleep 0.05; do echo tick; done")
    async with bench(tmp_path, program, tty=tty) as session:
        window = session.window()
        began = session.live.last_activity
        await until(lambda: b"tick" in window.output)
        assert (session.live.last_activity > began) is not tty
