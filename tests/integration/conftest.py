"""The whole product in real processes, against real containers."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis

from tests.integration.client import Api
from tests.integration.installation import Installation, Process, environment_of
from tests.integration.places import Cluster, DockerEngine, Place

RUN = f"it{uuid4().hex[:8]}"
"""What everything is called that this run makes on the engines."""

SignIn = Callable[..., Awaitable[Api]]
Install = Callable[..., Installation]


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


@pytest.fixture
def container(docker_engine: DockerEngine) -> Iterator[Place]:
    """A Docker container of the test's own."""
    place = docker_engine.start()
    yield place
    docker_engine.remove(place)


@pytest.fixture
def pod(cluster: Cluster) -> Place:
    """A pod of the test's own; it goes with the namespace."""
    return cluster.start()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    """The container that the test's parameter names: `container` or `pod`."""
    found: Place = request.getfixturevalue(request.param)
    return found


# --- installations ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A prepared database on SQLite, to be copied: preparing one takes seconds."""
    data = tmp_path_factory.mktemp("template")
    installation = Installation(data, environment_of(data, PORTHOLE_TEST_NAMESPACE=RUN))
    installation.prepare()
    return installation


@contextmanager
def embedded_in(template: Installation, data: Path, variables: dict[str, str]) -> Iterator[Installation]:
    """An installation on SQLite without Redis in an empty folder; nothing of it runs yet."""
    for file in template.data.iterdir():
        if file.is_file():
            shutil.copy2(file, data / file.name)
    installation = Installation(data, environment_of(data, **variables), template.stacks)
    installation.tokens = template.tokens
    try:
        yield installation
    finally:
        installation.stop()


@pytest.fixture
def install(template: Installation, tmp_path: Path) -> Iterator[Install]:
    """Makes one installation on SQLite without Redis for this test alone; nothing of it runs yet."""
    with ExitStack() as stack:

        def make(**variables: str) -> Installation:
            return stack.enter_context(embedded_in(template, tmp_path, variables))

        yield make


@pytest.fixture(scope="session")
def embedded(template: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation on SQLite without Redis, with web, worker and beat, that tests share."""
    with embedded_in(template, tmp_path_factory.mktemp("embedded"), {}) as installation:
        installation.start_web()
        installation.start_worker()
        installation.start_beat()
        yield installation


@contextmanager
def _fresh_database(url: str) -> Iterator[str]:
    name = f"{RUN}_portal"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{url.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def _fresh_redis(url: str) -> Iterator[str]:
    """An empty database of the Redis, which this run marks as its own."""
    base = url.rpartition("/")[0]
    for number in range(15, 0, -1):
        client = redis.Redis.from_url(f"{base}/{number}")
        if client.dbsize() == 0 and client.set("taken-by", RUN, nx=True):
            break
    else:
        pytest.fail("every database of the Redis is in use", pytrace=False)
    try:
        yield f"{base}/{number}"
    finally:
        client.flushdb()
        client.close()


@pytest.fixture(scope="session")
def clustered(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation on PostgreSQL and Redis with two web processes, worker and beat, that tests share."""
    data = tmp_path_factory.mktemp("clustered")
    with _fresh_database(postgres_url) as database, _fresh_redis(redis_url) as channel:
        variables = {"DATABASE_URL": database, "REDIS_URL": channel, "PORTHOLE_TEST_NAMESPACE": RUN}
        installation = Installation(data, environment_of(data, **variables))
        installation.prepare()
        try:
            installation.start_web()
            installation.start_web()
            installation.start_worker()
            installation.start_beat()
            yield installation
        finally:
            installation.stop()


@pytest.fixture
async def sign_in() -> AsyncIterator[SignIn]:
    """Signs a user in at a web process."""
    clients: list[Api] = []

    async def make(installation: Installation, web: Process | None = None, user: str = "developer") -> Api:
        api = await Api.sign_in(installation, (web or installation.processes[0]).url, user)
        clients.append(api)
        return api

    yield make
    for api in clients:
        await api.close()


async def add_service_to(installation: Installation, kind: str, **fields: Any) -> int:
    """A service that selects every container of this run, with a policy of its own. Returns its id."""
    owner = await Api.sign_in(installation, installation.processes[0].url, "owner")
    selector = {"docker": f"{RUN}-*", "kubernetes": "*", "local": "local"}[kind]
    fields = {"stack": installation.stacks.get(kind), "selector": selector, **fields}
    try:
        return await owner.add_service(slug=f"s-{uuid4().hex[:8]}", **fields)
    finally:
        await owner.close()
