"""The record comes first: what happens when the journal's disk refuses, or there is too much to record."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.journal import read_output, seal
from sessions_app.backends.base import READ_SIZE
from sessions_app.engine.log import LOG_MEMORY
from sessions_app.engine.viewer import WINDOW
from sessions_app.protocol import Close
from tests.sessions_app.bench import MUCH, Bench, bench, until

SmallDisk = Callable[[int], Path]


def fill(disk: Path) -> Path:
    """Use up the disk; removing what is returned frees it again."""
    ballast = disk / "ballast"
    space = os.statvfs(disk)
    ballast.write_bytes(b"x" * space.f_bavail * space.f_bsize)
    return ballast


async def test_a_byte_is_in_the_journal_before_any_window_has_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        for number in range(50):
            window.type(b"k")
            await until(lambda number=number: len(window.output) == 6 + number)  # type: ignore[misc]
            assert len(session.record()) >= len(window.output)


async def test_a_strict_session_shows_nothing_that_is_not_on_record(small_disk: SmallDisk) -> None:
    disk = small_disk(256)
    async with bench(disk) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        fill(disk)
        window.type(b"x" * 100_000)
        await until(lambda: session.failures)
        assert "full" in str(session.failures[0])
        assert bytes(window.output) == session.record()


async def test_a_strict_session_reports_the_failure_once(small_disk: SmallDisk) -> None:
    disk = small_disk(256)
    async with bench(disk, MUCH) as session:
        session.window()
        await until(lambda: session.failures)
        await until(lambda: not session.stream.paused)
        await until(lambda: session.live.log.end > 0)
        assert len(session.failures) == 1
        assert session.record() == session.live.log.newest(0, LOG_MEMORY)


async def _fill_then_type(session: Bench, disk: Path) -> Path:
    """Type 20,000 bytes that are shown and cannot be recorded. Returns the ballast."""
    window = session.window()
    await until(lambda: window.output == b"ready")
    ballast = fill(disk)
    window.type(b"x" * 20_000)
    await until(lambda: len(window.output) == 20_005)
    return ballast


async def test_a_best_effort_session_goes_on_with_a_warning(small_disk: SmallDisk) -> None:
    disk = small_disk(256)
    async with bench(disk, strict=False) as session:
        await _fill_then_type(session, disk)
        controller = session.live.controller
        assert controller is not None
        watcher = session.window("watch")
        session.live.feed(controller, b"y" * 20_000)
        await until(lambda: session.live.log.end == 40_005)
        await until(lambda: len(watcher.output) == 40_005)
        assert not session.failures


async def test_the_warning_of_a_gap_is_given_once_and_names_the_cause(small_disk: SmallDisk) -> None:
    disk = small_disk(256)
    async with bench(disk, strict=False) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        ballast = fill(disk)
        for _ in range(10):  # more than fits into the rest of the file's last page
            session.live.output(b"x" * 5_000)
        ballast.unlink()
        session.live.output(b"recorded again")
        fill(disk)
        session.live.output(b"x" * 5_000)
        await until(lambda: len(window.told("notice")) == 2)
        assert {notice["code"] for notice in window.told("notice")} == {"recording_gap"}
        assert "full" in window.told("notice")[0]["detail"]


async def test_a_gap_is_on_record_with_its_length_once_there_is_space_again(small_disk: SmallDisk) -> None:
    disk = small_disk(256)
    async with bench(disk, strict=False) as session:
        ballast = await _fill_then_type(session, disk)
        ballast.unlink()
        controller = session.live.controller
        assert controller is not None
        session.live.feed(controller, b"after")
        await until(lambda: session.live.log.end == 20_010)
        assert read_output(session.folder, 20_005, 10) == b"after", "offsets on record are the session's own"
        session.journal.close()
        sealed = seal(session.folder)
        assert sealed.output_bytes == 20_010
        assert 0 < sealed.gap_bytes <= 20_000


async def test_a_window_that_asks_for_bytes_that_nobody_kept_is_told_and_its_offsets_stay_right(
    small_disk: SmallDisk,
) -> None:
    disk = small_disk(256)
    size = 2 * LOG_MEMORY
    program = ["sh", "-c", f"stty raw; seq 1 9999999 | head -c {size}; printf end; cat"]
    async with bench(disk, program, strict=False) as session:
        session.window()
        await until(lambda: session.live.log.end == size + 3)
        recorded = session.journal.offset
        assert recorded < session.live.log.start
        late = session.window("watch", offset=recorded)
        await until(lambda: late.output.endswith(b"end"))
        assert [notice["code"] for notice in late.told("notice")] == ["recording_gap"]
        lost = session.live.log.start - recorded
        assert bytes(late.output[:lost]) == bytes(lost)
        assert bytes(late.output[lost:]) == session.live.log.newest(session.live.log.start, size)


async def test_a_session_that_prints_more_than_its_quota_is_reported_and_its_output_stays_on_record(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, MUCH, quota=300_000) as session:
        window = session.window()
        await until(lambda: session.quota_reports)
        assert session.quota_reports == 1
        await until(lambda: len(window.output) == session.live.log.end)
        assert session.live.log.end < 2_000_000, "what is over the quota is not taken any more"
        assert bytes(window.output) == session.record()[: len(window.output)]


@pytest.mark.parametrize("quota", [WINDOW // 2, WINDOW - 1], ids=["alone", "as its window falls behind"])
async def test_what_comes_after_the_quota_is_neither_read_nor_shown_whoever_comes_or_goes(
    tmp_path: Path, quota: int
) -> None:
    async with bench(tmp_path, MUCH, quota=quota) as session:
        window = session.window(acks=False)
        await until(lambda: session.quota_reports)
        taken = session.live.log.end
        assert quota < taken <= quota + READ_SIZE
        await until(lambda: len(window.output) == min(taken, WINDOW))
        assert session.live.ack(window.viewer, len(window.output))
        await until(lambda: len(window.output) == taken)
        window.viewer.close(Close.NORMAL)
        await until(lambda: window.code is not None)
        again = session.window()
        await until(lambda: len(again.output) == taken)
        async with bench(tmp_path) as other:  # a whole other session's worth of time
            keys = other.window()
            await until(lambda: keys.output == b"ready")
        assert session.stream.paused
        assert len(again.output) == session.live.log.end == taken
        assert session.quota_reports == 1
