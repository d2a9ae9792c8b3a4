"""What is particular to a Docker Engine: how it is reached, what it lists, which keys it leaves alone."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sessions_app.backends import open_backend
from sessions_app.backends.base import (
    Backend,
    BackendError,
    Container,
    ExecRequest,
    InvalidTarget,
    ProviderMisconfigured,
    ProviderUnreachable,
    Selector,
)
from sessions_app.backends.docker_engine import Address
from tests.sessions_app.backends.conftest import use
from tests.sessions_app.backends.places import RUN, DockerPlace, new_uid
from tests.sessions_app.backends.relays import Pki, black_hole, closed_port, relay
from tests.sessions_app.backends.terminal import Terminal


@pytest.fixture
async def engine(docker_place: DockerPlace) -> AsyncIterator[Backend]:
    """A backend of the test bed's engine."""
    async for backend in use(docker_place):
        yield backend


@asynccontextmanager
async def reached(
    options: Mapping[str, object], credentials: Mapping[str, str] | None = None
) -> AsyncIterator[Backend]:
    backend = open_backend("docker", options, credentials or {})
    try:
        yield backend
    finally:
        await backend.close()


async def echo_a_megabyte(backend: Backend, container: Container) -> None:
    """Both ways through one exec, byte for byte."""
    sent = os.urandom(1024 * 1024) + b"."
    program = ["sh", "-c", f"stty raw -echo; printf ready; head -c {len(sent)}"]
    terminal = Terminal()
    stream = await backend.exec(ExecRequest(new_uid(), container, program), terminal)
    await terminal.shows(b"ready")
    for start in range(0, len(sent), 50_000):
        stream.write(sent[start : start + 50_000])
        await stream.drain()
    assert await terminal.end() == (0, None)
    assert bytes(terminal.seen) == b"ready" + sent
    await stream.close()


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki.make()


async def test_plain_tcp(docker_place: DockerPlace) -> None:
    async with (
        relay(docker_place.host.removeprefix("unix://")) as address,
        reached({"host": f"tcp://{address}"}) as backend,
    ):
        assert await backend.check()
        await echo_a_megabyte(backend, docker_place.container("debian"))


async def test_tls_with_a_client_certificate(docker_place: DockerPlace, pki: Pki, tmp_path: Path) -> None:
    credentials = {"ca": pki.ca.pem, "cert": pki.client.pem, "key": pki.client.key}
    context = pki.server_context(tmp_path)
    async with (
        relay(docker_place.host.removeprefix("unix://"), context) as address,
        reached({"host": f"tcp://{address}", "tls_verify": True}, credentials) as backend,
    ):
        assert await backend.check()
        await echo_a_megabyte(backend, docker_place.container("debian"))
        uid, terminal = new_uid(), Terminal()
        await backend.exec(ExecRequest(uid, docker_place.container("debian"), ["sleep", "1000"]), terminal)
        report = await backend.end_processes(uid, docker_place.container("debian"), kill_protected=False)
        assert [process.outcome for process in report.processes] == ["ended"]


async def test_tls_refusals_are_told_in_words(docker_place: DockerPlace, pki: Pki, tmp_path: Path) -> None:
    client = {"cert": pki.client.pem, "key": pki.client.key}
    stranger = {"cert": pki.stranger.pem, "key": pki.stranger.key}
    cases = [
        ({"ca": pki.stranger.pem, **client}, "not one that the provider's CA has signed"),
        ({**client}, "not one that the provider's CA has signed"),
        ({"ca": pki.ca.pem}, "client certificate"),
        ({"ca": pki.ca.pem, **stranger}, "client certificate"),
    ]
    async with relay(docker_place.host.removeprefix("unix://"), pki.server_context(tmp_path)) as address:
        for credentials, words in cases:
            async with reached({"host": f"tcp://{address}"}, credentials) as backend:
                with pytest.raises(BackendError, match=words):
                    await backend.check()


def test_the_client_key_stays_in_no_file(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    credentials = {"ca": pki.ca.pem, "cert": pki.client.pem, "key": pki.client.key}
    Address.parse({"host": "tcp://127.0.0.1:2376"}, credentials)
    assert not any(files for _, _, files in os.walk(tmp_path))


@pytest.mark.parametrize(
    "credentials", [{"ca": "x"}, {"cert": "x", "key": "y"}, {"cert": "only"}, {"key": "only"}, {"ca": "-----BEGIN"}]
)
async def test_unusable_certificates_are_told_in_words(credentials: dict[str, str]) -> None:
    with pytest.raises(ProviderMisconfigured, match="TLS files cannot be used"):
        open_backend("docker", {"host": "tcp://127.0.0.1:1"}, credentials)


@pytest.mark.parametrize(
    "host", ["ssh://host", "npipe:////./pipe", "unix://", "tcp://", "tcp://u:p@h", "tcp://h:x", "docker"]
)
async def test_addresses_that_are_none_are_refused(host: str) -> None:
    with pytest.raises(ProviderMisconfigured, match="is not the address of a Docker Engine"):
        open_backend("docker", {"host": host}, {})


async def test_nothing_listening_is_told_at_once() -> None:
    for host in ("unix:///nowhere/docker.sock", f"tcp://{closed_port()}", "tcp://no-such-host.invalid:2375"):
        async with asyncio.timeout(10), reached({"host": host}) as backend:
            for call in (backend.check(), backend.containers(Selector("", "name", "*")), backend.discover(5)):
                with pytest.raises(ProviderUnreachable):
                    await call


async def test_an_engine_that_never_answers_is_told_in_time(docker_host: str) -> None:
    async with black_hole() as address:
        plain, secured = {"host": f"tcp://{address}"}, {"host": f"tcp://{address}", "tls_verify": True}
        async with asyncio.timeout(10), reached(plain) as one, reached(secured) as other:
            request = ExecRequest(new_uid(), Container("x"))
            calls = (
                one.check(),
                one.exec(request, Terminal()),
                other.check(),
                one.end_processes("ws-1", Container("x"), kill_protected=False),
            )
            errors = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in errors] == [ProviderUnreachable] * 4


