"""The container goes while somebody works in it: the session ends at once and says why, and its place is free."""

from collections.abc import Callable

import pytest

from tests.integration.client import Api, Terminal
from tests.integration.conftest import SignIn, add_service_to
from tests.integration.installation import Installation
from tests.integration.places import Cluster, DockerEngine, Place

PROMPTLY = 10.0


async def _assert_target_gone(api: Api, service: int, place: Place, lose: Callable[[], object], other: Place) -> None:
    """`service` has one place only, so that `other` can be entered once it is free."""
    terminal = await Terminal.opened(api, service, **place.target)
    await terminal.run("echo here")
    lose()
    ended = await terminal.frame("ended", within=PROMPTLY)
    assert ended["reason"] == "target_gone"
    assert ended["detail"]
    assert await terminal.closed() == 1000
    session = await api.ended(terminal.uid)
    assert session["end_reason"] == "target_gone"
    assert (await api.recording(terminal.uid))["health"] == "complete"
    assert await api.recorded(terminal.uid) == bytes(terminal.received)
    again = await Terminal.opened(api, service, **other.target)
    await again.type("exit\r")
    await api.ended(again.uid)


@pytest.fixture
async def api(embedded: Installation, sign_in: SignIn) -> Api:
    return await sign_in(embedded)


@pytest.mark.docker
@pytest.mark.parametrize("way", ["kill", "restart", "remove"])
async def test_a_session_ends_when_its_container_is_lost(
    way: str, embedded: Installation, api: Api, docker_engine: DockerEngine, container: Place
) -> None:
    service = await add_service_to(embedded, "docker", session_limit=1)
    other = docker_engine.start()
    found = docker_engine.get(container)
    ways: dict[str, Callable[[], object]] = {
        "kill": found.kill,
        "restart": lambda: found.restart(timeout=0),
        "remove": lambda: found.remove(force=True),
    }
    await _assert_target_gone(api, service, container, ways[way], other)
    docker_engine.remove(other)


@pytest.mark.docker
async def test_a_detached_session_ends_when_its_container_is_lost(
    embedded: Installation, api: Api, docker_engine: DockerEngine, container: Place
) -> None:
    service = await add_service_to(embedded, "docker", session_limit=1)
    terminal = await Terminal.opened(api, service, **container.target)
    await terminal.run("echo here")
    await terminal.send(type="detach", ttl="1h")
    assert await terminal.closed() == 1000
    docker_engine.get(container).kill()
    session = await api.ended(terminal.uid, within=PROMPTLY)
    assert session["end_reason"] == "target_gone"
    assert (await api.recorded(terminal.uid)).startswith(bytes(terminal.received))
    other = docker_engine.start()
    again = await Terminal.opened(api, service, **other.target)
    await again.type("exit\r")
    await api.ended(again.uid)
    docker_engine.remove(other)


@pytest.mark.kubernetes
async def test_a_session_ends_when_its_pod_is_deleted(
    embedded: Installation, api: Api, cluster: Cluster, pod: Place
) -> None:
    service = await add_service_to(embedded, "kubernetes", session_limit=1)
    other = cluster.start()
    await _assert_target_gone(api, service, pod, lambda: cluster.delete(pod), other)
