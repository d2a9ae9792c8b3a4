"""The disk that holds the journals is full: what cannot be recorded is not shown, or is shown and noted as a gap."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.client import Api, Terminal
from tests.integration.conftest import Install, SignIn, add_service_to
from tests.integration.installation import Installation
from tests.integration.places import Place

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]

SMALL = "256k"
LARGE = "64m"
FLOOD = "yes 0123456789abcdef | head -c 1000000"


@dataclass
class Disk:
    """A small disk where the journals go."""

    folder: Path

    def grow(self) -> None:
        """Somebody makes room."""
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "journals"
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "tmpfs", str(folder)], check=True)
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def installation(disk: Disk, install: Install) -> Installation:
    """It starts after the disk is there, and ends before it goes."""
    made = install()
    made.start_web()
    return made


@pytest.fixture
async def api(installation: Installation, sign_in: SignIn) -> Api:
    return await sign_in(installation)


async def test_a_strict_session_ends_with_recording_failed_and_shows_nothing_that_is_not_on_record(
    installation: Installation, api: Api, disk: Disk, container: Place
) -> None:
    service = await add_service_to(installation, "docker", recording_mode="strict")
    terminal = await Terminal.opened(api, service, **container.target)
    await terminal.type(f"{FLOOD}\r")
    ended = await terminal.frame("ended")
    assert ended["reason"] == "recording_failed"
    assert "full" in ended["detail"]
    assert await terminal.closed() == 1000
    assert (await api.ended(terminal.uid))["end_reason"] == "recording_failed"
    assert container.running == []
    disk.grow()
    installation.reap()
    recording = await api.recording(terminal.uid)
    # What came and went to nobody is a gap at the end, so that the record does not claim to be all there was.
    assert recording["health"] == "gap"
    recorded, received = await api.recorded(terminal.uid), bytes(terminal.received)
    assert recorded == received + bytes(len(recorded) - len(received))
    assert len(recorded) - len(received) <= recording["gap_bytes"]


async def test_a_best_effort_session_goes_on_with_a_notice_and_a_gap_on_record(
    installation: Installation, api: Api, disk: Disk, container: Place
) -> None:
    service = await add_service_to(installation, "docker", recording_mode="best_effort")
    terminal = await Terminal.opened(api, service, **container.target)
    await terminal.run("echo before")
    await terminal.run(FLOOD)
    notice = await terminal.frame("notice")
    assert notice["code"] == "recording_gap"
    assert "full" in notice["detail"]
    assert len(terminal.received) > 1_000_000
    disk.grow()
    assert await terminal.run("echo after") == "after\n"
    await terminal.type("exit\r")
    await terminal.closed()

    recording = await api.recording(terminal.uid)
    assert recording["health"] == "gap"
    assert 0 < recording["gap_bytes"] < 1_100_000
    recorded, received = await api.recorded(terminal.uid), bytes(terminal.received)
    assert len(recorded) == recording["output_bytes"] == len(received)
    differing = [at for at, (here, there) in enumerate(zip(recorded, received, strict=True)) if here != there]
    assert len(differing) == recording["gap_bytes"]
    assert differing == list(range(differing[0], differing[0] + len(differing)))
    assert set(recorded[differing[0] : differing[-1] + 1]) == {0}
    assert b"after" in recorded[differing[-1] :]


async def test_a_gap_at_the_end_is_on_record_too(
    installation: Installation, api: Api, disk: Disk, container: Place
) -> None:
    service = await add_service_to(installation, "docker", recording_mode="best_effort")
    terminal = await Terminal.opened(api, service, **container.target)
    await terminal.run(FLOOD)
    await terminal.type("exit\r")
    await terminal.closed()
    session = await api.ended(terminal.uid)
    assert session["end_reason"] == "exited"
    assert session["bytes_out"] == len(terminal.received)
    disk.grow()
    installation.reap()
    recording = await api.recording(terminal.uid)
    assert recording["health"] == "gap"
    recorded = await api.recorded(terminal.uid)
    differing = sum(here != there for here, there in zip(recorded, bytes(terminal.received), strict=False))
    missing = len(terminal.received) - len(recorded)
    assert recording["gap_bytes"] == differing + missing > 0


async def test_where_nothing_can_be_recorded_no_session_begins(
    installation: Installation, api: Api, disk: Disk, container: Place
) -> None:
    (disk.folder / "ballast").write_bytes(bytes(256 * 1024))
    service = await add_service_to(installation, "docker", recording_mode="strict", session_limit=1)
    session = await api.open(service, **container.target)
    terminal = Terminal(api, session["uid"])
    told = await terminal.connect(session["ticket"], offset=None)
    assert (told["type"], told["reason"]) == ("ended", "recording_failed")
    assert (await api.ended(terminal.uid))["state"] == "failed"
    assert container.running == []
    await api.open(service, **container.target)
