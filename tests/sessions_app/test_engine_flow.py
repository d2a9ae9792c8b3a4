"""Bounds: what a slow window, a busy program, a flood of input or of sizes can do, and what it cannot."""

import asyncio
from pathlib import Path

from audit.journal import read_timeline
from sessions_app import protocol
from sessions_app.backends.base import READ_SIZE, WRITE_HIGH_WATER
from sessions_app.engine.input import INPUT_BUFFER, INPUT_STRIDE
from sessions_app.engine.keys import DetachKeys
from sessions_app.engine.log import LOG_MEMORY
from sessions_app.engine.sizes import RESIZE_INTERVAL
from sessions_app.engine.viewer import MAX_FRAMES, WATCHER_BACKLOG, WINDOW
from sessions_app.protocol import Close
from tests.sessions_app.bench import MUCH, Bench, bench, until

SLACK = 4 * READ_SIZE
"""What may still come after the engine has said stop: what was read already."""


async def test_a_window_that_acknowledges_nothing_stops_the_container(tmp_path: Path) -> None:
    async with bench(tmp_path, MUCH) as session:
        window = session.window(acks=False)
        await until(lambda: session.stream.paused)
        await until(lambda: len(window.output) == WINDOW)
        assert WINDOW <= session.live.log.end < WINDOW + SLACK
        stopped_at = session.live.log.end
        async with bench(tmp_path) as other:  # a whole other session's worth of time
            await echo(other)
        assert session.live.log.end < stopped_at + SLACK
        assert len(window.output) == WINDOW


async def test_a_window_whose_transport_is_stuck_stops_the_container_too(tmp_path: Path) -> None:
    async with bench(tmp_path, MUCH) as session:
        window = session.window()
        window.open.clear()
        await until(lambda: session.stream.paused)
        assert session.live.log.end < WINDOW + SLACK
        window.open.set()
        await until(lambda: session.live.log.end > 2 * WINDOW)


async def test_acknowledging_lets_the_container_go_on_and_nothing_is_missing(tmp_path: Path) -> None:
    size = 4 * WINDOW
    async with bench(tmp_path, ["sh", "-c", f"stty raw; seq 1 9999999 | head -c {size}"]) as session:
        window = session.window(acks=False)
        pauses = 0
        while len(window.output) < size:
            await until(lambda: len(window.output) in (window.viewer.acked + WINDOW, size))
            pauses += session.stream.paused
            assert session.live.ack(window.viewer, len(window.output))
        assert pauses >= 2
        assert bytes(window.output) == session.record()


async def test_the_echo_of_another_session_goes_on_beside_one_that_is_stopped(tmp_path: Path) -> None:
    async with bench(tmp_path, MUCH) as busy, bench(tmp_path) as other:
        busy.window(acks=False)
        await until(lambda: busy.stream.paused)
        await echo(other)


async def echo(session: Bench) -> None:
    """Type a hundred keys one after the other and see each come back."""
    window = session.window()
    await until(lambda: window.output == b"ready")
    for number in range(100):
        window.type(b"k")
        await until(lambda number=number: len(window.output) == 6 + number)  # type: ignore[misc]


