"""`porthole.v1` over a real socket, under each server: hello, bytes, sizes, and frames that are none."""

import asyncio
import time
from contextlib import suppress

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.sessions_app import world
from tests.sessions_app.backends.relays import black_hole
from tests.sessions_app.bench import MULTIBYTE
from tests.sessions_app.conftest import SignIn
from tests.sessions_app.portal_process import Portal
from tests.sessions_app.terminal import Terminal, eventually
from tests.sessions_app.world import Lab

CAT = ("sh", "-c", "stty raw -echo; printf ready; exec cat")
MIB = 1024 * 1024


async def test_a_shell_answers(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    uid, terminal = await sign_in(lab, at=each_url).shell()
    await terminal.type("echo $PORTHOLE_SESSION_ID $TERM $COLORTERM $((6*7))\n")
    await terminal.until(f"{uid} xterm-256color truecolor 42\r\n".encode())
    await terminal.close()


async def test_the_shell_has_the_windows_size_from_its_first_byte_on(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    session = await client.open(command=["stty", "size"])
    terminal = await client.attach(session["uid"], ticket=session["ticket"], cols=132, rows=43)
    await terminal.until(b"43 132\r\n")


async def test_attached_says_where_the_output_begins(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    session = await client.open(command=list(CAT))
    terminal = await client.dial(session["uid"], ticket=session["ticket"])
    await terminal.send(type="hello", cols=100, rows=30, offset=None, mode="control")
    await terminal.frame("state", state="provisioning")
    attached = await terminal.frame("attached")
    assert {name: attached[name] for name in ("session", "state", "offset", "cols", "rows", "missed")} == {
        "session": session["uid"],
        "state": "active",
        "offset": 0,
        "cols": 100,
        "rows": 30,
        "missed": 0,
    }


async def test_every_byte_goes_in_and_out(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab, at=each_url).shell(*CAT)
    await terminal.until(b"ready")
    sent = bytes(range(256))
    await terminal.type(sent)
    for cut in range(1, len(MULTIBYTE)):
        await terminal.type(MULTIBYTE[:cut])
        await terminal.type(MULTIBYTE[cut:])
        sent += MULTIBYTE
    await terminal.type(b"THE END")
    assert await terminal.until(b"THE END") == b"ready" + sent + b"THE END"


async def test_a_megabyte_in_one_frame_arrives_whole(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab, at=each_url).shell(*CAT)
    await terminal.until(b"ready")
    paste = bytes(range(97, 123)) * (MIB // 26 - 1)
    await terminal.type(paste + b"THE END")
    output = await terminal.until(b"THE END")
    assert output == b"ready" + paste + b"THE END"
    assert (await terminal.frame("input_ack"))["bytes"] > 0


async def test_resize_reaches_the_program(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab, at=each_url).shell(
        "sh",
        "-c",
        'printf ready; while sleep 0.05; do new=$(stty size); [ "$new" = "$old" ] || echo $new; old=$new; done',
    )
    await terminal.until(b"ready")
    await terminal.send(type="resize", cols=77, rows=33)
    await terminal.until(b"33 77")
    await terminal.send(type="resize", cols=0, rows=-5)
    await terminal.until(b"1 1\r\n")
    await terminal.send(type="resize", cols=10**9, rows=10**9)
    await terminal.until(b"500 1000")


async def test_ten_thousand_resizes_in_a_second_cost_nothing(url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    _, terminal = await client.shell(*CAT)
    _, other = await client.shell(*CAT)
    await terminal.until(b"ready")
    await other.until(b"ready")
    for number in range(10_000):
        await terminal.send(type="resize", cols=80 + number % 50, rows=24)
    assert await echo_times(other, 20) < 0.5
    await terminal.type("still here")
    await terminal.until(b"still here")


async def echo_times(terminal: Terminal, count: int) -> float:
    """The middle one of the times that so many keys took to come back."""
    times = []
    for _ in range(count):
        seen, began = len(terminal.output), time.perf_counter()
        await terminal.type("k")
        while len(terminal.output) == seen:
            await terminal.step()
        times.append(time.perf_counter() - began)
    return sorted(times)[count // 2]


async def test_a_ping_is_answered(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab, at=each_url).shell(*CAT)
    await terminal.send(type="ping")
    await terminal.frame("pong")


async def test_the_end_is_told_with_its_exit_code_before_the_close(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell("sh", "-c", "echo bye; exit 3")
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["exit_code"]) == ("exited", 3)
    assert await terminal.closed() == 1000
    assert bytes(terminal.output) == b"bye\r\n"
    session = await client.ended(uid)
    assert (session["state"], session["end_reason"], session["exit_code"]) == ("stopped", "exited", 3)
    assert session["bytes_out"] == 5


BAD_FRAMES = {
    "no JSON": "hello",
    "not an object": "[]",
    "deep JSON": "[" * 2000,
    "an unknown type": '{"type":"exec","command":"id"}',
    "a frame of the server": '{"type":"attached"}',
    "a wrong type": '{"type":"resize","cols":"80","rows":24}',
    "NaN": '{"type":"resize","cols":NaN,"rows":24}',
    "an ack of what was not sent": '{"type":"ack","offset":9007199254740992}',
    "a second hello": '{"type":"hello","cols":80,"rows":24}',
}


@pytest.mark.parametrize("text", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
async def test_a_bad_frame_closes_its_own_socket_and_no_other(
    each_url: str, lab: Lab, sign_in: SignIn, text: str
) -> None:
    client = sign_in(lab, at=each_url)
    _, bystander = await client.shell(*CAT)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    await terminal.connection.send(text)
    error = await terminal.frame("error")
    assert error["code"] == 4400
    assert await terminal.closed() == 4400
    await bystander.type("still here")
    await bystander.until(b"still here")
    again = await client.attach(uid)
    await again.type("so am I")
    await again.until(b"so am I")


async def test_a_frame_above_the_limit_is_closed_with_its_code(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    await terminal.type(b"x" * (MIB + 1))
    assert await terminal.closed() == 4413
    again = await client.attach(uid, offset=0)
    await again.type("nothing of it arrived")
    assert await again.until(b"arrived") == b"readynothing of it arrived"


async def test_a_huge_text_frame_is_closed_with_its_code(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab, at=each_url).shell(*CAT)
    await terminal.connection.send(" " * 100_000)
    assert await terminal.closed() == 4413


async def test_a_message_above_what_the_server_takes_is_cut_off(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab, at=each_url).shell(*CAT)
    with suppress(ConnectionClosed):
        await terminal.type(b"x" * (5 * MIB))
    assert await terminal.closed() in (1009, 1006)


async def test_invalid_utf8_in_a_text_frame_is_closed_and_the_session_lives(
    each_url: str, lab: Lab, sign_in: SignIn
) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell(*CAT)
    await send_raw_text(terminal.connection, b'{"type":"ping\xff\xfe"}')
    assert await terminal.closed() in (1007, 1006)
    again = await client.attach(uid)
    await again.type("alive")
    await again.until(b"alive")


async def send_raw_text(connection: ClientConnection, payload: bytes) -> None:
    """A text frame whose bytes are no text."""
    connection.protocol.send_text(payload)
    for data in connection.protocol.data_to_send():
        connection.transport.write(data)


@pytest.mark.parametrize("first", ['{"type":"ping"}', '{"type":"resize","cols":80,"rows":24}', "", b"typed blindly"])
async def test_hello_comes_first_or_nothing_starts(
    each_url: str, lab: Lab, sign_in: SignIn, portal: Portal, first: str | bytes
) -> None:
    session = await sign_in(lab, at=each_url).open()
    terminal = await sign_in(lab, at=each_url).dial(session["uid"], ticket=session["ticket"])
    await terminal.connection.send(first)
    assert await terminal.closed() == 4400
    assert portal.office.call(world.row, session["uid"])["state"] == "requested"


async def test_an_offset_that_does_not_exist_is_refused(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    uid, terminal = await client.shell(*CAT)
    await terminal.until(b"ready")
    again = await client.dial(uid)
    await again.send(type="hello", cols=80, rows=24, offset=1000)
    assert await again.closed() == 4400


async def test_a_flood_that_nobody_reads_costs_bounded_memory_and_slows_nobody(
    each_url: str, lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab, at=each_url)
    process = next(process for process in portal.web.values() if process.url == each_url)
    _, other = await client.shell(*CAT)
    await other.until(b"ready")
    before = process.memory()
    uid, flood = await client.shell("yes")
    flood.acks = False
    while len(flood.output) < MIB:
        await flood.step()
    quick = await echo_times(other, 50)
    assert quick < 0.2
    assert len(flood.output) == MIB, "not one byte more than the window"
    assert process.memory() - before < 24 * MIB
    await client.post(f"sessions/{uid}/terminate/")
    await flood.send(type="ack", offset=len(flood.output))
    assert (await flood.frame("ended"))["reason"] == "closed_by_user"


async def test_typing_faster_than_the_container_takes_it_is_cut_off(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    _, terminal = await sign_in(lab, at=each_url).shell("sh", "-c", "stty raw -echo; printf ready; exec sleep 100")
    await terminal.until(b"ready")

    async def flood() -> None:
        for _ in range(400):
            await terminal.connection.send(b"x" * 65536)

    typing = asyncio.create_task(flood())
    assert await terminal.closed() == 4429
    typing.cancel()
    await asyncio.gather(typing, return_exceptions=True)


async def test_what_is_typed_before_the_session_has_begun_is_kept_up_to_a_bound(
    each_url: str, lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab, at=each_url)
    session = await client.open(command=list(CAT))
    terminal = await client.dial(session["uid"], ticket=session["ticket"])
    await terminal.send(type="hello", cols=80, rows=24)
    await terminal.type("typed ahead")
    await terminal.until(b"typed ahead")
    async with black_hole() as silent:  # here it never begins
        service = portal.office.call(world.add_unreachable_service, lab, f"tcp://{silent}")
        portal.office.call(world.allow_everything, lab)
        uid = portal.office.call(world.open_row, lab, service=service)
        waiting = await client.dial(uid)
        await waiting.send(type="hello", cols=80, rows=24)
        await waiting.frame("state", state="provisioning")
        for _ in range(17):
            await waiting.type(b"x" * 65536)
        error = await waiting.frame("error")
        assert (error["code"], await waiting.closed()) == (4429, 4429)
        assert "before it has begun" in error["detail"]


async def test_hostile_words_reach_the_program_as_they_are(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    words = ["; id", "$(id)", "`id`", "a\nb", "'", '"', "--flag", "-", "", " ", "*", "\\", "ä€", "|", "&&", "\x1b[2J"]
    script = 'for word in "$@"; do printf "<%s>" "$word"; done'
    _, terminal = await sign_in(lab, at=each_url).shell("sh", "-c", "stty raw; " + script, "sh", *words)
    expected = "".join(f"<{word}>" for word in words).encode()
    await terminal.frame("ended")
    assert bytes(terminal.output) == expected


async def test_a_program_that_is_not_there_is_told_in_a_sentence(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    session = await client.open(command=["no-such-program"])
    terminal = await client.dial(session["uid"], ticket=session["ticket"])
    await terminal.send(type="hello", cols=80, rows=24)
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["code"]) == ("provider_error", "no_shell")
    assert "no-such-program" in ended["detail"]
    over = await client.ended(session["uid"])
    assert over["state"] == "failed"


async def test_a_session_owned_by_another_web_process_is_reached_through_either(
    portal: Portal, lab: Lab, sign_in: SignIn
) -> None:
    first, second = (sign_in(lab, at=process.url) for process in portal.web.values())
    uid, terminal = await first.shell(*CAT)
    await terminal.until(b"ready")
    through = await second.attach(uid, offset=0)
    assert await terminal.closed() == 4409
    await through.type("from the other side")
    assert await through.until(b"side") == b"readyfrom the other side"
    await through.type(b"x" * (MIB + 1))
    assert await through.closed() == 4413


async def test_two_first_attaches_at_once_start_one_shell(portal: Portal, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    session = await client.open(command=list(CAT))
    tickets = [await client.ticket(session["uid"]) for _ in range(4)]
    windows = [await client.dial(session["uid"], ticket=ticket) for ticket in tickets]
    for window in windows:
        await window.send(type="hello", cols=80, rows=24)

    async def active() -> bool:
        return bool((await client.session(session["uid"]))["state"] == "active")

    await eventually(active)
    events = portal.office.call(world.events_of, session["uid"])
    assert events.count("session.opened") == 1
