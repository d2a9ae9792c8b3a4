"""What ends sessions by itself: real beats and a real worker, with short limits.

The beat ticks every 15 seconds, so all sessions of this file live at the same time, and each test looks at one of them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from tests.integration.client import Api, Json, Terminal
from tests.integration.conftest import add_service_to, embedded_in
from tests.integration.installation import Installation
from tests.integration.places import DockerEngine, Found, Place
from tests.integration.polling import until
from tests.integration.proxy import Proxy, proxy_to

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

IDLE, GRACE, ATTACH, LONGEST = 6, 2, 2, 20
LIMITS = {
    "PORTHOLE_IDLE_TIMEOUT": str(IDLE),
    "PORTHOLE_RECONNECT_GRACE": str(GRACE),
    "PORTHOLE_ATTACH_TIMEOUT": str(ATTACH),
    "PORTHOLE_MAX_DURATION": str(LONGEST),
}
DETACHED_FOR = 3
TICK = 15.0

UNLIMITED = {"idle_timeout": 3600, "max_duration": 3600}


@dataclass
class Stay:
    """One session that was left to the reaper."""

    uid: str
    place: Place
    terminal: Terminal | None = None
    began: float = field(default_factory=time.monotonic)
    took: float = 0.0
    """Seconds from its beginning until its row said that it is over."""
    session: Json = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    left: list[Found] = field(default_factory=list)

    def actions(self) -> list[str]:
        """What happened, in the words of the audit log."""
        return [event["action"] for event in self.events]


@dataclass
class World:
    """Where the sessions of this file are."""

    installation: Installation
    api: Api
    auditor: Api
    engine: DockerEngine
    service: int

    async def start(self) -> Place:
        return await asyncio.to_thread(self.engine.start)

    async def opened(self, service: int = 0) -> Stay:
        place = await self.start()
        terminal = await Terminal.opened(self.api, service or self.service, **place.target)
        await terminal.run("sleep 999 & :")
        return Stay(terminal.uid, place, terminal)

    async def end_of(self, stay: Stay) -> Stay:
        """Wait for the end, and look at what is left."""
        stay.session = await self.api.ended(stay.uid, within=LONGEST + 2 * TICK)
        stay.took = time.monotonic() - stay.began
        stay.left = stay.place.running
        stay.events = await self.auditor.events(stay.uid)
        return stay


async def _idle(world: World) -> Stay:
    stay = await world.opened()
    # A broken-off program would take the hang-up as the end of its terminal; this one has to be ended.
    assert stay.terminal is not None
    await stay.terminal.type("trap '' TERM; sleep 998\r")
    return await world.end_of(stay)


async def _grace(world: World) -> Stay:
    stay = await world.opened()
    assert stay.terminal is not None
    await stay.terminal.lose()
    return await world.end_of(stay)


async def _detached(world: World) -> Stay:
    stay = await world.opened()
    assert stay.terminal is not None
    await stay.terminal.send(type="detach", ttl=DETACHED_FOR)
    assert (await stay.terminal.frame("detached"))["ttl"] == DETACHED_FOR
    assert await stay.terminal.closed() == 1000
    return await world.end_of(stay)


async def _longest(world: World) -> Stay:
    """Its user says all the time that somebody is there."""
    stay = await world.opened()
    assert stay.terminal is not None
    with suppress(ConnectionClosed):
        while stay.terminal.close_code is None:
            await stay.terminal.send(type="stay")
            await asyncio.sleep(1)
    return await world.end_of(stay)


async def _never_attached(world: World) -> Stay:
    place = await world.start()
    session = await world.api.open(world.service, **place.target)
    return await world.end_of(Stay(session["uid"], place))


async def _vanished(world: World, network: Proxy) -> Stay:
    """The connection to the engine dies without a word, then the container goes."""
    stay = await world.opened(await _service_behind(world, network, "vanishing"))
    network.freeze_existing()
    world.engine.remove(stay.place)
    stay.began = time.monotonic()
    stay.place = await world.start()
    return await world.end_of(stay)


async def _unreachable(world: World, network: Proxy) -> Stay:
    """The engine does not answer while the reaper asks, and nothing happened to the container."""
    stay = await world.opened(await _service_behind(world, network, "silent"))
    assert stay.terminal is not None
    network.freeze()
    await stay.terminal.send(type="resize", cols=111, rows=44)
    await asyncio.sleep(TICK + 12)
    network.thaw()
    stay.session = await world.api.session(stay.uid)
    if stay.session["state"] == "active":
        await stay.terminal.run("until [ \"$(stty size)\" = '44 111' ]; do sleep 0.1; done")
    await world.api.terminate(stay.uid)
    await world.api.ended(stay.uid)
    return stay


async def _mute(world: World, network: Proxy) -> Stay:
    """The engine does not answer when a detached session's time is over, and does so again later."""
    stay = await world.opened(await _service_behind(world, network, "mute"))
    assert stay.terminal is not None
    await stay.terminal.send(type="detach", ttl=DETACHED_FOR)
    assert await stay.terminal.closed() == 1000
    network.freeze()
    stay.session = await world.api.ended(stay.uid, within=3 * TICK)
    network.thaw()

    async def cleaned_up() -> bool:
        stay.events = await world.auditor.events(stay.uid)
        return "session.cleaned_up" in stay.actions()

    await until(cleaned_up, "what it left is looked for again", within=3 * TICK)
    stay.left = stay.place.running
    return stay


