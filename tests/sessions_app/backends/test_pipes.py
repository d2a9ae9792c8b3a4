"""A program without a terminal, which every backend runs the same, on real engines."""

import asyncio
import hashlib
import os
from collections.abc import Sequence

import pytest

from sessions_app.backends.base import (
    WRITE_HIGH_WATER,
    Backend,
    CommandNotFound,
    ContainerGone,
    ExecRequest,
    ExecStream,
)
from tests.sessions_app.backends.places import DockerPlace, KubernetesPlace, Place, new_uid, unique_sleep
from tests.sessions_app.backends.terminal import Terminal, eventually
from tests.sessions_app.backends.test_contract import HOSTILE, opened

PIECE = 64 * 1024


async def feed(stream: ExecStream, data: bytes) -> None:
    """As the engine does: a piece, and wait until there is room for the next."""
    for start in range(0, len(data), PIECE):
        stream.write(data[start : start + PIECE])
        await stream.drain()
        await asyncio.sleep(0)


async def result(
    backend: Backend, place: Place, program: Sequence[str], given: bytes = b"", image: str = "debian"
) -> tuple[int | None, bytes, bytes]:
    """Run a program to its end, its stdin closed after `given`: exit code, stdout, stderr."""
    async with opened(backend, place.container(image), program, tty=False) as (stream, pipes):
        stream.write(given)
        assert stream.write_eof()
        exit_code, error = await pipes.end()
        assert error is None
        return exit_code, bytes(pipes.seen), bytes(pipes.errors)


async def test_stdout_and_stderr_come_apart_each_in_order(backend: Backend, place: Place) -> None:
    lines = "i=0; while [ $i -lt 500 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done"
    code, out, err = await result(backend, place, ["sh", "-c", lines])
    assert code == 0
    assert out.decode() == "".join(f"out{number}\n" for number in range(500))
    assert err.decode() == "".join(f"err{number}\n" for number in range(500))


@pytest.mark.parametrize("image", ["debian", "busybox"])
async def test_bytes_pass_unchanged_both_ways(backend: Backend, place: Place, image: str) -> None:
    data = bytes(range(256)) * 16 + os.urandom(32 * 1024 * 1024)
    if image == "busybox":
        data = data[: 2 * 1024 * 1024 + 11]
    async with opened(backend, place.container(image), ["cat"], tty=False) as (stream, pipes):
        await feed(stream, data)
        assert stream.write_eof()
        exit_code, error = await pipes.end(patience=60)
        assert (exit_code, error, bytes(pipes.errors)) == (0, None, b"")
        assert len(pipes.seen) == len(data)
        assert hashlib.sha256(pipes.seen).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 126", 126), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
async def test_exit_code_is_the_programs(backend: Backend, place: Place, script: str, code: int) -> None:
    # No word of a shell that waited for it: what stderr holds is the program's.
    assert await result(backend, place, ["sh", "-c", f"echo last >&2; {script}"]) == (code, b"", b"last\n")


async def test_input_ends_where_it_was_ended_and_not_before(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "head -n 1; echo then; cat; echo end"]
    async with opened(backend, place.container("debian"), program, tty=False) as (stream, pipes):
        stream.write(b"first\n")
        await pipes.shows(b"then\n")
        stream.write(b"second\n")
        await pipes.shows(b"second\n")
        assert not pipes.closings
        assert stream.write_eof()
        assert stream.write_eof(), "to say it twice is no harm"
        stream.write(b"too late")
        assert await pipes.end() == (0, None)
        assert bytes(pipes.seen) == b"first\nthen\nsecond\nend\n"


async def test_input_that_is_ended_at_once_is_empty(backend: Backend, place: Place) -> None:
    assert await result(backend, place, ["wc", "-c"]) == (0, b"0\n", b"")


async def test_a_program_that_reads_nothing_holds_its_input_back_and_ends_as_it_likes(
    backend: Backend, place: Place
) -> None:
    program = ["sh", "-c", "echo ready; sleep 1; echo done"]
    async with opened(backend, place.container("debian"), program, tty=False) as (stream, pipes):
        await pipes.shows(b"ready\n")
        feeding = asyncio.create_task(feed(stream, bytes(64 * 1024 * 1024)))
        assert await pipes.end() == (0, None)
        async with asyncio.timeout(5):
            await feeding  # a stream that is over holds nobody up
        assert bytes(pipes.seen) == b"ready\ndone\n"


async def test_input_waits_while_the_program_does_not_read(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "while [ ! -e $0 ]; do sleep 0.05; done; rm $0; wc -c", f"/tmp/{new_uid()}"]
    size = 24 * 1024 * 1024
    async with opened(backend, place.container("debian"), program, tty=False) as (stream, pipes):
        feeding = asyncio.create_task(feed(stream, bytes(size)))
        done, _ = await asyncio.wait({feeding}, timeout=1)
        assert not done
        place.run(place.container("debian"), "touch", program[-1])
        await feeding
        assert stream.write_eof()
        await pipes.end()
        assert bytes(pipes.seen) == b"%d\n" % size


async def test_a_program_may_leave_its_input_unread_and_go_on(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "exec <&-; echo closed; sleep 0.3; exit 4"]
    async with opened(backend, place.container("debian"), program, tty=False) as (stream, pipes):
        await pipes.shows(b"closed\n")
        stream.write(bytes(WRITE_HIGH_WATER))
        assert await pipes.end() == (4, None)


