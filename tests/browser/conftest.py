"""The real portal in real processes, seen through a real Chromium."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.proxy import Network
from tests.browser.window import Window
from tests.integration.client import Api
from tests.integration.installation import Installation, environment_of
from tests.integration.places import BUSYBOX, Cluster, DockerEngine

RUN = f"br{uuid4().hex[:8]}"
"""What everything is called that this run makes on the engines."""

NOSHELL = "testbed/noshell:1"
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}

session_fixture = pytest_asyncio.fixture(loop_scope="session", scope="session")
test_fixture = pytest_asyncio.fixture(loop_scope="session")


class OpenWindow(Protocol):
    """Opens a window."""

    def __call__(
        self, user: str = "developer", *, url: str = "", size: dict[str, int] | None = None, **options: Any
    ) -> Awaitable[Window]: ...


AddService = Callable[..., Awaitable[int]]


@pytest.fixture(scope="session")
def docker_engine(docker_host: str) -> Iterator[DockerEngine]:
    engine = DockerEngine(docker_host, RUN)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def cluster(kubectl: str, kubeconfig: str) -> Iterator[Cluster]:
    cluster = Cluster(kubectl, kubeconfig, RUN)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def portal(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation on SQLite without Redis, with the demo, that every browser test shares."""
    data = tmp_path_factory.mktemp("portal")
    installation = Installation(data, environment_of(data, PORTHOLE_TEST_NAMESPACE=RUN))
    installation.prepare()
    try:
        installation.start_web()
        installation.start_worker()
        installation.start_beat()
        yield installation
    finally:
        installation.stop()


@session_fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


@session_fixture
async def owner(portal: Installation) -> AsyncIterator[Api]:
    api = await Api.sign_in(portal, portal.processes[0].url, "owner")
    yield api
    await api.close()


@session_fixture
async def developer(portal: Installation) -> AsyncIterator[Api]:
    api = await Api.sign_in(portal, portal.processes[0].url, "developer")
    yield api
    await api.close()


@session_fixture
async def signed_in(portal: Installation, browser: Browser) -> Callable[[str], Awaitable[Any]]:
    """What a browser keeps of a demo user's sign-in, so that it happens once; nothing for anybody else."""
    kept: dict[str, Any] = {"nobody": None}

    async def state_of(user: str) -> Any:
        if user not in kept:
            context = await browser.new_context()
            await Window(await context.new_page(), portal.processes[0].url).sign_in(user)
            kept[user] = await context.storage_state()
            await context.close()
        return kept[user]

    return state_of


@test_fixture
async def open_window(
    portal: Installation, browser: Browser, signed_in: Callable[[str], Awaitable[Any]]
) -> AsyncIterator[OpenWindow]:
    """Opens windows of signed-in people. At the end none may have complained: no script error, no CSP violation."""
    windows: list[Window] = []

    async def open_one(
        user: str = "developer", *, url: str = "", size: dict[str, int] | None = None, **options: Any
    ) -> Window:
        context = await browser.new_context(
            viewport=size or DESK,
            storage_state=await signed_in(user),
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        # The terminal is read as a screen reader reads it.
        await context.add_init_script("localStorage.setItem('porthole-screen-reader', 'on')")
        window = Window(await context.new_page(), url or portal.processes[0].url)
        windows.append(window)
        return window

    yield open_one
    for window in windows:
        await window.page.context.close()
    assert [complaint for window in windows for complaint in window.complaints] == []


@test_fixture
async def network(portal: Installation) -> AsyncIterator[Network]:
    network = Network(int(portal.processes[0].url.rpartition(":")[2]))
    await network.mend()
    yield network
    await network.cut()


@test_fixture
async def add_service(portal: Installation, owner: Api) -> AddService:
    """A service of its own for a test, on one kind of provider."""

    async def add(kind: str, selector: str, **fields: Any) -> int:
        return await owner.add_service(portal.stacks[kind], f"s-{uuid4().hex[:8]}", selector=selector, **fields)

    return add


@test_fixture
async def local(add_service: AddService) -> int:
    """A service whose shells run on this machine."""
    return await add_service("local", "local")


@pytest.fixture(scope="session")
def debian(docker_engine: DockerEngine) -> str:
    """The name of a Docker container with bash."""
    return docker_engine.start().name


@pytest.fixture(scope="session")
def busybox(docker_engine: DockerEngine) -> str:
    """The name of a Docker container with ash alone."""
    return docker_engine.start(BUSYBOX).name


@pytest.fixture(scope="session")
def pod(cluster: Cluster) -> str:
    """The name of a pod with bash."""
    return cluster.start().name
