"""A row names a process that owns its session. Here it is wrong: that process knows nothing of it, or is gone."""

import asyncio
from datetime import timedelta

from django.utils import timezone

from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal, processes_of
from tests.sessions_app.terminal import Client, Terminal, eventually
from tests.sessions_app.world import Lab


async def _refused(terminal: Terminal) -> int:
    """Say hello where nobody has the session; the code it is closed with, which the error before it names, too."""
    await terminal.send(type="hello", cols=80, rows=24)
    async with asyncio.timeout(10):
        error = await terminal.frame("error")
        assert error["detail"].endswith(".")
        code = await terminal.closed()
    assert error["code"] == code
    return code


async def test_a_process_that_is_sent_on_to_itself_does_not_go_round_in_circles(
    each_url: str, lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    """Two processes with one address, as a wrong PORTHOLE_HOST_ADDRESS gives them. The client hears "try again"."""
    client = sign_in(lab, at=each_url)
    session = await client.open()
    portal.office.call(world.claim_elsewhere, session["uid"], each_url)
    before = portal.office.call(world.used_tickets)
    assert await _refused(await client.dial(session["uid"])) == 1011
    assert portal.office.call(world.used_tickets) == before + 1, "the relay's own ticket let nobody in"
    portal.office.call(world.finish, session["uid"])


async def test_a_process_that_does_not_answer_the_relay_is_a_reason_to_come_back(
    each_url: str, lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab, at=each_url)
    session = await client.open()
    portal.office.call(world.claim_elsewhere, session["uid"], "http://127.0.0.1:1")
    assert await _refused(await client.dial(session["uid"])) == 1011
    portal.office.call(world.finish, session["uid"])


async def test_a_session_between_two_processes_is_a_reason_to_come_back(
    each_url: str, lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab, at=each_url)
    session = await client.open()
    portal.office.call(world.claim_elsewhere, session["uid"], each_url, stopped=True)
    assert await _refused(await client.dial(session["uid"])) == 1012
    portal.office.call(world.reap)
    assert (await client.session(session["uid"]))["end_reason"] == "host_lost"


async def test_a_claim_that_came_through_after_it_was_given_up_is_ended_by_its_own_process(
    make_lab: MakeLab, sign_in: SignIn, portal: Portal, url: str
) -> None:
    """The database took longer than the process waited: the row is the process's, and nobody runs the session."""
    lab = make_lab(session_limit=1)
    client = sign_in(lab)
    lost = (await client.open())["uid"]
    portal.office.call(world.claim_for, lost, url)
    over = await client.ended(lost)
    assert (over["state"], over["end_reason"]) == ("failed", "host_lost")
    assert portal.office.call(world.events_of, lost) == ["session.requested", "session.failed"]
    uid, terminal = await client.shell("cat")  # in the one place that there is
    assert processes_of(uid)
    await terminal.close()


async def test_what_a_row_says_of_its_controller_is_mended_when_a_note_was_lost_with_the_database(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    held, _ = await client.shell("cat")
    left, gone = await client.shell("cat")
    await gone.drop()
    await eventually(_in_state, client, left, "detached")
    now = timezone.now()
    lie = {"state": "detached", "detached_at": now, "detach_expires_at": now + timedelta(hours=1)}
    portal.office.call(world.change_row, held, **lie)
    truth = {"state": "active", "detached_at": None, "detach_expires_at": None}
    portal.office.call(world.change_row, left, **truth)
    await eventually(_in_state, client, held, "active")
    await eventually(_in_state, client, left, "detached")
    assert portal.office.call(world.row, held)["detach_expires_at"] is None, "its end is off"
    row = portal.office.call(world.row, left)
    assert row["detach_expires_at"] - row["detached_at"] == timedelta(seconds=row["reconnect_grace"])
    assert row["detach_cause"] == "lost"


async def _in_state(client: Client, uid: str, state: str) -> bool:
    return bool((await client.session(uid))["state"] == state)