async def test_keys_that_detach_are_kept_from_the_program_and_count_as_taken(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        window.viewer.keys = DetachKeys()
        asked = [session.live.feed(window.viewer, key) for key in (b"\x01", b"\x01", b"x", b"\x01", b"d")]
        assert asked == [False, False, False, False, True]
        await until(lambda: window.output == b"ready\x01x")
        assert (session.live.bytes_in, window.viewer.input_taken) == (2, 5)


async def test_memory_holds_the_newest_bytes_only(tmp_path: Path) -> None:
    async with bench(tmp_path, MUCH) as session:
        session.window()
        await until(lambda: session.live.log.end > 8 * LOG_MEMORY)
        assert session.live.log.end - session.live.log.start < LOG_MEMORY + SLACK


async def test_without_a_controller_the_program_runs_on(tmp_path: Path) -> None:
    async with bench(tmp_path, MUCH) as session:
        window = session.window(acks=False)
        await until(lambda: session.stream.paused)
        window.viewer.close(Close.BAD_FRAME)
        await until(lambda: window.code == Close.BAD_FRAME)
        await until(lambda: session.live.log.end > 3 * WINDOW)
        assert session.live.controller is None


async def test_a_watcher_that_falls_behind_is_dropped_and_slows_nobody(tmp_path: Path) -> None:
    async with bench(tmp_path, MUCH) as session:
        window = session.window()
        slow = session.window("watch", acks=False)
        await until(lambda: slow.code is not None)
        assert slow.code == Close.TOO_SLOW
        assert slow.frames[-1]["type"] == "error"
        assert len(slow.output) == WINDOW
        seen = len(window.output)
        assert seen > WATCHER_BACKLOG - WINDOW
        await until(lambda: len(window.output) > seen + WINDOW)
        assert window.code is None
        assert slow.viewer not in session.live.viewers


async def test_a_watcher_that_keeps_up_sees_the_same_bytes(tmp_path: Path) -> None:
    async with bench(tmp_path, ["sh", "-c", "stty raw; seq 1 500000; printf end; cat"]) as session:
        window, watcher = session.window(), session.window("watch")
        await until(lambda: watcher.output.endswith(b"end") and window.output.endswith(b"end"))
        assert watcher.output == window.output


async def test_a_watcher_cannot_type(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window, watcher = session.window(), session.window("watch")
        await until(lambda: watcher.output == b"ready")
        watcher.type(b"rm -rf /")
        window.type(b"!")
        await until(lambda: watcher.output == b"ready!")
        assert session.live.bytes_in == 1


async def test_a_new_window_takes_over_and_the_old_one_is_told_and_types_no_more(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        first = session.window()
        await until(lambda: first.output == b"ready")
        second = session.window()
        first.type(b"lost")
        second.type(b"kept")
        await until(lambda: second.output == b"readykept")
        await until(lambda: first.code is not None)
        assert first.code == Close.TAKEN_OVER
        assert first.frames[-1] == {
            "type": "error",
            "code": 4409,
            "detail": "This session was opened in another window.",
        }
        assert session.live.controller is second.viewer
        assert session.live.bytes_in == 4


async def test_the_leaving_of_a_window_that_was_replaced_leaves_the_new_one_in_control(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        first, second = session.window(), session.window()
        await until(lambda: first.viewer not in session.live.viewers)
        assert session.live.controller is second.viewer


async def test_a_stuck_window_that_was_replaced_holds_nothing_up(tmp_path: Path) -> None:
    async with bench(tmp_path, MUCH) as session:
        stuck = session.window(acks=False)
        await until(lambda: session.stream.paused)
        second = session.window()
        await until(lambda: len(second.output) > 4 * WINDOW)
        assert stuck.code == Close.TAKEN_OVER


async def test_input_that_the_container_does_not_take_is_bounded(tmp_path: Path) -> None:
    async with bench(tmp_path, ["sh", "-c", "stty raw -echo; printf ready; exec sleep 60"]) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        typed = 0
        while not window.viewer.closing:
            window.type(b"x" * 16384)
            typed += 16384
            await asyncio.sleep(0)
        assert typed <= INPUT_BUFFER + WRITE_HIGH_WATER + 2 * INPUT_STRIDE
        await until(lambda: window.code is not None)
        assert window.code == Close.TOO_SLOW
        assert "faster" in window.frames[-1]["detail"]


async def test_an_ack_of_what_was_never_sent_is_refused(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window(acks=False)
        await until(lambda: window.output == b"ready")
        assert not session.live.ack(window.viewer, 6)
        assert session.live.ack(window.viewer, 5)


async def test_an_old_ack_moves_nothing_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.viewer.acked == 5)
        assert session.live.ack(window.viewer, 3)
        assert window.viewer.acked == 5


async def test_ten_thousand_sizes_become_a_few_and_the_last_one_wins(tmp_path: Path) -> None:
    async with bench(tmp_path, ["sh", "-c", "stty raw -echo; printf ready; read x; stty size; cat"]) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        began = asyncio.get_running_loop().time()
        for number in range(10_000):
            session.live.resize(80 + number % 400, 24 + number % 100)
            if number % 100 == 0:
                await asyncio.sleep(0)
        session.live.resize(132, 43)
        await until(lambda: session.stream.sizes and session.stream.sizes[-1] == (132, 43))
        took = asyncio.get_running_loop().time() - began
        assert len(session.stream.sizes) <= took / RESIZE_INTERVAL + 2
        noted = [event.value for event in read_timeline(session.folder) if event.code == "r"]
        assert noted == [f"{cols}x{rows}" for cols, rows in session.stream.sizes]
        window.type(b"\n")
        await until(lambda: b"43 132" in window.output)


async def test_the_same_size_again_is_not_passed_on(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        session.live.resize(80, 24)
        session.live.resize(81, 24)
        await until(lambda: session.stream.sizes == [(81, 24)])


async def test_a_size_from_before_the_shell_ran_reaches_it(tmp_path: Path) -> None:
    async with bench(tmp_path, connect=False) as session:
        session.live.resize(100, 30)
        await asyncio.sleep(0)
        session.live.connect(session.stream)
        await until(lambda: session.stream.sizes == [(100, 30)])


async def test_watchers_are_told_the_size_that_the_controller_chose(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window, watcher = session.window(), session.window("watch")
        session.live.resize(100, 30)
        await until(lambda: watcher.told("state"))
        assert watcher.told("state") == [{"type": "state", "state": "active", "cols": 100, "rows": 30}]
        assert not window.told("state")


async def test_text_frames_for_a_stuck_window_do_not_pile_up(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        window.open.clear()
        for _ in range(10_000):
            window.viewer.tell(protocol.pong())
        window.open.set()
        await until(lambda: len(window.told("pong")) >= MAX_FRAMES)
        window.viewer.close(Close.NORMAL)
        await until(lambda: window.code == Close.NORMAL)
        assert len(window.told("pong")) <= MAX_FRAMES + 1


async def test_once_the_end_has_begun_no_keystroke_reaches_the_container(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        session.live.shut()
        window.type(b"too late")
        async with bench(tmp_path) as other:
            await echo(other)
        assert bytes(window.output) == session.record() == b"ready"


async def test_input_that_waited_is_dropped_when_the_end_begins(tmp_path: Path) -> None:
    program = ["sh", "-c", "stty raw -echo; printf ready; sleep 0.5; head -c 2000000 | wc -c"]
    async with bench(tmp_path, program) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        window.type(b"x" * 1_000_000)
        window.type(b"y" * 1_000_000)
        session.live.shut()
        await asyncio.sleep(0.6)
        assert bytes(window.output) == b"ready", "the second million never came"


async def test_a_stopped_container_is_let_go_when_the_end_begins_so_that_its_last_words_are_on_record(
    tmp_path: Path,
) -> None:
    size = 3 * WINDOW
    async with bench(tmp_path, ["sh", "-c", f"stty raw; yes | head -c {size}; printf goodbye"]) as session:
        session.window(acks=False)
        await until(lambda: session.stream.paused)
        session.live.shut()
        await until(lambda: session.exit is not None)
        assert session.record().endswith(b"goodbye")


async def test_the_end_of_a_program_is_told_although_what_it_left_behind_prints_on(tmp_path: Path) -> None:
    async with bench(tmp_path, ["bash", "-c", "set -m; stty raw; yes & sleep 0.3; exit 3"]) as session:
        await until(lambda: session.exit is not None)
        assert session.exit == (3, None)
