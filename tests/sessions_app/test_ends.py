"""Ends that come from around a session: its disk, its quota, its provider."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal, WebProcess, processes_of
from tests.sessions_app.world import Lab

FLOOD = ("sh", "-c", "stty raw -echo; printf ready; read x; yes | head -c 3000000; printf THE-END; exec cat")


@pytest.fixture
def full_disk(portal: Portal) -> Iterator[Path]:
    """The portal's journals on a disk of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    place = portal.data_dir / "journals"
    place.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def _enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)


async def test_a_strict_session_ends_when_its_recording_cannot_be_written_and_frees_its_place(
    lab: Lab, sign_in: SignIn, portal: Portal, full_disk: Path
) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell(*FLOOD)
    await terminal.until(b"ready")
    await terminal.type("\n")
    ended = await terminal.frame("ended")
    assert ended["reason"] == "recording_failed"
    assert "full" in ended["detail"]
    assert await terminal.closed() == 1000
    assert (await client.ended(uid))["end_reason"] == "recording_failed"
    assert not processes_of(uid)
    assert portal.office.call(world.slots, lab) == 0
    recording = portal.office.call(world.recording_of, uid)
    on_record = (full_disk / recording["path"] / "output").read_bytes()
    assert on_record.startswith(bytes(terminal.output)), "nothing was shown that is not on record"


async def test_a_best_effort_session_goes_on_with_a_warning_and_its_recording_says_gap(
    make_lab: MakeLab, sign_in: SignIn, portal: Portal, full_disk: Path
) -> None:
    lab = make_lab(recording_mode="best_effort")
    client = sign_in(lab)
    uid, terminal = await client.shell(*FLOOD)
    await terminal.until(b"ready")
    await terminal.type("\n")
    await terminal.until(b"THE-END")
    assert len(terminal.output) == 3_000_012
    assert (await terminal.frame("notice", code="recording_gap"))["detail"]
    await client.post(f"sessions/{uid}/terminate/")
    await terminal.closed()
    await client.ended(uid)
    await asyncio.to_thread(_enlarge, full_disk)  # the seal needs a little space, too
    portal.office.call(world.reap)
    recording = portal.office.call(world.recording_of, uid)
    assert recording["health"] == "gap"
    assert recording["health_detail"]


@pytest.fixture
def stingy(portal: Portal) -> Iterator[WebProcess]:
    """A web process that allows 200,000 bytes of output."""
    process = WebProcess({**portal.env, "PORTHOLE_OUTPUT_QUOTA": "200000"}, "daphne", portal.log)
    process.wait_until_ready()
    yield process
    process.stop(signal.SIGKILL)


async def test_a_session_that_prints_for_ever_ends_with_its_reason(
    lab: Lab, sign_in: SignIn, stingy: WebProcess
) -> None:
    client = sign_in(lab, at=stingy.url)
    uid, terminal = await client.shell("yes")
    assert (await terminal.frame("ended"))["reason"] == "output_quota"
    assert await terminal.closed() == 1000
    over = await client.ended(uid)
    assert over["end_reason"] == "output_quota"
    assert over["end_detail"]
    assert not processes_of(uid)


async def test_a_provider_whose_credentials_cannot_be_read_is_a_502_that_says_so(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    portal.office.call(world.break_provider, lab)
    answer = await sign_in(lab).post("sessions/", service=lab.service)
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_misconfigured")
    assert portal.office.call(world.sessions_of, lab) == 0


async def test_credentials_that_become_unreadable_before_the_first_window_comes_end_the_session_at_once(
    make_lab: MakeLab, each_url: str, sign_in: SignIn, portal: Portal
) -> None:
    lab = make_lab("developer", "watcher")
    client, watcher = sign_in(lab, at=each_url), sign_in(lab, "watcher", at=each_url)
    session = await client.open()
    portal.office.call(world.break_provider, lab)
    looking = await watcher.dial(session["uid"])
    await looking.send(type="hello", cols=80, rows=24, mode="watch")
    assert await looking.closed() == 1012, "whoever may only watch ends nothing"
    terminal = await client.dial(session["uid"], ticket=session["ticket"])
    await terminal.send(type="hello", cols=80, rows=24)
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["code"]) == ("provider_error", "provider_misconfigured")
    assert ended["detail"].endswith(".")
    assert await terminal.closed() == 1000
    over = await client.session(session["uid"])
    assert (over["state"], over["end_reason"], over["end_detail"]) == ("failed", "provider_error", ended["detail"])
    assert portal.office.call(world.slots, lab) == 0


async def test_a_shell_that_was_killed_from_outside_ends_the_session_with_its_exit_code(
    lab: Lab, sign_in: SignIn
) -> None:
    uid, terminal = await sign_in(lab).shell("sleep", "600")
    for pid in processes_of(uid):
        os.kill(pid, signal.SIGKILL)
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["exit_code"]) == ("exited", 137)