async def _service_behind(world: World, network: Proxy, slug: str) -> int:
    """A service on the same engine, reached through the network."""
    owner = await Api.sign_in(world.installation, world.api.url, "owner")
    organizations = await owner.get("organizations/")
    acme = organizations["results"][0]["id"]
    provider = {
        "organization": acme, "slug": slug, "name": slug, "kind": "docker",
        "options": {"host": f"tcp://127.0.0.1:{network.port}"},
    }  # fmt: skip
    provider_id = (await owner.call("POST", "providers/", json=provider, expect=201)).json()["id"]
    stack = {"provider": provider_id, "slug": slug, "name": slug}
    stack_id = (await owner.call("POST", "stacks/", json=stack, expect=201)).json()["id"]
    await owner.close()
    selector = f"{world.engine.prefix}-*"
    return await add_service_to(world.installation, "docker", stack=stack_id, selector=selector, **UNLIMITED)


@pytest.fixture(scope="module")
def installation(template: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with embedded_in(template, tmp_path_factory.mktemp("reaping"), LIMITS) as made:
        made.start_web()
        made.start_worker()
        made.start_beat()
        yield made


Stays = dict[str, "asyncio.Task[Stay]"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stays(installation: Installation, docker_engine: DockerEngine, docker_host: str) -> AsyncIterator[Stays]:
    """All sessions of this file, once each of them is over. Meanwhile a second beat runs, and tasks come twice."""
    url = installation.processes[0].url
    api = await Api.sign_in(installation, url, "developer")
    auditor = await Api.sign_in(installation, url, "auditor")
    service = await add_service_to(installation, "docker")
    world = World(installation, api, auditor, docker_engine, service)
    async with proxy_to(docker_host) as dying, proxy_to(docker_host) as silent, proxy_to(docker_host) as mute:
        scenarios: dict[str, Coroutine[None, None, Stay]] = {
            "idle": _idle(world),
            "grace": _grace(world),
            "detached": _detached(world),
            "longest": _longest(world),
            "never attached": _never_attached(world),
            "vanished": _vanished(world, dying),
            "unreachable": _unreachable(world, silent),
            "mute": _mute(world, mute),
        }
        running = {name: asyncio.create_task(scenario, name=name) for name, scenario in scenarios.items()}
        installation.start_beat()
        again = asyncio.create_task(_deliver_twice(installation, running))
        await asyncio.wait(list(running.values()))
        await again
    yield running
    await api.close()
    await auditor.close()


async def _deliver_twice(installation: Installation, running: Stays) -> None:
    """The same message in the queue more than once, again and again, beside those of the two beats."""
    send = "from portal.celery import app; [app.send_task('sessions_app.tasks.reap') for _ in range(3)]"
    while not all(task.done() for task in running.values()):
        await asyncio.to_thread(installation.run, ["-c", send])
        await asyncio.wait(list(running.values()), timeout=10)


def _ended(stay: Stay) -> tuple[str, str]:
    """The reason in the row and the one that the window was told."""
    assert stay.terminal is not None
    told = [frame["reason"] for frame in stay.terminal.frames if frame["type"] == "ended"]
    return stay.session["end_reason"], told[0] if told else ""


def test_an_idle_session_is_warned_and_then_its_shell_is_ended(stays: Stays) -> None:
    stay = stays["idle"].result()
    assert _ended(stay) == ("idle_timeout", "idle_timeout")
    assert stay.left == []
    assert IDLE <= stay.took <= IDLE + TICK + 5
    assert stay.terminal is not None
    kinds = [frame["type"] for frame in stay.terminal.frames]
    assert kinds.index("notice") < kinds.index("ended")
    warning = stay.terminal.frames[kinds.index("notice")]
    assert warning["code"] == "idle_warning"
    assert 0 < warning["seconds"] <= IDLE / 2


def test_a_lost_connection_that_does_not_come_back_ends_as_disconnected(stays: Stays) -> None:
    stay = stays["grace"].result()
    assert stay.session["end_reason"] == "disconnected"
    assert stay.left == []
    assert GRACE <= stay.took <= GRACE + TICK + 5


def test_a_detached_session_ends_when_its_time_is_over(stays: Stays) -> None:
    stay = stays["detached"].result()
    assert stay.session["end_reason"] == "detach_expired"
    assert stay.left == []
    assert DETACHED_FOR <= stay.took <= DETACHED_FOR + TICK + 5


def test_what_a_detached_session_left_behind_a_dead_provider_is_ended_once_it_answers(stays: Stays) -> None:
    stay = stays["mute"].result()
    assert stay.session["end_reason"] == "detach_expired"
    assert stay.session["cleanup"]["note"]
    assert stay.left == []
    cleaned = next(event for event in stay.events if event["action"] == "session.cleaned_up")
    assert "sleep 999" in [process["command"] for process in cleaned["detail"]["cleanup"]["processes"]]
    assert stay.actions().count("session.cleaned_up") == 1


def test_a_session_ends_at_its_longest_duration_though_somebody_is_there(stays: Stays) -> None:
    stay = stays["longest"].result()
    assert _ended(stay) == ("max_duration", "max_duration")
    assert stay.left == []
    assert LONGEST <= stay.took <= LONGEST + TICK + 5
    assert stay.terminal is not None
    warnings = [frame for frame in stay.terminal.frames if frame.get("code") == "max_duration_warning"]
    assert [0 < warning["seconds"] <= LONGEST / 2 for warning in warnings] == [True]


def test_a_session_that_nobody_attached_to_gives_its_place_back(stays: Stays) -> None:
    stay = stays["never attached"].result()
    assert (stay.session["state"], stay.session["end_reason"]) == ("failed", "never_attached")
    assert ATTACH <= stay.took <= ATTACH + TICK + 5


def test_a_session_ends_when_its_container_went_unnoticed(stays: Stays) -> None:
    stay = stays["vanished"].result()
    assert _ended(stay) == ("target_gone", "target_gone")
    assert stay.took <= TICK + 15


def test_a_provider_that_does_not_answer_for_a_while_ends_nothing_and_loses_no_size(stays: Stays) -> None:
    stay = stays["unreachable"].result()
    assert stay.session["state"] == "active", stay.session


def test_tasks_that_run_twice_change_nothing_twice(stays: Stays) -> None:
    for name, task in stays.items():
        if name != "unreachable":
            actions = task.result().actions()
            assert actions.count("session.ended") + actions.count("session.failed") == 1, (name, actions)
            assert actions.count("session.end_requested") <= 1, (name, actions)