async def test_something_else_than_an_engine_is_told() -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server, reached({"host": "tcp://{}:{}".format(*server.sockets[0].getsockname())}) as backend:
        with pytest.raises(BackendError, match="does not answer like a Docker Engine"):
            await backend.check()


async def test_a_broken_connection_ends_the_stream_with_the_reason(docker_place: DockerPlace) -> None:
    container, terminal, uid = docker_place.container("debian"), Terminal(), new_uid()
    async with relay(docker_place.host.removeprefix("unix://")) as address:
        backend = open_backend("docker", {"host": f"tcp://{address}"}, {})
        await backend.exec(ExecRequest(uid, container, ["sleep", "1000"]), terminal)
    exit_code, error = await terminal.end()
    assert exit_code is None
    assert isinstance(error, ProviderUnreachable)
    await backend.close()
    async for direct in use(docker_place):
        report = await direct.end_processes(uid, container, kill_protected=True)
        assert [process.outcome for process in report.processes] == ["ended"]


async def test_a_paused_container_is_told_in_words(engine: Backend, docker_place: DockerPlace) -> None:
    container = docker_place.new_container("busybox")
    docker_place.engine.containers.get(container.id).pause()
    try:
        with pytest.raises(BackendError, match="is paused"):
            await engine.exec(ExecRequest(new_uid(), container), Terminal())
        assert [found.state for found in await engine.containers(Selector("", "name", container.container_name))] == [
            "paused"
        ]
    finally:
        docker_place.engine.containers.get(container.id).unpause()


async def test_detach_keys_of_docker_reach_the_program(engine: Backend, docker_place: DockerPlace) -> None:
    program = ["sh", "-c", "stty raw -echo; printf ready; exec cat"]
    terminal, uid, container = Terminal(), new_uid(), docker_place.container("debian")
    stream = await engine.exec(ExecRequest(uid, container, program), terminal)
    await terminal.shows(b"ready")
    for number, key in enumerate((b"\x10", b"\x11", b"\x10\x11"), start=1):
        stream.write(key)
        await terminal.until(lambda expected=5 + number + number // 3: len(terminal.seen) == expected)
    assert not terminal.closings
    await engine.end_processes(uid, container, kill_protected=True)


async def test_selectors(engine: Backend, docker_place: DockerPlace) -> None:
    project, label = f"shop-{RUN}", {"com.docker.compose.service": "web", "tier": "front end", "team": RUN}
    web = docker_place.new_container("busybox", labels={"com.docker.compose.project": project, **label})
    other = docker_place.new_container("busybox", labels={"com.docker.compose.project": f"{project}-b", **label})

    async def names(namespace: str, kind: str, value: str) -> list[str]:
        return [container.container_name for container in await engine.containers(Selector(namespace, kind, value))]

    both = sorted([web.container_name, other.container_name])
    assert await names(project, "compose", "web") == [web.container_name]
    assert await names(project, "compose", "db") == []
    assert await names("", "labels", f"tier=front end,team={RUN}") == both
    assert await names(f"team={RUN}", "labels", "tier=front end") == both
    assert await names(f"team={RUN}", "name", "*") == both
    assert await names("", "name", f"backends-{RUN}-*-busybox") != []
    assert await names("", "name", web.container_name) == [web.container_name]
    with pytest.raises(InvalidTarget):
        await names(project, "workload", "web")


async def test_a_listed_container_says_what_it_is(engine: Backend, docker_place: DockerPlace) -> None:
    made = docker_place.new_container(
        "busybox", labels={"com.docker.compose.project": RUN, "com.docker.compose.service": "web"}
    )
    (found,) = await engine.containers(Selector("", "name", made.container_name))
    assert found == Container(
        made.container_name, namespace=RUN, id=made.id, deployment_name="web", image="testbed/busybox:1"
    )


async def test_discovery_offers_compose_services_and_single_containers(
    engine: Backend, docker_place: DockerPlace
) -> None:
    single = docker_place.new_container("busybox")
    for _ in range(2):
        docker_place.new_container(
            "busybox", labels={"com.docker.compose.project": f"disco-{RUN}", "com.docker.compose.service": "api"}
        )
    offered = await engine.discover(1000)
    assert offered.count((Selector(f"disco-{RUN}", "compose", "api"), f"disco-{RUN} / api")) == 1
    assert (Selector("", "name", single.container_name), single.container_name) in offered
    assert not any(name.startswith("k8s_") for _, name in offered)
    assert len(await engine.discover(1)) == 1
