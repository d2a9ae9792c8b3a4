"""What is at a provider's address may be anything: a server that answers nonsense, says too much, or dies.

The servers here are real ones on this machine that answer each request with what the test gives them.
"""

import asyncio
import contextlib
import json
import logging
import re
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sessions_app.backends import kubernetes_stream, open_backend
from sessions_app.backends.base import (
    AnswerTooLong,
    Backend,
    BackendError,
    Container,
    ExecRequest,
    ProviderMisconfigured,
    ProviderUnreachable,
    Selector,
)
from sessions_app.backends.docker_engine import Address
from sessions_app.backends.docker_pull import MAX_LAYERS, pull
from sessions_app.backends.kubernetes_stream import KubernetesStream
from tests.sessions_app.backends.places import new_uid
from tests.sessions_app.backends.relays import closed_port
from tests.sessions_app.backends.terminal import Terminal

CONTAINER = Container("main", "pod", "default", id="0" * 64)
SECRET = "what-the-body-said"


@asynccontextmanager
async def served(handle: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """A server that answers everything by `handle`. Yields `127.0.0.1:port`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield "{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


def answering(answer: object, status: int = 200) -> Callable[[web.Request], Any]:
    """Answers `answer` as JSON; a sane version where an engine is asked for it."""

    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("/version") and status == 200:
            return web.json_response({"ApiVersion": "1.41", "Version": "1"})
        return web.Response(status=status, body=json.dumps(answer), content_type="application/json")

    return handle


@asynccontextmanager
async def reached(kind: str, address: str) -> AsyncIterator[Backend]:
    if kind == "docker":
        backend = open_backend("docker", {"host": f"tcp://{address}"}, {})
    else:
        backend = open_backend("kubernetes", {"server": f"http://{address}"}, {"token": "t"})
    try:
        yield backend
    finally:
        await backend.close()


def everything(backend: Backend) -> list[Any]:
    return [
        backend.containers(Selector("default", "name", "*")),
        backend.discover(5),
        backend.running(CONTAINER),
        backend.exec(ExecRequest(new_uid(), CONTAINER), Terminal()),
        backend.end_processes(new_uid(), CONTAINER, kill_protected=False),
    ]


NONSENSE: list[object] = [
    {}, [], None, 7, "text", [7], [{}], [[]], {"State": None}, {"State": []}, {"Id": 7}, {"Id": "a\r\nb"},
    [{"Id": "ab", "Names": 7}], [{"Id": "ab", "Names": [7]}], [{"Id": "ab", "Labels": ["x"]}],
    {"items": [{}]}, {"items": [{"metadata": {}, "spec": {"containers": []}}]}, {"items": 7}, {"metadata": 7},
    {"metadata": {}, "spec": {"containers": [{"name": "main"}]}, "status": {"containerStatuses": 7}},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
@pytest.mark.parametrize("answer", NONSENSE, ids=[json.dumps(answer)[:40] for answer in NONSENSE])
async def test_an_answer_of_another_shape_is_told_and_breaks_nothing(kind: str, answer: object) -> None:
    async with served(answering(answer)) as address, reached(kind, address) as backend:
        outcomes = await asyncio.gather(*everything(backend), return_exceptions=True)
    for outcome in outcomes:
        assert not isinstance(outcome, BaseException) or isinstance(outcome, BackendError), repr(outcome)


@pytest.mark.parametrize("version", [{}, [], None, 7, {"ApiVersion": 7}, {"ApiVersion": "1.41/../x"}])
async def test_an_engine_without_a_version_is_none(version: object) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(version)

    async with served(handle) as address, reached("docker", address) as backend:
        with pytest.raises(ProviderMisconfigured, match="does not answer like a Docker Engine"):
            await backend.check()


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 500, 503])
async def test_neither_the_address_nor_the_body_of_an_error_is_told(
    kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(answering({"message": SECRET}, status)) as address, reached(kind, address) as backend:
        outcomes = await asyncio.gather(*everything(backend), backend.check(), return_exceptions=True)
    told = [str(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
    assert told
    for sentence in told:
        assert SECRET not in sentence
        assert address.partition(":")[2] not in sentence
        assert re.search(r"\w{3,}.*\.$", sentence)
    assert SECRET in caplog.text


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
async def test_an_answer_without_end_is_given_up_and_nothing_of_it_is_kept(kind: str, status: int) -> None:
    """Packed, too: a thousandth of it travels."""
    piece, sent = b"[" + b" " * (1024 * 1024 - 1), 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        if request.path.endswith("/version"):
            return web.json_response({"ApiVersion": "1.41"})
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while sent < 512:
                await response.write(piece)
                sent += 1
        return response

    async with served(handle) as address, reached(kind, address) as backend:
        with pytest.raises(AnswerTooLong, match="more than 32 MiB"):
            await backend.containers(Selector("default", "name", "*"))
    assert sent < 512


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
async def test_an_address_that_leads_nowhere_is_told_to_the_log_alone(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    address = closed_port()
    async with reached(kind, address) as backend:
        with pytest.raises(ProviderUnreachable) as raised:
            await backend.check()
    assert address not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    assert address in caplog.text


async def test_a_message_that_fills_memory_ends_the_stream() -> None:
    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        await socket.send_bytes(b"\x01\x1eporthole ready sized 1:1\x1e")
        await socket.send_bytes(b"\x01" + bytes(5 * 1024 * 1024))
        await socket.receive()
        return socket

    terminal = Terminal()
    async with served(handle) as address, reached("kubernetes", address) as backend:
        await backend.exec(ExecRequest(new_uid(), CONTAINER, ["cat"]), terminal)
        exit_code, error = await terminal.end()
    assert exit_code is None
    assert isinstance(error, BackendError)
    assert len(terminal.seen) < 1024


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
async def test_the_portals_own_proxy_and_netrc_are_for_no_provider(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login portal password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({"ApiVersion": "1.41", "Version": "1"})

    async with served(handle) as address, reached(kind, address) as backend:
        await asyncio.gather(*everything(backend), return_exceptions=True)
    assert seen
    assert not any("Basic" in header for header in seen)


@asynccontextmanager
async def stream_of(
    ending: kubernetes_stream.Ending, serve: Callable[[web.WebSocketResponse], Any], terminal: Terminal
) -> AsyncIterator[KubernetesStream]:
    """A stream on a real WebSocket whose server does as it is told."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await serve(socket)
        return socket

    async with served(handle) as address, aiohttp.ClientSession() as session:
        websocket = await session.ws_connect(f"http://{address}/", autoping=False)
        stream = KubernetesStream(websocket, terminal, ending, None)
        yield stream
        await stream.close()


async def as_it_is(exit_code: int | None, error: BackendError | None) -> tuple[int | None, BackendError | None]:
    return exit_code, error


async def test_a_stream_is_over_although_nobody_can_say_why() -> None:
    async def broken(exit_code: int | None, error: BackendError | None) -> tuple[int | None, BackendError | None]:
        raise LookupError("nobody knows")

    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.close()

    terminal = Terminal()
    async with stream_of(broken, serve, terminal):
        exit_code, error = await terminal.end()
    assert exit_code is None
    assert isinstance(error, BackendError)


async def test_a_dead_connection_is_noticed_while_somebody_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_stream, "KEEPALIVE", 0.1)
    monkeypatch.setattr(kubernetes_stream, "SILENCE", 0.5)

    async def serve(socket: web.WebSocketResponse) -> None:
        while not socket.closed:  # it takes everything and never says a word, not even to a ping
            await socket.receive()

    terminal = Terminal()
    async with stream_of(as_it_is, serve, terminal) as stream:

        async def type_on() -> None:
            while not terminal.closings:
                stream.write(b"x")
                await asyncio.sleep(0.02)

        async with asyncio.timeout(5):
            await type_on()
    assert isinstance(terminal.closings[0][1], ProviderUnreachable)


