"""The command against a whole portal in processes of its own."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.cli.command import Command, until
from tests.integration.installation import PASSWORD, Installation, environment_of
from tests.integration.places import Cluster, DockerEngine, Place
from tests.integration.proxy import Proxy, proxy_to

RUN = f"cli{uuid4().hex[:8]}"
"""What everything is called that this run makes on the engines."""


@dataclass
class Account:
    """One user's REST API, past the command."""

    url: str
    token: str

    def call(self, method: str, path: str, **body: object) -> httpx.Response:
        answer = httpx.request(
            method, f"{self.url}/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"},
            json=body or None, timeout=30,
        )  # fmt: skip
        assert answer.is_success, answer.text
        return answer

    def session(self, uid: str) -> dict[str, object]:
        return dict(self.call("GET", f"sessions/{uid}/").json())

    def over(self, uid: str) -> dict[str, object]:
        """The session, once it is over."""
        until(lambda: self.session(uid)["state"] in ("stopped", "failed"), f"{uid} is over")
        return self.session(uid)

    def live(self) -> list[str]:
        """Ids of the sessions that run."""
        found = self.call("GET", "sessions/?state=requested,provisioning,active,detached,ending").json()
        return [session["uid"] for session in found["results"]]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A portal with the demo and a stack on each engine."""
    data = tmp_path_factory.mktemp("portal")
    installation = Installation(data, environment_of(data, PORTHOLE_TEST_NAMESPACE=RUN))
    installation.prepare()
    try:
        installation.start_web()
        yield installation
    finally:
        installation.stop()


@pytest.fixture(scope="session")
def url(installation: Installation) -> str:
    return installation.processes[0].url


def account_of(url: str, user: str) -> Account:
    """Sign a user of the demo in."""
    answer = httpx.post(f"{url}/api/v1/auth/token/", json={"username": user, "password": PASSWORD}, timeout=30)
    return Account(url, answer.json()["access"])


@pytest.fixture(scope="session")
def developer(url: str) -> Account:
    return account_of(url, "developer")


@pytest.fixture(scope="session")
def owner(url: str) -> Account:
    return account_of(url, "owner")


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Command]:
    """The command of somebody who has not signed in."""
    command = Command(tmp_path)
    yield command
    command.close()


@pytest.fixture
def porthole(stranger: Command, developer: Account) -> Command:
    """The developer's command."""
    stranger.variables |= {"PORTHOLE_URL": developer.url, "PORTHOLE_TOKEN": developer.token}
    return stranger


@pytest.fixture(scope="session")
def add_service(owner: Account, installation: Installation) -> "AddService":
    return AddService(owner, installation)


@dataclass
class AddService:
    """Makes services: `add_service("docker", "web")`. Returns its name, `stack/service`."""

    owner: Account
    installation: Installation

    def __call__(self, kind: str, slug: str = "", **fields: object) -> str:
        slug = slug or f"s-{uuid4().hex[:8]}"
        selector = {"docker": f"{RUN}-*", "kubernetes": "*", "local": "local"}[kind]
        body = {"slug": slug, "name": slug, "selector_kind": "name", "selector": selector, **fields}
        stack = self.installation.stacks[kind]
        self.owner.call("POST", "services/", **{"stack": stack, **body})
        return f"{'playground' if kind == 'local' else kind}/{slug}"


# --- engines ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def docker_engine(docker_host: str) -> Iterator[DockerEngine]:
    engine = DockerEngine(docker_host, RUN)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def container(docker_engine: DockerEngine) -> Place:
    """A Docker container that this folder's tests share."""
    return docker_engine.start()


@pytest.fixture(scope="session")
def pod(kubectl: str, kubeconfig: str) -> Iterator[Place]:
    """A pod that this folder's tests share."""
    cluster = Cluster(kubectl, kubeconfig, RUN)
    yield cluster.start()
    cluster.close()


# --- the network -----------------------------------------------------------------------------------------------------


class Network:
    """What lies between the command and the portal, and can be cut."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._ended: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._ready.wait()

    @property
    def url(self) -> str:
        return self._proxy.url

    def cut(self) -> None:
        """Every connection breaks; new ones work."""
        asyncio.run_coroutine_threadsafe(self._proxy.close(), self._loop).result(10)

    def take_away(self) -> None:
        """Every connection breaks, and new ones hang."""
        self._loop.call_soon_threadsafe(self._proxy.freeze)
        self.cut()

    def bring_back(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.thaw)

    def close(self) -> None:
        assert self._ended is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        async with proxy_to(self._target) as proxy:
            self._proxy: Proxy = proxy
            self._ready.set()
            await self._ended.wait()


@pytest.fixture
def network(url: str, porthole: Command) -> Iterator[Network]:
    """The developer's command reaches the portal through this."""
    network = Network(url)
    porthole.variables["PORTHOLE_URL"] = network.url
    yield network
    network.close()
