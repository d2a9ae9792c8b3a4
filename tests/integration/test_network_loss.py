"""The browser's network is gone for 20 seconds, then back: nothing is lost and nothing comes twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.integration.client import Api, Terminal, counted
from tests.integration.conftest import SignIn, add_service_to
from tests.integration.installation import Installation
from tests.integration.places import Place
from tests.integration.polling import until
from tests.integration.proxy import Proxy, proxy_to

pytestmark = pytest.mark.docker

OUTAGE = 20.0
GIVES_UP_AFTER = 3.0
"""Seconds in which an impatient page hears nothing, not even a pong, and connects anew."""

LINES = 20_000
COUNTER = f"for i in $(seq {LINES}); do echo line-$i; [ $((i % 80)) = 0 ] && sleep 0.1; done; echo th''rough\r"
"""About 25 seconds, so that there is output before, during and after the outage."""


@pytest.fixture
async def api(embedded: Installation, sign_in: SignIn) -> Api:
    return await sign_in(embedded)


@pytest.fixture
async def network(embedded: Installation) -> AsyncIterator[Proxy]:
    """What lies between the client and the portal."""
    async with proxy_to(embedded.processes[0].url) as proxy:
        yield proxy


async def _busy(api: Api, service: int, place: Place, network: Proxy) -> Terminal:
    terminal = await Terminal.opened(api, service, url=network.url, **place.target)
    await terminal.type(COUNTER)
    await until(lambda: len(counted(terminal.received)) > 500, "the counter runs")
    return terminal


async def _reconnect(terminal: Terminal) -> None:
    """As a page does: what hangs is given up, the next try comes after a while."""
    while True:
        await terminal.leave()
        try:
            async with asyncio.timeout(GIVES_UP_AFTER):
                await terminal.connect()
                return
        except TimeoutError:
            continue


async def test_a_busy_counter_arrives_whole_and_once_over_20_seconds_without_network(
    embedded: Installation, api: Api, container: Place, network: Proxy
) -> None:
    """Both for a page whose connection outlives the outage and for one that gives it up and connects anew."""
    service = await add_service_to(embedded, "docker")
    patient = await _busy(api, service, container, network)
    impatient = await _busy(api, service, container, network)
    network.freeze()
    reconnecting = asyncio.create_task(_reconnect(impatient))
    seen = len(patient.received)
    await asyncio.sleep(OUTAGE)
    assert len(patient.received) == seen
    network.thaw()
    await reconnecting
    for terminal in (patient, impatient):
        await terminal.shown("through", within=40)
        assert counted(terminal.received) == list(range(1, LINES + 1))
        assert await terminal.run("echo alive") == "alive\n"
        await terminal.type("exit\r")
        assert await terminal.closed() == 1000
        assert (await api.recording(terminal.uid))["health"] == "complete"
        assert await api.recorded(terminal.uid) == bytes(terminal.received)
    assert container.running == []


async def test_input_typed_during_an_outage_arrives_once(
    embedded: Installation, api: Api, container: Place, network: Proxy
) -> None:
    service = await add_service_to(embedded, "docker")
    terminal = await Terminal.opened(api, service, url=network.url, **container.target)
    await terminal.run("echo here")
    network.freeze()
    await terminal.type("echo typ''ed-while-away\r")
    await asyncio.sleep(1)
    network.thaw()
    await terminal.shown("typed-while-away")
    await terminal.type("exit\r")
    await terminal.closed()
    assert terminal.received.count(b"typed-while-away") == 1
