"""The web process dies or is asked to stop while people work: nothing is left, nothing that was seen is lost."""

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.client import Api, Json, Terminal
from tests.integration.conftest import Install, SignIn, add_service_to
from tests.integration.installation import Installation
from tests.integration.places import DockerEngine, Place, marked

pytestmark = pytest.mark.docker

INVARIANT = 60.0
"""Seconds after a fault until all is in order again."""

STOPPED_WITHIN = 30.0

COUNTER = "i=0; while :; do i=$((i+1)); echo line-$i; sleep 0.1; done\r"


@pytest.fixture
def places(docker_engine: DockerEngine) -> list[Place]:
    return [docker_engine.start() for _ in range(2)]


async def _open(
    installation: Installation, api: Api, places: Sequence[Place], count: int
) -> tuple[list[Terminal], dict[str, int]]:
    """That many sessions on the local provider and in the containers each, all of which print, and their services."""
    services = {kind: await add_service_to(installation, kind, session_limit=count) for kind in ("local", "docker")}
    terminals = []
    for number in range(count):
        terminals.append(await Terminal.opened(api, services["local"]))
        terminals.append(await Terminal.opened(api, services["docker"], **places[number % len(places)].target))
    for terminal in terminals:
        await terminal.run("nohup sleep 4321 >/dev/null 2>&1 & sleep 4321 & :", within=60)
        await terminal.type(COUNTER)
    for terminal in terminals:
        await terminal.shown("line-3", within=60)
    return terminals, services


def _end_the_protected(places: Sequence[Place]) -> None:
    """What nohup protects is left on purpose; it goes now, so that everything else can be seen."""
    for place in places:
        assert {process.name for process in place.running} <= {"sleep"}
        place.execute("for p in /proc/[0-9]*; do read -r n <$p/comm; [ $n = sleep ] && kill -9 ${p#/proc/}; done")


async def _assert_in_order(api: Api, terminal: Terminal) -> None:
    """The row, the recording and what a window hears that comes back."""
    session = await api.ended(terminal.uid, within=INVARIANT)
    assert (session["state"], session["end_reason"]) == ("stopped", "host_lost")
    assert session["end_detail"]
    recording = await api.recording(terminal.uid, within=INVARIANT)
    assert recording["health"] == "complete"
    recorded = await api.recorded(terminal.uid)
    assert recorded.startswith(bytes(terminal.received))
    assert len(terminal.received) > 100
    left = [process for process in session["cleanup"]["processes"] if process["outcome"] == "left"]
    assert [process["command"] for process in left] == ["sleep 4321"], session["cleanup"]
    ended = await _come_back(terminal)
    assert (ended["reason"], terminal.close_code) == ("host_lost", 1000)
    assert bytes(terminal.received) == recorded


async def _come_back(terminal: Terminal) -> Json:
    """Reconnect as a page does: it gets what it missed, and the reason."""
    seen = len(terminal.frames)
    await terminal.connect()
    ended = await terminal.frame("ended", since=seen)
    await terminal.closed()
    return ended


async def _assert_places_free(api: Api, services: dict[str, int], places: Sequence[Place], count: int) -> None:
    for kind, service in services.items():
        for number in range(count):
            target = places[number % len(places)].target if kind == "docker" else {}
            again = await Terminal.opened(api, service, **target)
            await again.type("exit\r")
            await again.closed()


@pytest.mark.timeout(300)
async def test_after_kill_9_with_50_sessions_a_restart_puts_all_in_order(
    install: Install, sign_in: SignIn, places: list[Place]
) -> None:
    installation = install()
    web = installation.start_web()
    api = await sign_in(installation, web)
    terminals, services = await _open(installation, api, places, 25)
    detached = terminals[::7]  # of both kinds
    for terminal in detached:
        await terminal.send(type="detach", ttl="1h")
        assert await terminal.closed() == 1000
    web.kill()
    for terminal in terminals:
        assert await terminal.closed() == (1000 if terminal in detached else 1006)

    installation.start_web(port=int(web.url.rpartition(":")[2]))
    async with asyncio.timeout(INVARIANT):
        for terminal in terminals:
            await _assert_in_order(api, terminal)
    live = await api.get("sessions/", state="requested,provisioning,active,detached,ending")
    assert live["results"] == []
    _end_the_protected(places)
    for terminal in terminals:
        _assert_gone(terminal)
    for place in places:
        assert place.running == []
    await _assert_places_free(api, services, places, 3)


def _assert_gone(terminal: Terminal) -> None:
    """On the local provider the protected process is this machine's; it is the one that is left."""
    left = marked(terminal.uid)
    assert len(left) <= 1
    for pid in left:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_sigterm_while_people_type_ends_and_seals_every_session(
    server: str, install: Install, sign_in: SignIn, places: list[Place]
) -> None:
    installation = install()
    web = installation.start_web(server=server)
    api = await sign_in(installation, web)
    terminals, _ = await _open(installation, api, places, 3)
    typing = [asyncio.create_task(_type_on(terminal)) for terminal in terminals]
    took = await asyncio.to_thread(web.terminate)
    await asyncio.gather(*typing)

    assert took < STOPPED_WITHIN
    for terminal in terminals:
        code = await terminal.closed()
        ended = [frame for frame in terminal.frames if frame["type"] == "ended"]
        assert code == 1012 or (code == 1000 and ended and ended[0]["reason"] == "host_lost"), (code, ended)
    _end_the_protected(places)
    for place in places:
        assert place.running == []
    for terminal in terminals:
        _assert_gone(terminal)
    installation.start_web(port=int(web.url.rpartition(":")[2]))
    for terminal in terminals:
        await _assert_in_order(api, terminal)


async def _type_on(terminal: Terminal) -> None:
    """Keys, until the connection is gone."""
    try:
        while terminal.close_code is None:
            await terminal.type("x")
            await asyncio.sleep(0.02)
    except ConnectionClosed:
        return
