"""The reaper: it ends the shell and not only the row, once, however often it runs."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.sessions_app import world
from tests.sessions_app.conftest import SignIn
from tests.sessions_app.portal_process import Portal, WebProcess, processes_of
from tests.sessions_app.terminal import Client, eventually
from tests.sessions_app.world import Lab


def ago(**time: float) -> Any:
    return timezone.now() - timedelta(**time)


DUE: dict[str, Callable[[], dict[str, Any]]] = {
    "idle_timeout": lambda: {"last_activity_at": ago(hours=1), "idle_timeout": 1},
    "max_duration": lambda: {"started_at": ago(hours=2), "max_duration": 3600},
}


@pytest.mark.parametrize("reason", DUE)
async def test_a_session_whose_time_is_up_ends_with_its_shell(
    lab: Lab, sign_in: SignIn, portal: Portal, reason: str
) -> None:
    client = sign_in(lab)
    session = await client.open(command=["sleep", "600"])
    uid = session["uid"]
    if reason == "idle_timeout":
        portal.office.call(world.change_row, uid, idle_timeout=1)
    terminal = await client.attach(uid, ticket=session["ticket"])
    assert processes_of(uid)
    if reason == "idle_timeout":
        await terminal.frame("notice", code="idle_warning")
    portal.office.call(world.change_row, uid, **DUE[reason]())
    for _ in range(2):
        portal.office.call(world.reap)
    assert (await terminal.frame("ended"))["reason"] == reason
    assert await terminal.closed() == 1000
    over = await client.ended(uid)
    assert (over["state"], over["end_reason"]) == ("stopped", reason)
    assert over["end_detail"]
    assert not processes_of(uid)
    events = portal.office.call(world.events_of, uid)
    assert (events.count("session.end_requested"), events.count("session.ended")) == (1, 1)
    assert portal.office.call(world.slots, lab) == 0


@pytest.mark.parametrize(("asked", "reason"), [(True, "detach_expired"), (False, "disconnected")])
async def test_a_detached_session_ends_with_its_shell_when_its_time_is_over(
    lab: Lab, sign_in: SignIn, portal: Portal, asked: bool, reason: str
) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell("sleep", "600")
    if asked:
        await terminal.send(type="detach", ttl=3600)
        await terminal.closed()
    else:
        await terminal.drop()
    await eventually(_detached, client, uid)
    portal.office.call(world.reap)
    assert (await client.session(uid))["state"] == "detached", "its time is not over yet"
    portal.office.call(world.change_row, uid, detach_expires_at=ago(seconds=1))
    for _ in range(2):
        portal.office.call(world.reap)
    assert (await client.ended(uid))["end_reason"] == reason
    assert not processes_of(uid)
    assert portal.office.call(world.events_of, uid).count("session.ended") == 1


async def _detached(client: Client, uid: str) -> bool:
    return bool((await client.session(uid))["state"] == "detached")


async def test_a_session_that_nobody_connected_to_gives_its_place_back(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    session = await client.open()
    portal.office.call(world.reap)
    assert (await client.session(session["uid"]))["state"] == "requested"
    portal.office.call(world.change_row, session["uid"], attach_by=ago(seconds=1))
    for _ in range(2):
        portal.office.call(world.reap)
    over = await client.session(session["uid"])
    assert (over["state"], over["end_reason"]) == ("failed", "never_attached")
    assert portal.office.call(world.slots, lab) == 0
    assert portal.office.call(world.events_of, session["uid"]) == ["session.requested", "session.failed"]
    late = await client.dial(session["uid"])
    await late.send(type="hello", cols=80, rows=24)
    assert (await late.frame("ended"))["reason"] == "never_attached"


async def test_a_key_pressed_after_the_reaper_looked_keeps_the_session(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    """The row is seconds behind: the host knows better than the reaper."""
    client = sign_in(lab)
    uid, terminal = await client.shell("cat")
    portal.office.call(world.change_row, uid, last_activity_at=ago(hours=1))
    portal.office.call(world.reap)

    async def called_off() -> bool:
        row = portal.office.call(world.row, uid)
        return bool(row["end_requested"] == "" and row["last_activity_at"] > ago(minutes=30))

    await eventually(called_off)
    await terminal.type("alive\n")
    await terminal.until(b"alive\r\nalive")


async def test_an_attach_that_wins_against_the_end_of_the_time_keeps_the_session(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell("cat")
    await terminal.drop()
    await eventually(_detached, client, uid)
    portal.office.call(world.change_row, uid, detach_expires_at=ago(seconds=1))
    again = await client.attach(uid)
    await again.type("first\n")
    await again.until(b"first")

    async def active() -> bool:
        return bool((await client.session(uid))["state"] == "active")

    await eventually(active)
    portal.office.call(world.reap)
    await again.type("second\n")
    await again.until(b"second")


@pytest.fixture
def doomed(portal: Portal) -> Any:
    """A web process that a test may kill."""
    process = WebProcess(portal.env, "uvicorn", portal.log)
    process.wait_until_ready()
    yield process
    process.stop(signal.SIGKILL)


async def test_the_sessions_of_a_killed_process_are_ended_sealed_and_their_places_freed(
    portal: Portal, lab: Lab, sign_in: SignIn, doomed: WebProcess
) -> None:
    client = sign_in(lab, at=doomed.url)
    opened = [await client.shell("sh", "-c", "printf seen; exec sleep 600") for _ in range(3)]
    for _, terminal in opened:
        await terminal.until(b"seen")
    os.kill(doomed.process.pid, signal.SIGKILL)
    doomed.process.wait()
    for _ in range(2):
        portal.office.call(world.reap)
    survivor = sign_in(lab)
    for uid, _ in opened:
        over = await survivor.session(uid)
        assert (over["state"], over["end_reason"]) == ("stopped", "host_lost")
        assert not processes_of(uid)
        recording = portal.office.call(world.recording_of, uid)
        assert (recording["health"], recording["output_bytes"]) == ("complete", 4)
        assert portal.office.call(world.events_of, uid).count("session.ended") == 1
        late = await survivor.attach(uid, offset=0)
        assert (await late.frame("ended"))["reason"] == "host_lost"
        assert bytes(late.output) == b"seen"
    assert portal.office.call(world.slots, lab) == 0


async def test_what_a_killed_process_left_is_ended_although_the_service_was_deleted(
    portal: Portal, lab: Lab, sign_in: SignIn, doomed: WebProcess
) -> None:
    # It outlives the terminal, which goes with the process that held it.
    stays = "trap : HUP; printf seen; while :; do sleep 1; done"
    uid, terminal = await sign_in(lab, at=doomed.url).shell("sh", "-c", stays)
    await terminal.until(b"seen")
    os.kill(doomed.process.pid, signal.SIGKILL)
    doomed.process.wait()
    portal.office.call(world.delete_service, lab)
    assert processes_of(uid)
    portal.office.call(world.reap)
    assert not processes_of(uid)
    row = portal.office.call(world.row, uid)
    assert (row["state"], row["end_reason"]) == ("stopped", "host_lost")
    assert "killed" in [process["outcome"] for process in row["cleanup"]["processes"]]


async def test_a_process_that_is_asked_to_stop_ends_its_sessions_and_says_so(
    portal: Portal, lab: Lab, sign_in: SignIn, doomed: WebProcess
) -> None:
    client = sign_in(lab, at=doomed.url)
    uid, terminal = await client.shell("sh", "-c", "printf seen; exec sleep 600")
    await terminal.until(b"seen")
    doomed.process.send_signal(signal.SIGTERM)
    assert await terminal.closed() in (1000, 1012)
    doomed.process.wait(timeout=40)
    over = await sign_in(lab).ended(uid)
    assert over["end_reason"] == "host_lost"
    assert not processes_of(uid)
    assert portal.office.call(world.recording_of, uid)["health"] == "complete"


async def test_a_running_session_is_left_alone(lab: Lab, sign_in: SignIn, portal: Portal) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell("cat")
    before = portal.office.call(world.events_of, uid)
    for _ in range(3):
        portal.office.call(world.reap)
    await terminal.type("alive\n")
    await terminal.until(b"alive\r\nalive")
    after = portal.office.call(world.events_of, uid)
    assert set(after) - set(before) <= {"session.attached"}
