"""Leaving a session in each way there is: with keys, with a frame, by closing the window; and what comes of it."""

import asyncio

import pytest

from sessions_app.words import State
from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal, processes_of
from tests.sessions_app.terminal import Client, eventually
from tests.sessions_app.world import Lab

CAT = ("sh", "-c", "stty raw -echo; printf ready; exec cat -v")


async def _detached(client: Client, uid: str) -> bool:
    return bool((await client.session(uid))["state"] == "detached")


async def test_ctrl_a_d_detaches_for_the_default_time_and_types_nothing(
    each_url: str, make_lab: MakeLab, sign_in: SignIn, portal: Portal
) -> None:
    lab = make_lab(record_input=True)
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    for key in (b"x", b"\x01", b"\x01", b"\x01", b"y", b"\x01", b"d"):
        await terminal.type(key)
    assert (await terminal.frame("detached"))["ttl"] == 3600
    assert await terminal.closed() == 1000
    await eventually(_detached, client, uid)
    again = await client.attach(uid, offset=0)
    await again.type("z")
    await again.until(b"ready" + b"x^A^Ayz")
    await client.post(f"sessions/{uid}/terminate/")
    assert (await client.ended(uid))["bytes_in"] == len(b"x\x01\x01yz")
    timeline = portal.data_dir / "journals" / portal.office.call(world.recording_of, uid)["path"] / "timeline"
    typed = [line for line in timeline.read_text().splitlines() if '"i"' in line]
    assert "".join(typed).count(r"\u0001") == 2, "what is recorded as typed is what the program got"


async def test_a_paste_that_holds_the_keys_is_typed(lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab).shell(*CAT)
    await terminal.until(b"ready")
    await terminal.type(b"\x1b[200~\x01d\x1b[201~")
    await terminal.type(b"a\x01db")
    await terminal.until(b"^[[200~^Ad^[[201~a^Adb")


