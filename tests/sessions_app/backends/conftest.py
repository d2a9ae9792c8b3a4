"""The real places as fixtures. `place` runs a test on each of them, `remote_place` on those that have containers."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from sessions_app.backends.base import Backend
from tests.sessions_app.backends.places import DockerPlace, KubernetesPlace, LocalPlace, Place

DOCKER = pytest.param("docker", marks=pytest.mark.docker)
KUBERNETES = pytest.param("kubernetes", marks=pytest.mark.kubernetes)


@pytest.fixture(scope="session")
def docker_place(docker_host: str) -> Iterator[DockerPlace]:
    """The test bed's Docker Engine."""
    place = DockerPlace(docker_host)
    yield place
    place.close()


@pytest.fixture(scope="session")
def kubernetes_place(kubeconfig: str, kubectl: str) -> Iterator[KubernetesPlace]:
    """The test bed's cluster."""
    place = KubernetesPlace(kubeconfig, kubectl)
    yield place
    place.close()


@pytest.fixture(scope="session")
def local_place() -> LocalPlace:
    """This machine."""
    return LocalPlace()


@pytest.fixture(params=[DOCKER, KUBERNETES, "local"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of the three."""
    place: Place = request.getfixturevalue(f"{request.param}_place")
    return place


@pytest.fixture(params=[DOCKER, KUBERNETES])
def remote_place(request: pytest.FixtureRequest) -> Place:
    """Each one with containers of its own."""
    place: Place = request.getfixturevalue(f"{request.param}_place")
    return place


async def use(place: Place) -> AsyncIterator[Backend]:
    """A backend that must leave no task behind."""
    backend = place.backend()
    yield backend
    await backend.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left behind: {left}"


@pytest.fixture
async def backend(place: Place) -> AsyncIterator[Backend]:
    """A backend of `place`."""
    async for each in use(place):
        yield each


@pytest.fixture
async def remote_backend(remote_place: Place) -> AsyncIterator[Backend]:
    """A backend of `remote_place`."""
    async for each in use(remote_place):
        yield each
