"""What the tests of sessions share: a real portal, and labs in it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.audit.conftest import small_disk as small_disk  # the same full disk as the journal's own tests
from tests.sessions_app import world
from tests.sessions_app.portal_process import Portal
from tests.sessions_app.terminal import Client
from tests.sessions_app.world import Lab


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal with two web processes, one under each server."""
    it = Portal(Path(tmp_path_factory.mktemp("portal")), ("daphne", "uvicorn"))
    yield it
    it.stop()


@pytest.fixture
def url(portal: Portal) -> str:
    """The web process that production would use by default."""
    return portal.web["daphne"].url


@pytest.fixture(params=["daphne", "uvicorn"])
def each_url(request: pytest.FixtureRequest, portal: Portal) -> str:
    """Each web process in turn."""
    return portal.web[request.param].url


class MakeLab(Protocol):
    """Makes a lab with these people; keywords are the service's policy."""

    def __call__(self, *crew: str, **policy: Any) -> Lab: ...


@pytest.fixture
def make_lab(portal: Portal) -> MakeLab:
    """Labs in the real portal's database."""

    def make(*crew: str, **policy: Any) -> Lab:
        return portal.office.call(world.make_lab, crew or ("developer",), **policy)

    return make


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """A lab with one developer."""
    return make_lab()


SignIn = Callable[..., Client]


@pytest.fixture
async def sign_in(url: str) -> AsyncIterator[SignIn]:
    """Makes clients, by default of the lab's developer."""
    clients: list[Client] = []

    def make(lab: Lab, who: str = "developer", **options: Any) -> Client:
        client = Client(options.pop("at", url), lab, who, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.http.aclose()
