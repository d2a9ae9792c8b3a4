"""Several windows, lost and regained ones, watchers, and a session that is left to itself."""

import pytest

from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal
from tests.sessions_app.terminal import eventually
from tests.sessions_app.world import Lab

CAT = ("sh", "-c", "stty raw -echo; printf ready; exec cat")
CLOCK = ("sh", "-c", "stty raw -echo; n=0; while :; do n=$((n+1)); printf '%s,' $n; sleep 0.01; done")


def counted(text: bytes) -> list[int]:
    """The whole numbers of CLOCK's output."""
    return [int(word) for word in text.split(b",")[:-1]]


async def test_a_window_that_was_lost_comes_back_to_its_offset_and_misses_nothing(
    each_url: str, lab: Lab, sign_in: SignIn
) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell(*CLOCK)
    whole = b""
    for upto in (b"20,", b"60,", b"100,"):
        await terminal.until(upto)
        whole += bytes(terminal.output)
        await terminal.drop()
        terminal = await client.attach(uid, offset=len(whole))
        assert terminal.start == len(whole)
    await terminal.until(b"150,")
    assert counted(whole + bytes(terminal.output)) == list(range(1, len(counted(whole + bytes(terminal.output))) + 1))


async def test_a_reload_gets_the_newest_output_and_is_told_where_it_ends(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell("sh", "-c", "stty raw -echo; seq 1 200000; printf end; exec cat")
    await terminal.until(b"end")
    total = len(terminal.output)
    await terminal.close()
    again = await client.dial(uid)
    await again.send(type="hello", cols=80, rows=24, offset=None)
    attached = await again.frame("attached")
    assert attached["head"] == total
    assert attached["offset"] == total - 256 * 1024
    await again.until(b"end")
    assert bytes(again.output) == bytes(terminal.output)[attached["offset"] :]


async def test_old_output_is_there_from_the_first_byte_on(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell("sh", "-c", "stty raw -echo; seq 1 800000; printf end; exec cat")
    await terminal.until(b"end")
    assert len(terminal.output) > 5_000_000, "more than memory holds"
    again = await client.attach(uid, offset=0)
    await again.until(b"end")
    assert again.output == terminal.output


async def test_a_second_window_of_the_same_user_takes_over(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    uid, first = await client.shell(*CAT)
    await first.until(b"ready")
    second = await client.attach(uid, offset=5)
    assert (await first.frame("error"))["code"] == 4409
    assert await first.closed() == 4409
    await second.type("mine")
    await second.until(b"mine")
    assert (await client.session(uid))["state"] == "active"


async def test_a_watcher_sees_everything_and_types_nothing(
    each_url: str, make_lab: MakeLab, sign_in: SignIn, portal: Portal
) -> None:
    lab = make_lab("developer", "watcher")
    uid, terminal = await sign_in(lab, at=each_url).shell(*CAT)
    await terminal.until(b"ready")
    watcher = await sign_in(lab, "watcher", at=each_url).attach(uid, mode="watch", offset=0)
    await watcher.until(b"ready")
    await watcher.type("typed by the watcher")
    await watcher.send(type="resize", cols=10, rows=10)
    await watcher.send(type="stay")
    await watcher.send(type="ping")
    await watcher.frame("pong")
    await terminal.type("typed by its user")
    await watcher.until(b"user")
    assert bytes(watcher.output) == b"readytyped by its user"
    session = await sign_in(lab, at=each_url).session(uid)
    assert (session["cols"], session["rows"]) == (80, 24)

    async def on_record() -> bool:
        return "session.watched" in portal.office.call(world.events_of, uid)

    await eventually(on_record)


async def test_a_watcher_may_not_detach_and_not_become_the_controller(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("developer", "watcher")
    uid, terminal = await sign_in(lab).shell(*CAT)
    watcher = await sign_in(lab, "watcher").attach(uid, mode="watch")
    await watcher.send(type="detach", ttl=10)
    assert await watcher.closed() == 4400
    usurper = await sign_in(lab, "watcher").dial(uid)
    await usurper.send(type="hello", cols=80, rows=24, mode="control")
    assert await usurper.closed() == 4403
    await terminal.type("still mine")
    await terminal.until(b"mine")


async def test_a_watcher_cannot_start_a_session_that_has_not_begun(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("developer", "watcher")
    session = await sign_in(lab).open()
    watcher = await sign_in(lab, "watcher").dial(session["uid"])
    await watcher.send(type="hello", cols=80, rows=24, mode="watch")
    assert await watcher.closed() == 4404


async def test_watchers_hear_of_the_end(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("developer", "watcher")
    uid, terminal = await sign_in(lab).shell("cat")
    watcher = await sign_in(lab, "watcher").attach(uid, mode="watch")
    await terminal.type(b"\x04")
    assert (await watcher.frame("ended"))["reason"] == "exited"
    assert await watcher.closed() == 1000


async def test_a_watcher_loses_sight_with_the_permission(make_lab: MakeLab, sign_in: SignIn, portal: Portal) -> None:
    lab = make_lab("developer", "watcher")
    uid, terminal = await sign_in(lab).shell(*CAT)
    watcher = await sign_in(lab, "watcher").attach(uid, mode="watch")
    portal.office.call(world.revoke_grant, lab, "watcher")
    assert await watcher.closed() == 4403
    await terminal.type("goes on")
    await terminal.until(b"goes on")


async def test_a_detach_with_a_time_lets_the_session_run_on(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell(*CLOCK)
    await terminal.until(b"5,")
    await terminal.send(type="detach", ttl=3600)
    assert (await terminal.frame("detached"))["ttl"] == 3600
    assert await terminal.closed() == 1000
    session = await eventually(_in_state, client, uid, "detached")
    assert session["detach_expires_at"] is not None
    again = await client.attach(uid, offset=0)
    await again.until(b"50,")
    assert counted(bytes(again.output)) == list(range(1, len(counted(bytes(again.output))) + 1))
    session = await eventually(_in_state, client, uid, "active")
    assert session["detach_expires_at"] is None


async def _in_state(client: object, uid: str, state: str) -> dict[str, object] | None:
    session: dict[str, object] = await client.session(uid)  # type: ignore[attr-defined]
    return session if session["state"] == state else None


async def test_a_detach_without_a_time_gets_the_default(lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab).shell(*CAT)
    await terminal.send(type="detach", ttl=None)
    assert (await terminal.frame("detached"))["ttl"] == 3600


async def test_a_detach_for_longer_than_allowed_is_refused_with_the_maximum_and_the_window_stays(
    make_lab: MakeLab, sign_in: SignIn
) -> None:
    client = sign_in(make_lab(detach_ttl_max=600))
    uid, terminal = await client.shell(*CAT)
    for ttl in (601, 0):
        await terminal.send(type="detach", ttl=ttl)
        notice = await terminal.frame("notice", code="detach_refused")
        assert "600" in notice["detail"]
    answer = await client.post(f"sessions/{uid}/detach/", ttl=601)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert "600" in answer.json()["fields"]["ttl"][0]
    await terminal.type("still here")
    await terminal.until(b"still here")


async def test_a_detach_by_the_api_lets_the_window_go(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    answer = await client.post(f"sessions/{uid}/detach/", ttl=120)
    assert (answer.status_code, answer.json()["state"]) == (200, "detached")
    assert (await terminal.frame("detached"))["ttl"] == 120
    assert await terminal.closed() == 1000
    assert (await client.session(uid))["state"] == "detached"
    again = await client.attach(uid, offset=0)
    await again.type("back")
    await again.until(b"readyback")


async def test_a_lost_window_is_a_detach_with_the_grace(lab: Lab, sign_in: SignIn, portal: Portal) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell(*CAT)
    await terminal.drop()
    await eventually(_in_state, client, uid, "detached")
    row = portal.office.call(world.row, uid)
    assert row["detach_cause"] == "lost"
    assert (row["detach_expires_at"] - row["detached_at"]).total_seconds() == row["reconnect_grace"] == 60


async def test_a_size_set_by_the_api_reaches_the_program(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell(
        "bash", "-c", "trap 'stty size' WINCH; printf ready; while :; do sleep 0.05; done"
    )
    await terminal.until(b"ready")
    answer = await client.post(f"sessions/{uid}/resize/", cols=99, rows=44)
    assert (answer.status_code, answer.json()["cols"], answer.json()["rows"]) == (200, 99, 44)
    await terminal.until(b"44 99")


async def test_a_window_that_comes_after_the_end_gets_what_it_missed_and_why(
    each_url: str, lab: Lab, sign_in: SignIn
) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell("sh", "-c", "stty raw -echo; printf before; read x; printf after; exit 7")
    await terminal.until(b"before")
    await terminal.type("\n")
    await terminal.drop()
    assert (await client.ended(uid))["exit_code"] == 7
    late = await client.attach(uid, offset=len("before"))
    ended = await late.frame("ended")
    assert (ended["reason"], ended["exit_code"]) == ("exited", 7)
    assert bytes(late.output) == b"after"
    assert await late.closed() == 1000


async def test_a_window_without_an_offset_after_the_end_hears_only_why(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell("true")
    await terminal.closed()
    await client.ended(uid)
    late = await client.dial(uid)
    await late.send(type="hello", cols=80, rows=24, offset=None)
    assert (await late.frame("ended"))["reason"] == "exited"
    assert not late.output


async def test_an_idle_session_is_warned_in_time_and_staying_calls_it_off(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    session = await client.open(command=list(CAT))
    portal.office.call(world.change_row, session["uid"], idle_timeout=6)
    terminal = await client.attach(session["uid"], ticket=session["ticket"])
    warning = await terminal.frame("notice", code="idle_warning")
    assert 0 < warning["seconds"] <= 3
    await terminal.send(type="stay")
    again = await terminal.frame("notice", code="idle_warning")
    assert 0 < again["seconds"] <= 3, "the clock began anew, and the next warning came in its time"
    assert (await client.session(session["uid"]))["bytes_in"] == 0


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_the_recording_holds_exactly_what_the_window_saw(
    portal: Portal, lab: Lab, sign_in: SignIn, server: str
) -> None:
    client = sign_in(lab, at=portal.web[server].url)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    await terminal.type(bytes(range(256)) * 100)
    while len(terminal.output) < 5 + 25600:
        await terminal.step()
    await client.post(f"sessions/{uid}/terminate/")
    await terminal.closed()
    await client.ended(uid)
    recording = portal.office.call(world.recording_of, uid)
    journal = portal.data_dir / "journals" / recording["path"] / "output"
    assert journal.read_bytes() == bytes(terminal.output)
    assert (recording["health"], recording["output_bytes"]) == ("complete", len(terminal.output))