async def test_a_machine_without_room_for_a_program_says_so() -> None:
    backend = open_backend("local", {}, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        for call in (
            backend.exec(ExecRequest(new_uid(), Container("local"), ["cat"]), Terminal()),
            backend.end_processes(new_uid(), Container("local"), kill_protected=False),
        ):
            with pytest.raises(BackendError, match="cannot start another program"):
                await call
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await backend.close()


async def test_a_stream_whose_terminal_cannot_be_sized_is_not_left_open() -> None:
    closed = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if length := re.search(rb"(?i)content-length: (\d+)", head):
                    await reader.readexactly(int(length[1]))
                path = head.split()[1].decode()
                if path.endswith("/start"):
                    writer.write(b"HTTP/1.1 101 UPGRADED\r\n\r\n\x1eporthole ready unsized 1:1\x1e")
                    await reader.read()
                    closed.set()
                    return
                if "/resize" in path:
                    return  # It breaks the connection.
                body = json.dumps({"ApiVersion": "1.41", "Version": "1", "Id": "ab"}).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                )
                writer.write(body)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    async with server, reached("docker", address) as backend:
        with pytest.raises(ProviderUnreachable):
            await backend.exec(ExecRequest(new_uid(), CONTAINER, ["cat"]), Terminal())
        async with asyncio.timeout(5):
            await closed.wait()


async def pulled(address: str) -> list[str]:
    said: list[str] = []
    await pull(Address.parse({"host": f"tcp://{address}"}, {}), "1.41", "web:1", said.append)
    return said


async def test_an_error_without_end_is_not_read_to_its_end() -> None:
    sent = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse(status=500, headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        with contextlib.suppress(OSError):
            await answer.write(b'{"message": "')
            while sent < 64 * 2**20:
                await answer.write(b"x" * 2**16)
                sent += 2**16
        return answer

    async with served(handle) as address:
        with pytest.raises(BackendError):
            await asyncio.wait_for(pulled(address), 30)
    assert sent < 16 * 2**20


async def test_a_pull_goes_nowhere_else() -> None:
    asked = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"}, text='{"message": "over there"}')

    async with served(handle) as address:
        with pytest.raises(BackendError):
            await pulled(address)
    assert asked == ["/v1.41/images/create"]


async def test_an_image_of_endless_layers_is_remembered_up_to_a_bound() -> None:
    count = MAX_LAYERS + 50
    line = '{{"status": "Downloading", "id": "{}", "progressDetail": {{"current": 0, "total": 1000000}}}}\n'

    async def handle(request: web.Request) -> web.Response:
        return web.Response(text="".join(line.format(number) for number in range(count)))

    async with served(handle) as address:
        said = await pulled(address)
    assert said[-1] == f"pulling the image web:1: 0 of {MAX_LAYERS} MB."
