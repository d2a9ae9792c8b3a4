"""A window that does not know the session gets its screen, in its own size, and the program paints it once more."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sessions_app.attaching import REPLAY, find_start
from sessions_app.engine.session import LiveSession
from sessions_app.hosted import HostedSession
from sessions_app.protocol import Hello
from sessions_app.screens import Screens
from tests.sessions_app.bench import RAW_CAT, bench, until
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal
from tests.sessions_app.screens import Step, difference
from tests.sessions_app.terminal import Client, Terminal
from tests.sessions_app.world import Lab

SIZE = (80, 24)

PAINTER = (
    "sh",
    "-c",
    r"""stty raw -echo; printf '\033[?1049h\033[?2004h\033[?1h\033[2;20r\033]2;painter\007'
    seq -f '%g long' 100000 | head -c 400000
    trap 'printf "\033[H\033[2Jpainted "; stty size' WINCH; printf ready; while :; do sleep 0.05; done""",
)
"""Switches its modes, prints more than any replay has, and then paints itself whenever its size changes."""


async def look(client: Client, uid: str, **hello: Any) -> Terminal:
    """A new window, once it has its screen."""
    terminal = await client.dial(uid)
    await terminal.send(type="hello", **({"cols": 80, "rows": 24, "offset": None, "screen": True} | hello))
    attached = await terminal.frame("attached")
    for _ in range(attached["screens"]):
        terminal.screen += (await terminal.frame("screen"))["data"]
    return terminal


async def test_a_new_window_equals_one_that_never_left(each_url: str, lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab, at=each_url)
    uid, first = await client.shell(*PAINTER)
    await first.until(b"ready")
    whole = bytes(first.output)
    await first.drop()
    second = await look(client, uid)
    assert second.start > len(whole) - 100 > REPLAY
    await second.until(b"painted 24 80")
    everything = whole + bytes(second.output)[len(whole) - second.start :]
    steps: list[Step] = [SIZE, second.screen, bytes(second.output)]
    assert difference([SIZE, everything], steps) is None
    # What it acknowledges is the output's offset, whatever the screen's size was.
    await second.send(type="ack", offset=second.start + len(second.output))
    await second.send(type="ping")
    await second.frame("pong")


async def test_a_window_of_another_size_gets_the_screen_in_it(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid, first = await client.shell("sh", "-c", "printf '%0200d end\\r\\n' 7; stty raw -echo; printf ready; exec cat")
    await first.until(b"ready")
    whole = bytes(first.output)
    await first.drop()
    second = await look(client, uid, cols=100, rows=30)
    await second.type("typed")
    await second.until(b"typed")
    steps: list[Step] = [(100, 30), second.screen, bytes(second.output)]
    assert difference([SIZE, whole, (100, 30), b"typed"], steps) is None


async def test_a_watcher_gets_the_screen_as_it_is_and_disturbs_nobody(
    each_url: str, make_lab: MakeLab, sign_in: SignIn
) -> None:
    lab = make_lab("developer", "watcher")
    uid, first = await sign_in(lab, at=each_url).shell(*PAINTER)
    await first.until(b"ready")
    watcher = await look(sign_in(lab, "watcher", at=each_url), uid, cols=20, rows=5, mode="watch")
    await first.send(type="resize", cols=80, rows=30)
    await watcher.until(b"painted 30 80")
    assert b"painted 24" not in watcher.output
    steps: list[Step] = [SIZE, watcher.screen, (80, 30), bytes(watcher.output)]
    await first.until(b"painted 30 80")
    assert difference([SIZE, bytes(first.output), (80, 30)], steps) is None


async def test_the_screen_comes_through_another_process(portal: Portal, lab: Lab, sign_in: SignIn) -> None:
    uid, first = await sign_in(lab, at=portal.web["daphne"].url).shell(*PAINTER)
    await first.until(b"ready")
    await first.drop()
    second = await look(sign_in(lab, at=portal.web["uvicorn"].url), uid)
    assert "\x1b]2;painter" in second.screen
    await second.until(b"painted 24 80")


async def test_who_does_not_ask_gets_no_screen(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid, first = await client.shell(*PAINTER)
    await first.until(b"ready")
    total = len(first.output)
    await first.drop()
    second = await client.dial(uid)
    await second.send(type="hello", cols=80, rows=24)
    attached = await second.frame("attached")
    assert "screens" not in attached
    assert attached["offset"] >= total - REPLAY
    await second.until(b"painted 24 80")
    assert not [frame for frame in second.frames if frame["type"] == "screen"]


async def test_without_a_screen_there_is_the_newest_output_and_a_word_about_it(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, RAW_CAT) as session:
        session.window().type(b"x" * 300_000)
        await until(lambda: session.live.log.end > 300_000)
        monkeypatch.setattr("sessions_app.screens.process.find_node", lambda: None)
        screens = Screens()
        start = await find_start(
            screens, hosted(session.folder), session.live, Hello(80, 24, None, "control", screen=True)
        )
        assert (start.offset, start.screen, start.redraw) == (session.live.log.end - REPLAY, (), True)
        assert "could not be restored" in start.notice


def hosted(folder: Any) -> HostedSession:
    """A session that somebody has seen before."""
    return cast(HostedSession, SimpleNamespace(folder=folder, attached_at=object()))


async def test_a_redraw_leaves_the_size_as_it_was(tmp_path: Any) -> None:
    async with bench(tmp_path, RAW_CAT) as session:
        live: LiveSession = session.live
        live.redraw()
        await until(lambda: session.stream.sizes == [(80, 23), (80, 24)])
        live.redraw()
        live.resize(90, 30)  # while it is on its way
        await until(lambda: session.stream.sizes[-1] == (90, 30))
        live.redraw()
        await until(lambda: session.stream.sizes[-2:] == [(90, 29), (90, 30)])
        await asyncio.sleep(0)
        assert (live.cols, live.rows) == (90, 30)
