"""Two web processes on PostgreSQL and Redis: a session that one owns is used through the other."""

import asyncio

import pytest

from tests.integration.client import Api, Terminal, counted
from tests.integration.conftest import SignIn, add_service_to
from tests.integration.installation import Installation, Process
from tests.integration.places import Place, marked
from tests.integration.polling import until

pytestmark = [pytest.mark.docker, pytest.mark.postgres, pytest.mark.redis]

WINDOW = 1024 * 1024
"""What docs/protocol.md allows to be under way to a client that has not acknowledged it."""

GROWTH = 24 * 1024 * 1024
"""Memory that a process may take on for one client that does not keep up. Its log in memory alone has 2 MiB."""

NUDGED = 5.0
"""Seconds for what one process asks of another."""


@pytest.fixture
def owning(clustered: Installation) -> Process:
    """The process that the sessions are opened through."""
    return clustered.processes[0]


@pytest.fixture
def relaying(clustered: Installation) -> Process:
    return clustered.processes[1]


@pytest.fixture
async def api(clustered: Installation, owning: Process, sign_in: SignIn) -> Api:
    return await sign_in(clustered, owning)


@pytest.fixture
async def far(clustered: Installation, relaying: Process, sign_in: SignIn) -> Api:
    """The same user at the other process."""
    return await sign_in(clustered, relaying)


@pytest.fixture
async def terminal(clustered: Installation, api: Api, container: Place) -> Terminal:
    """A window at the process that owns the session."""
    return await Terminal.opened(api, await add_service_to(clustered, "docker"), **container.target)


async def test_a_session_is_used_and_resumed_through_the_other_process(
    far: Api, terminal: Terminal, container: Place
) -> None:
    await terminal.run("echo here")
    await terminal.lose()
    terminal.api, terminal.url = far, far.url
    await terminal.connect(cols=133, rows=41)
    assert await terminal.run("until [ \"$(stty size)\" = '41 133' ]; do sleep 0.1; done; stty size") == "41 133\n"
    await terminal.type("for i in $(seq 500); do echo line-$i; [ $((i % 50)) = 0 ] && sleep 0.1; done\r")
    await until(lambda: 100 in counted(terminal.received), "the counter runs")
    await terminal.lose()
    await terminal.connect(cols=133, rows=41)
    await until(lambda: counted(terminal.received)[-1] == 500, "the counter is through")
    await terminal.type("exit 3\r")
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["exit_code"], await terminal.closed()) == ("exited", 3, 1000)
    assert counted(terminal.received) == list(range(1, 501))
    assert (await far.recording(terminal.uid))["health"] == "complete"
    assert await far.recorded(terminal.uid) == bytes(terminal.received)
    assert container.running == []


async def test_every_byte_value_passes_the_relay_both_ways(far: Api, terminal: Terminal) -> None:
    await terminal.lose()
    terminal.api, terminal.url = far, far.url
    await terminal.connect()
    await terminal.type("stty raw -echo; printf '<''<'; head -c 256; printf '>''>'; stty sane\r")
    await terminal.shown("<<")
    await terminal.type(bytes(range(256)))
    await terminal.shown(">>")
    assert b"<<" + bytes(range(256)) + b">>" in terminal.received


@pytest.mark.parametrize("first", ["at the owner", "at the relay"])
async def test_a_window_at_one_process_takes_over_from_one_at_the_other(
    first: str, api: Api, far: Api, terminal: Terminal
) -> None:
    there = Terminal(far, terminal.uid)
    await there.connect()
    taken, taking = terminal, there
    if first == "at the relay":
        taken, taking = there, Terminal(api, terminal.uid)
        await taking.connect()
    assert await taken.closed() == 4409
    assert await taking.run("echo mine") == "mine\n"
    await taking.leave()


async def test_the_other_processs_api_ends_the_session_at_once(far: Api, terminal: Terminal, container: Place) -> None:
    await terminal.run("echo here")
    await far.terminate(terminal.uid)
    ended = await terminal.frame("ended", within=NUDGED)
    assert (ended["reason"], await terminal.closed()) == ("closed_by_user", 1000)
    assert (await far.ended(terminal.uid))["state"] == "stopped"
    assert container.running == []


async def test_the_other_processs_api_resizes_and_detaches(far: Api, terminal: Terminal) -> None:
    await terminal.run("echo here")
    await far.call("POST", f"sessions/{terminal.uid}/resize/", json={"cols": 99, "rows": 33})
    assert await terminal.run("until [ \"$(stty size)\" = '33 99' ]; do sleep 0.1; done; stty size") == "33 99\n"
    await far.call("POST", f"sessions/{terminal.uid}/detach/", json={"ttl": 600})
    assert (await terminal.frame("detached", within=NUDGED))["ttl"] == 600
    assert await terminal.closed() == 1000
    assert (await far.session(terminal.uid))["state"] == "detached"
    await terminal.connect()
    assert await terminal.run("echo back") == "back\n"
    await far.terminate(terminal.uid)


