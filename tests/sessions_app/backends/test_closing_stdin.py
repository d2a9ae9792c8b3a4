"""Ways of closing stdin that the test bed's own engines do not show, and input that nobody reads for long."""

import asyncio
import hashlib
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from sessions_app.backends import kubernetes_stream, open_backend
from sessions_app.backends.base import Backend, Container, ExecRequest
from sessions_app.backends.peers import peer_is_silent
from tests.sessions_app.backends.conftest import use
from tests.sessions_app.backends.places import DockerPlace, KubernetesPlace, new_uid
from tests.sessions_app.backends.relays import Pki, half_closing
from tests.sessions_app.backends.terminal import Terminal
from tests.sessions_app.backends.test_pipes import feed
from tests.sessions_app.backends.test_strangers import served

MIB = 1024 * 1024


async def there_and_back(backend: Backend, container: Container, size: int) -> None:
    """Through `cat`, so that much comes back while stdin is being closed."""
    data, pipes = os.urandom(size), Terminal()
    stream = await backend.exec(ExecRequest(new_uid(), container, ["cat"], tty=False), pipes)
    await feed(stream, data)
    assert stream.write_eof()
    assert await pipes.end(patience=30) == (0, None)
    assert hashlib.sha256(pipes.seen).digest() == hashlib.sha256(data).digest()


async def test_under_tls_stdin_is_closed_and_output_goes_on(docker_place: DockerPlace, tmp_path: Path) -> None:
    pki = Pki.make()
    credentials = {"ca": pki.ca.pem, "cert": pki.client.pem, "key": pki.client.key}
    with half_closing(docker_place.host.removeprefix("unix://"), pki.server_context(tmp_path)) as address:
        backend = open_backend("docker", {"host": f"tcp://{address}", "tls_verify": True}, credentials)
        try:
            container = docker_place.container("debian")
            for size in (0, 1, 8 * MIB):
                await there_and_back(backend, container, size)
            await closes_while_paused(backend, container)
        finally:
            await backend.close()


async def closes_while_paused(backend: Backend, container: Container) -> None:
    """What has come and was not read stands in the way of the end of the other direction, until it is read."""
    pipes = Terminal()
    program = ["sh", "-c", f"head -c {4 * MIB} /dev/zero; wc -c >&2"]
    stream = await backend.exec(ExecRequest(new_uid(), container, program, tty=False), pipes)
    stream.pause_reading()
    await pipes.stands_still()
    stream.write(b"12345")
    assert stream.write_eof()
    stream.resume_reading()
    assert await pipes.end() == (0, None)
    assert (len(pipes.seen), bytes(pipes.errors)) == (4 * MIB, b"5\n")


@asynccontextmanager
async def newer_cluster(place: KubernetesPlace, offered: list[str]) -> AsyncIterator[str]:
    """The exec call of an API server that speaks version 5, in front of one that does not: kubectl is its way there, as
    it can close stdin by another protocol. Notes what clients offer."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        offered.append(request.headers["Sec-WebSocket-Protocol"])
        channel = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await channel.prepare(request)
        pod, container = request.path.split("/")[6], request.query["container"]
        process = await asyncio.create_subprocess_exec(
            *place.kubectl_command("exec", "-i", pod, "-c", container, "--", *request.query.getall("command")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr

        async def pass_on(number: int, source: asyncio.StreamReader) -> None:
            while data := await source.read(65536):
                await channel.send_bytes(bytes((number,)) + data)

        async def take() -> None:
            assert process.stdin
            async for message in channel:
                if message.type is WSMsgType.BINARY and message.data[0] == 0:
                    process.stdin.write(message.data[1:])
                    await process.stdin.drain()
                elif message.type is WSMsgType.BINARY and message.data == b"\xff\x00":
                    process.stdin.close()

        taking = asyncio.create_task(take())
        await asyncio.gather(pass_on(1, process.stdout), pass_on(2, process.stderr))
        status = {"status": "Success"} if await process.wait() == 0 else {"status": "Failure", "message": "it failed"}
        await channel.send_bytes(b"\x03" + json.dumps(status).encode())
        taking.cancel()
        await channel.close()
        return channel

    async with served(handle) as address:
        yield f"http://{address}"


async def test_a_newer_cluster_is_told_to_close_stdin_and_needs_no_frames(kubernetes_place: KubernetesPlace) -> None:
    offered: list[str] = []
    container = kubernetes_place.container("debian")
    async with newer_cluster(kubernetes_place, offered) as server:
        backend = open_backend("kubernetes", {"server": server}, {"token": "t"})
        try:
            await there_and_back(backend, container, 2 * MIB)
            await there_and_back(backend, container, 0)
        finally:
            await backend.close()
    assert offered == ["v5.channel.k8s.io"] * 2


async def test_an_older_cluster_is_asked_once(
    kubernetes_place: KubernetesPlace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async for backend in use(kubernetes_place):
        await there_and_back(backend, kubernetes_place.container("busybox"), 10)
        await there_and_back(backend, kubernetes_place.container("busybox"), 10)
    assert caplog.text.count("stdin is sent to it in frames") == 1


async def test_what_passed_input_on_leaves_nothing_behind(kubernetes_place: KubernetesPlace) -> None:
    """The first process of most containers reaps no orphans."""
    container = kubernetes_place.new_container("debian")
    async for backend in use(kubernetes_place):
        for program in (["sleep", "0.3"], ["head", "-c", "1000"], ["sh", "-c", "exec <&-; sleep 0.3"]):
            pipes = Terminal()
            stream = await backend.exec(ExecRequest(new_uid(), container, program, tty=False), pipes)
            stream.write(bytes(MIB))
            assert await pipes.end() == (0, None)
    left = kubernetes_place.run(container, "ps", "-e", "-o", "stat,comm").splitlines()[1:]
    assert sorted(line.split()[1] for line in left) == ["ps", "sleep"], left


@pytest.mark.parametrize("tty", [True, False])
async def test_input_that_nobody_reads_is_no_dead_connection(
    kubernetes_place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch, *, tty: bool
) -> None:
    monkeypatch.setattr(kubernetes_stream, "KEEPALIVE", 0.1)
    monkeypatch.setattr(kubernetes_stream, "SILENCE", 0.5)
    size = 24 * MIB
    async for backend in use(kubernetes_place):
        pipes, container = Terminal(), kubernetes_place.container("debian")
        raw = "stty raw -echo; " if tty else ""
        program = ["sh", "-c", f"{raw}printf ready; sleep 2; head -c {size} | wc -c"]
        stream = await backend.exec(ExecRequest(new_uid(), container, program, tty=tty), pipes)
        await pipes.shows(b"ready")
        await feed(stream, bytes(size))
        assert await pipes.end(patience=40) == (0, None)
        assert f"{size}".encode() in pipes.seen


async def test_a_peer_that_answers_is_not_silent_however_full_it_is() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as client, server.accept()[0]:
        assert not peer_is_silent(client, 0)
        client.setblocking(False)
        with suppress(BlockingIOError):
            while client.send(bytes(MIB)):
                pass
        for _ in range(20):  # probes of its window go out, and are answered
            await asyncio.sleep(0.1)
            assert not peer_is_silent(client, 0)
    assert not peer_is_silent(client, 0)
    assert not peer_is_silent(None, 0)