async def test_closing_a_stream_that_cannot_write_does_not_wait(backend: Backend, place: Place) -> None:
    async with opened(backend, place.container("debian"), ["sleep", "1000"], tty=False) as (stream, pipes):
        for _ in range(64):
            stream.write(bytes(1024 * 1024))
        async with asyncio.timeout(5):
            await stream.close()
            await stream.drain()
        assert pipes.closings == [(None, None)]


async def test_paused_stream_blocks_its_program_and_loses_nothing(backend: Backend, place: Place) -> None:
    size = 24 * 1024 * 1024
    program = ["sh", "-c", f"yes 012345 | head -c {size} & yes 6789 | head -c 1000000 >&2; wait"]
    async with opened(backend, place.container("debian"), program, tty=False) as (stream, pipes):
        await pipes.until(lambda: len(pipes.seen) > 256 * 1024)
        stream.pause_reading()
        assert await pipes.stands_still() < size
        stream.resume_reading()
        assert await pipes.end() == (0, None)
        assert bytes(pipes.seen) == (b"012345\n" * (size // 7 + 1))[:size]
        assert bytes(pipes.errors) == b"6789\n" * 200_000


async def test_environment_has_the_sessions_mark_and_no_terminal(backend: Backend, place: Place) -> None:
    uid = new_uid()
    program = ["sh", "-c", 'echo "$PORTHOLE_SESSION_ID|$TERM|$COLORTERM"; test -t 0 || test -t 1 || echo none']
    async with opened(backend, place.container("debian"), program, tty=False, session_uid=uid) as (stream, pipes):
        assert stream.write_eof()
        await pipes.end()
        assert pipes.seen.decode().replace("dumb", "") == f"{uid}||\nnone\n"


@pytest.mark.parametrize("image", ["debian", "busybox"])
async def test_hostile_arguments_arrive_unchanged(backend: Backend, place: Place, image: str) -> None:
    program = ["sh", "-c", 'for word; do printf "[%s]" "$word"; done', "$0; exit 9", *HOSTILE]
    assert await result(backend, place, program, image=image) == (
        0,
        "".join(f"[{word}]" for word in HOSTILE).encode(),
        b"",
    )


async def test_missing_program_is_told_in_words(backend: Backend, place: Place) -> None:
    pipes = Terminal()
    with pytest.raises(CommandNotFound, match="There is no program “no-such-thing” in "):
        await backend.exec(ExecRequest(new_uid(), place.container("debian"), ["no-such-thing"], tty=False), pipes)
    assert not pipes.seen + pipes.errors
    assert not pipes.closings


async def test_container_removed_under_a_program_ends_it_once(remote_backend: Backend, remote_place: Place) -> None:
    container, pipes = remote_place.new_container("busybox"), Terminal()
    stream = await remote_backend.exec(ExecRequest(new_uid(), container, ["cat"], tty=False), pipes)
    remote_place.remove(container)
    _, error = await pipes.end()
    assert isinstance(error, ContainerGone)
    await stream.close()
    assert len(pipes.closings) == 1


async def test_what_a_program_left_behind_is_found_without_a_terminal(backend: Backend, place: Place) -> None:
    container, pipes, uid, rest = place.container("debian"), Terminal(), new_uid(), unique_sleep()
    program = ["sh", "-c", f"{rest} >/dev/null 2>&1 & env -i {rest}1 >/dev/null 2>&1 & echo left"]
    stream = await backend.exec(ExecRequest(uid, container, program, tty=False), pipes)
    assert await pipes.end() == (0, None)
    assert place.runs(container, rest)
    report = await backend.end_processes(uid, container, kill_protected=False)
    # The program's own helpers, where it had any, ended with it: what is found was its own.
    assert sorted(process.command for process in report.processes) == [rest, f"{rest}1"]
    assert {process.outcome for process in report.processes} == {"ended"}
    await eventually(lambda: not place.runs(container, rest) and not place.runs(container, f"{rest}1"))
    await stream.close()


async def test_a_program_that_runs_is_ended_with_all_that_serves_it(backend: Backend, place: Place) -> None:
    container, pipes, uid, rest = place.container("debian"), Terminal(), new_uid(), unique_sleep()
    stream = await backend.exec(ExecRequest(uid, container, rest.split(), tty=False), pipes)
    stream.write(bytes(1000))
    await eventually(lambda: place.runs(container, rest))
    await backend.end_processes(uid, container, kill_protected=False)
    await pipes.end()
    await eventually(lambda: not any(rest in command for command in place.commands(container)))
    assert not place.runs(container, rest)
    await stream.close()


async def test_without_a_shell_stdin_is_closed_where_the_engine_can(docker_place: DockerPlace) -> None:
    backend, pipes, uid = docker_place.backend(), Terminal(), new_uid()
    container = docker_place.container("noshell")
    stream = await backend.exec(ExecRequest(uid, container, ["/pause"], tty=False), pipes)
    assert stream.write_eof()
    await stream.close()
    await backend.close()


async def test_without_a_shell_a_cluster_that_cannot_close_stdin_says_so(kubernetes_place: KubernetesPlace) -> None:
    backend, pipes, uid = kubernetes_place.backend(), Terminal(), new_uid()
    container = kubernetes_place.container("noshell")
    stream = await backend.exec(ExecRequest(uid, container, ["/pause"], tty=False), pipes)
    assert not stream.write_eof()
    assert not pipes.closings
    await stream.close()
    await backend.close()