@pytest.mark.parametrize("by", ["user", "client"])
async def test_whoever_wants_ctrl_a_for_programs_switches_the_keys_off(
    by: str, lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    session = await client.open(command=list(CAT))
    if by == "user":
        portal.office.call(world.prefer, lab, detach_keys=False)
    hello = {"detach_keys": False} if by == "client" else {}
    terminal = await client.attach(session["uid"], ticket=session["ticket"], **hello)
    await terminal.until(b"ready")
    await terminal.type(b"\x01")
    await terminal.until(b"^A")
    await terminal.type(b"d")
    await terminal.until(b"^Ad")


async def test_a_time_is_written_the_same_in_a_frame_and_in_a_request(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell(*CAT)
    await terminal.send(type="detach", ttl="30m")
    assert (await terminal.frame("detached"))["ttl"] == 1800
    await eventually(_detached, client, uid)
    answer = await client.post(f"sessions/{uid}/detach/", ttl="2h")
    assert answer.status_code == 200
    (stream,) = (await client.get("streams/")).json()
    assert 7100 < stream["params"]["ttl"] <= 7200
    for ttl in ("soon", -1, "25h", 0):
        answer = await client.post(f"sessions/{uid}/detach/", ttl=ttl)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["ttl"])


async def test_a_session_stays_without_end_where_the_service_allows_it(
    make_lab: MakeLab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(make_lab(detach_without_end=True, detach_ttl_max=60))
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    await terminal.send(type="detach", ttl=0)
    assert (await terminal.frame("detached"))["ttl"] is None
    await eventually(_detached, client, uid)
    assert (await client.session(uid))["detach_expires_at"] is None
    (stream,) = (await client.get("streams/")).json()
    assert (stream["status"], stream["params"]) == ("DETACHED", {"ttl": None})
    again = await client.attach(uid, offset=0)
    answer = await client.post(f"sessions/{uid}/detach/", ttl="0")
    assert (answer.status_code, answer.json()["state"]) == (200, State.DETACHED)
    assert (await again.frame("detached"))["ttl"] is None


async def test_a_closed_window_detaches_its_session(lab: Lab, sign_in: SignIn, portal: Portal) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    await terminal.send(type="leave")
    await terminal.drop()
    await eventually(_detached, client, uid)
    row = portal.office.call(world.row, uid)
    assert row["detach_cause"] == "asked"
    assert (row["detach_expires_at"] - row["detached_at"]).total_seconds() == 3600


async def test_a_shell_in_which_nobody_typed_keeps_no_place_once_its_window_is_closed(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    causes = {}
    for typed in (b"", b"x"):
        uid, terminal = await client.shell()
        if typed:
            await terminal.type(typed)
            await terminal.until(typed)
        await terminal.send(type="leave")
        await terminal.drop()
        await eventually(_detached, client, uid)
        causes[typed] = portal.office.call(world.row, uid)["detach_cause"]
    assert causes == {b"": "closed", b"x": "asked"}


async def test_a_closed_window_ends_its_session_for_whoever_wants_that(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    portal.office.call(world.prefer, lab, auto_close=True)
    client = sign_in(lab)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    await terminal.send(type="leave")
    await terminal.drop()
    await eventually(_detached, client, uid)
    portal.office.call(world.let_time_pass, uid)
    portal.office.call(world.reap)
    session = await client.ended(uid)
    assert (session["end_reason"], session["cleanup"]["processes"] != []) == ("closed_by_user", True)


async def test_a_window_that_is_back_at_once_keeps_its_session(lab: Lab, sign_in: SignIn, portal: Portal) -> None:
    portal.office.call(world.prefer, lab, auto_close=True)
    client = sign_in(lab)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    await terminal.send(type="leave")
    await terminal.drop()
    await eventually(_detached, client, uid)
    again = await client.attach(uid, offset=5)
    portal.office.call(world.ask_for_the_end_of_a_closed_window, uid)
    await again.type("still here")
    await again.until(b"still here")

    async def called_off() -> bool:
        return portal.office.call(world.row, uid)["end_requested"] == ""

    await eventually(called_off)
    assert (await client.session(uid))["state"] == "active"


async def test_a_watcher_leaves_without_a_trace(make_lab: MakeLab, sign_in: SignIn, portal: Portal) -> None:
    lab = make_lab("developer", "watcher")
    uid, terminal = await sign_in(lab).shell(*CAT)
    watcher = await sign_in(lab, "watcher").attach(uid, mode="watch")
    await watcher.send(type="leave")
    await watcher.closed()
    await terminal.type("mine")
    await terminal.until(b"mine")
    assert "session.detached" not in portal.office.call(world.events_of, uid)


async def test_of_two_windows_that_attach_at_once_one_has_the_session(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    await terminal.send(type="detach")
    await eventually(_detached, client, uid)
    windows = await asyncio.gather(*(client.attach(uid, offset=5) for _ in range(2)))
    closing = {asyncio.create_task(window.closed()): window for window in windows}
    done, rest = await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    assert [task.result() for task in done] == [4409]
    (still,) = rest
    still.cancel()
    await asyncio.wait({still})
    await closing[still].type("mine")
    await closing[still].until(b"mine")
    assert (await client.session(uid))["state"] == "active"


async def test_an_attach_at_the_very_end_of_the_time_is_in_or_hears_of_the_end(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    uids = []
    for _ in range(4):
        uid, terminal = await client.shell(*CAT)
        await terminal.send(type="detach", ttl=60)
        await terminal.closed()
        await eventually(_detached, client, uid)
        uids.append(uid)
    for uid in uids:
        portal.office.call(world.let_time_pass, uid)
    windows = [await client.dial(uid) for uid in uids]
    reaping = asyncio.create_task(asyncio.to_thread(portal.office.call, world.reap))
    for window in windows:
        await window.send(type="hello", cols=80, rows=24)
    await reaping
    for uid, window in zip(uids, windows, strict=True):
        await window.type("typed")
        while b"typed" not in window.output and window.code is None:
            await window.step()
        state = (await client.session(uid))["state"]
        assert state in (["ending", "stopped"] if window.code else ["active", "ending", "stopped"])
        await client.post(f"sessions/{uid}/terminate/")
        await client.ended(uid)
        assert not processes_of(uid)
    assert portal.office.call(world.slots, lab) == 0