async def test_a_client_that_acknowledges_nothing_holds_the_container_back_through_the_relay(
    owning: Process, relaying: Process, far: Api, terminal: Terminal
) -> None:
    await terminal.lose()
    slow = Terminal(far, terminal.uid, acknowledge=False)
    await slow.connect()
    before = owning.memory, relaying.memory
    await slow.type("yes 0123456789012345678901234567890123456789 | head -c 30000000; echo th''rough\r")
    await until(lambda: len(slow.received) >= WINDOW, "a window has arrived")
    # The counters reach the row every five seconds; two of the same value are a container that stands still.
    sizes = [0]

    async def stands_still() -> bool:
        sizes.append((await far.session(terminal.uid))["bytes_out"])
        return len(sizes) > 20 and sizes[-1] == sizes[-20] > 0

    await until(stands_still, "the output stops", within=30)
    assert len(slow.received) == WINDOW
    assert sizes[-1] < 4 * WINDOW
    assert owning.memory - before[0] < GROWTH
    assert relaying.memory - before[1] < GROWTH

    slow.acknowledge = True
    await slow.send(type="ack", offset=len(slow.received))
    await slow.shown("through", within=60)
    shown = bytes(slow.received)
    assert shown.count(b"0123456789012345678901234567890123456789\r\n") == 30_000_000 // 41
    await far.terminate(terminal.uid)
    await far.ended(terminal.uid)
    await slow.closed()
    assert await far.recorded(terminal.uid) == bytes(slow.received)


async def test_a_frozen_client_bounds_memory_in_both_processes(
    owning: Process, relaying: Process, far: Api, terminal: Terminal
) -> None:
    await terminal.lose()
    frozen = Terminal(far, terminal.uid)
    await frozen.connect()
    before = owning.memory, relaying.memory
    await frozen.type("yes | head -c 100000000\r")
    await until(lambda: len(frozen.received) > WINDOW, "output comes")
    await frozen.stop_reading()
    sizes = [0]

    async def stands_still() -> bool:
        sizes.append((await far.session(terminal.uid))["bytes_out"])
        return len(sizes) > 120 and sizes[-1] == sizes[-120] > 0

    await until(stands_still, "the output stops", within=40)
    assert owning.memory - before[0] < GROWTH
    assert relaying.memory - before[1] < GROWTH
    # Nothing of the other sessions: this one ends as any other.
    await far.terminate(terminal.uid)
    await far.ended(terminal.uid)
    await frozen.leave()


async def test_a_killed_process_leaves_nothing_and_the_others_say_why(
    clustered: Installation, far: Api, sign_in: SignIn, container: Place
) -> None:
    """Worker and beat see to it: no process starts anew."""
    third = clustered.start_web()
    api = await sign_in(clustered, third)
    terminal = await Terminal.opened(api, await add_service_to(clustered, "docker"), **container.target)
    await terminal.run("echo here; sleep 1234 & :")
    third.kill()
    assert await terminal.closed() == 1006
    session = await far.ended(terminal.uid, within=60)
    assert session["end_reason"] == "host_lost"
    assert container.running == []
    assert marked(terminal.uid) == []
    assert (await far.recording(terminal.uid))["health"] == "complete"
    back = Terminal(far, terminal.uid)
    back.received = terminal.received
    frame = await back.connect()
    if frame["type"] == "attached":
        frame = await back.frame("ended")
    assert (frame["reason"], await back.closed()) == ("host_lost", 1000)
    assert await far.recorded(terminal.uid) == bytes(back.received)


async def test_many_windows_through_the_relay_get_the_same_bytes(
    clustered: Installation, far: Api, sign_in: SignIn, terminal: Terminal
) -> None:
    owner = await sign_in(clustered, clustered.processes[1], "owner")
    watchers = [Terminal(owner, terminal.uid) for _ in range(3)]
    for watcher in watchers:
        await watcher.connect(mode="watch")
    await terminal.run("seq -f 'line-%g' 3000")
    await terminal.type("exit\r")
    await asyncio.gather(*(watcher.closed() for watcher in [terminal, *watchers]))
    for watcher in watchers:
        assert counted(watcher.received) == list(range(1, 3001))
        assert bytes(watcher.received) == bytes(terminal.received)


async def test_sizes_asked_for_over_the_api_hold_while_somebody_types(far: Api, terminal: Terminal) -> None:
    """Over more than one write of the counters, which the host makes every five seconds."""
    for number in range(80):
        size = {"cols": 100 + number, "rows": 30 + number % 2}
        await far.call("POST", f"sessions/{terminal.uid}/resize/", json=size)
        wanted = f"{size['rows']} {size['cols']}"
        await terminal.run(f"until [ \"$(stty size)\" = '{wanted}' ]; do sleep 0.02; done")
