"""What every backend does the same, on real engines."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sessions_app.backends.base import (
    Backend,
    CommandNotFound,
    Container,
    ContainerGone,
    ExecRequest,
    ExecStream,
    InvalidTarget,
    Selector,
)
from tests.sessions_app.backends.places import Place, new_uid, unique_sleep
from tests.sessions_app.backends.terminal import Terminal, eventually

HOSTILE = [
    "it's",
    'a"b',
    "one\ntwo",
    ";",
    "$(id)",
    "`id`",
    "-n",
    "--",
    "*",
    "",
    " ",
    "a&b=c+d%20?#",
    "żółć 漢字",
    "\\n",
    "\t",
]

# Falling, so that Ctrl-Q never follows Ctrl-P: a cluster whose nodes run Docker (dockershim, gone since Kubernetes
# 1.24) takes that pair for its own. No client can turn it off there; at a Docker Engine itself the backend does. And
# NUL is not the last, as it is the one key that a Docker Engine still holds back.
EVERY_BYTE = bytes((127 - value) % 256 for value in range(256))


@asynccontextmanager
async def opened(
    backend: Backend, container: Container, argv: Sequence[str] = (), **request: object
) -> AsyncIterator[tuple[ExecStream, Terminal]]:
    """A stream and its terminal, ended with all its processes."""
    terminal, uid = Terminal(), str(request.pop("session_uid", new_uid()))
    stream = await backend.exec(ExecRequest(uid, container, argv, **request), terminal)  # type: ignore[arg-type]
    try:
        yield stream, terminal
    finally:
        await backend.end_processes(uid, container, kill_protected=True)
        await stream.close()
        assert len(terminal.closings) == 1


async def test_check_names_what_answers(backend: Backend) -> None:
    assert (await backend.check()).startswith(("Docker Engine 2", "Kubernetes v1.", "Local processes on "))


async def test_shell_shows_a_prompt_and_nothing_of_how_it_was_started(backend: Backend, place: Place) -> None:
    async with opened(backend, place.container("debian")) as (stream, terminal):
        await terminal.until(lambda: terminal.seen.rstrip().endswith((b"#", b"$")))
        assert b"porthole" not in terminal.seen
        stream.write(b'echo "shell is ${0##*/}"\n')
        await terminal.shows(b"shell is bash\r\n")


async def test_shell_is_ash_where_there_is_no_bash(remote_backend: Backend, remote_place: Place) -> None:
    async with opened(remote_backend, remote_place.container("busybox")) as (stream, terminal):
        stream.write(b'echo "shell is $0"\n')
        await terminal.shows(b"shell is ash\r\n")


@pytest.mark.parametrize("image", ["debian", "busybox"])
async def test_terminal_has_its_size_before_the_first_byte(backend: Backend, place: Place, image: str) -> None:
    for cols, rows in ((101, 41), (237, 9)):
        async with opened(backend, place.container(image), ["stty", "size"], cols=cols, rows=rows) as (_, terminal):
            await terminal.end()
            assert bytes(terminal.seen) == f"{rows} {cols}\r\n".encode()


async def test_program_sees_a_resize(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "while :; do stty size; sleep 0.05; done"]
    async with opened(backend, place.container("debian"), program) as (stream, terminal):
        await terminal.shows(b"24 80\r\n")
        await stream.resize(133, 51)
        await terminal.shows(b"51 133\r\n")


async def test_resize_of_an_ended_stream_is_ignored(backend: Backend, place: Place) -> None:
    async with opened(backend, place.container("debian"), ["true"]) as (stream, terminal):
        await terminal.end()
        await stream.resize(100, 30)
        stream.write(b"late")
        await stream.drain()


async def test_exit_code_is_the_programs(backend: Backend, place: Place) -> None:
    for code in (0, 3, 126):
        async with opened(backend, place.container("debian"), ["sh", "-c", f"exit {code}"]) as (_, terminal):
            assert await terminal.end() == (code, None)


async def test_last_output_comes_before_the_end(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "seq 1 20000; printf the-end"]
    async with opened(backend, place.container("debian"), program) as (_, terminal):
        await terminal.end()
        assert bytes(terminal.seen).endswith(b"20000\r\nthe-end")


@pytest.mark.parametrize("image", ["debian", "busybox"])
async def test_hostile_arguments_arrive_unchanged(backend: Backend, place: Place, image: str) -> None:
    program = ["sh", "-c", 'stty -opost; for word; do printf "[%s]" "$word"; done', "$0; exit 9", *HOSTILE]
    async with opened(backend, place.container(image), program) as (_, terminal):
        assert await terminal.end() == (0, None)
        assert terminal.seen.decode() == "".join(f"[{word}]" for word in HOSTILE)


async def test_program_name_is_not_read_by_a_shell(backend: Backend, place: Place) -> None:
    for name in ("$(touch /tmp/pwned)", "true; true", "a b", "no'such"):
        with pytest.raises(CommandNotFound, match="There is no program"):
            await backend.exec(ExecRequest(new_uid(), place.container("debian"), [name]), Terminal())


async def test_environment_is_set_for_every_program(backend: Backend, place: Place) -> None:
    uid = new_uid()
    program = ["sh", "-c", 'stty -opost; printf "%s|" "$TERM" "$COLORTERM" "$PORTHOLE_SESSION_ID" "$HOSTILE"']
    env = {"HOSTILE": "a'b\"c;$(id)\nd", "PORTHOLE_SESSION_ID": "of-somebody-else"}
    container = place.container("debian")
    async with opened(backend, container, program, env=env, session_uid=uid) as (_, terminal):
        await terminal.end()
        assert terminal.seen.decode() == f"xterm-256color|truecolor|{uid}|a'b\"c;$(id)\nd|"


async def test_every_byte_value_passes_both_ways(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "stty raw -echo; printf ready; head -c 1024"]
    async with opened(backend, place.container("debian"), program) as (stream, terminal):
        await terminal.shows(b"ready")
        stream.write(EVERY_BYTE * 4)
        assert await terminal.end() == (0, None)
        assert bytes(terminal.seen) == b"ready" + EVERY_BYTE * 4


async def test_each_key_is_echoed_at_once(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "stty raw -echo; printf ready; exec cat"]
    async with opened(backend, place.container("debian"), program) as (stream, terminal):
        await terminal.shows(b"ready")
        for number, key in enumerate((b"a", b"\x11", b"\x1b", b"\x1e", b"\x7f", b"\xff"), start=1):
            stream.write(key)
            await terminal.until(lambda expected=5 + number: len(terminal.seen) == expected)
        assert bytes(terminal.seen) == b"readya\x11\x1b\x1e\x7f\xff"


async def test_a_large_paste_arrives_whole(backend: Backend, place: Place) -> None:
    paste = os.urandom(1024 * 1024).replace(b"\x10\x11", b"\x10\x10") + b"."
    program = ["sh", "-c", f"stty raw -echo; printf ready; head -c {len(paste)} | sha256sum"]
    async with opened(backend, place.container("debian"), program) as (stream, terminal):
        await terminal.shows(b"ready")
        for start in range(0, len(paste), 100_000):
            stream.write(paste[start : start + 100_000])
            await stream.drain()
        assert await terminal.end() == (0, None)
        assert hashlib.sha256(paste).hexdigest() in terminal.seen.decode()


async def test_paused_stream_blocks_its_program_and_loses_nothing(backend: Backend, place: Place) -> None:
    size = 48 * 1024 * 1024
    program = ["sh", "-c", f"stty raw; yes 012345 | head -c {size}"]
    async with opened(backend, place.container("debian"), program) as (stream, terminal):
        await terminal.until(lambda: len(terminal.seen) > 1024 * 1024)
        stream.pause_reading()
        stopped_at = await terminal.stands_still()
        assert stopped_at < size
        assert not terminal.closings
        stream.resume_reading()
        assert await terminal.end() == (0, None)
        whole = (b"012345\n" * (size // 7 + 1))[:size]
        assert hashlib.sha256(terminal.seen).digest() == hashlib.sha256(whole).digest()


async def test_output_left_behind_by_an_ended_program_survives_a_pause(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "stty raw -echo; printf ready; head -c 1 >/dev/null; printf last-words"]
    async with opened(backend, place.container("debian"), program) as (stream, terminal):
        await terminal.shows(b"ready")
        stream.pause_reading()
        stream.write(b"x")
        await terminal.stands_still()
        stream.resume_reading()
        assert await terminal.end() == (0, None)
        assert bytes(terminal.seen) == b"readylast-words"


async def test_close_ends_the_stream_once_and_for_all(backend: Backend, place: Place) -> None:
    async with opened(backend, place.container("debian"), ["sleep", "1000"]) as (stream, terminal):
        await stream.close()
        assert terminal.closings == [(None, None)]
        stream.write(b"late")
        await stream.drain()
        stream.pause_reading()
        stream.resume_reading()
        await stream.close()


async def test_closing_a_stream_that_cannot_write_does_not_wait(backend: Backend, place: Place) -> None:
    program = ["sh", "-c", "stty raw -echo; printf ready; exec sleep 1000"]
    async with opened(backend, place.container("debian"), program) as (stream, terminal):
        await terminal.shows(b"ready")
        for _ in range(64):
            stream.write(bytes(1024 * 1024))
        await stream.close()
        assert len(terminal.closings) == 1
        await stream.drain()


async def test_closing_the_backend_closes_its_streams(place: Place) -> None:
    backend, terminal, uid = place.backend(), Terminal(), new_uid()
    container = place.container("debian")
    await backend.exec(ExecRequest(uid, container, ["sleep", "1000"]), terminal)
    await backend.close()
    assert len(terminal.closings) == 1
    cleaner = place.backend()
    await cleaner.end_processes(uid, container, kill_protected=True)
    await cleaner.close()


async def test_container_without_a_shell_is_told_in_words(remote_backend: Backend, remote_place: Place) -> None:
    terminal = Terminal()
    with pytest.raises(CommandNotFound, match=r"has no shell\. Give a command that it has, or open a console\.$"):
        await remote_backend.exec(ExecRequest(new_uid(), remote_place.container("noshell")), terminal)
    assert not terminal.seen
    assert not terminal.closings


async def test_missing_program_is_told_in_words(backend: Backend, place: Place) -> None:
    with pytest.raises(CommandNotFound, match="There is no program “no-such-thing” in "):
        await backend.exec(ExecRequest(new_uid(), place.container("busybox"), ["no-such-thing", "-x"]), Terminal())


async def test_program_runs_in_a_container_without_a_shell(remote_backend: Backend, remote_place: Place) -> None:
    container = remote_place.container("noshell")
    terminal = Terminal()
    stream = await remote_backend.exec(ExecRequest(new_uid(), container, ["/pause"]), terminal)
    assert not terminal.closings
    stream.write(b"\x03")
    assert await terminal.end() == (0, None)
    await stream.close()


async def test_missing_program_in_a_container_without_a_shell(remote_backend: Backend, remote_place: Place) -> None:
    container = remote_place.container("noshell")
    with pytest.raises(CommandNotFound, match="There is no program “no-such-thing”"):
        await remote_backend.exec(ExecRequest(new_uid(), container, ["no-such-thing"]), Terminal())


async def test_container_removed_under_a_stream_ends_it_once(remote_backend: Backend, remote_place: Place) -> None:
    container, terminal = remote_place.new_container("busybox"), Terminal()
    stream = await remote_backend.exec(ExecRequest(new_uid(), container), terminal)
    remote_place.remove(container)
    _, error = await terminal.end()
    assert isinstance(error, ContainerGone)
    await stream.close()
    assert len(terminal.closings) == 1


async def test_exec_in_a_removed_container_says_so(remote_backend: Backend, remote_place: Place) -> None:
    container = remote_place.new_container("busybox")
    assert await remote_backend.running(container)
    remote_place.remove(container)
    async with asyncio.timeout(15):
        while await remote_backend.running(container):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.1)
    with pytest.raises(ContainerGone):
        await remote_backend.exec(ExecRequest(new_uid(), container), Terminal())
    report = await remote_backend.end_processes(new_uid(), container, kill_protected=False)
    assert report.container_gone


async def test_a_killed_program_is_not_a_lost_container(backend: Backend, place: Place) -> None:
    async with opened(backend, place.container("debian"), ["bash", "-c", "kill -9 $$"]) as (_, terminal):
        assert await terminal.end() == (137, None)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a%2fb", "a?b", "a#b", "a b", "-a", "a\n", "ä", "a" * 300])
async def test_names_no_provider_could_have_are_refused(backend: Backend, place: Place, name: str) -> None:
    good = place.container("debian")
    bad = [
        Container(container_name=name, pod_name=good.pod_name, namespace=good.namespace),
        *([Container("main", name, good.namespace), Container("main", good.pod_name, name)] if good.pod_name else []),
    ]
    for container in bad:
        with pytest.raises(InvalidTarget):
            await backend.exec(ExecRequest(new_uid(), container), Terminal())
        with pytest.raises(InvalidTarget):
            await backend.end_processes(new_uid(), container, kill_protected=False)


@pytest.mark.parametrize("argv", [["a\0b"], ["sh", "\0"], ["-c", "id"], [""], ["x" * 40_000], ["\ud800"]])
async def test_commands_that_could_not_arrive_are_refused(backend: Backend, place: Place, argv: list[str]) -> None:
    with pytest.raises(InvalidTarget):
        await backend.exec(ExecRequest(new_uid(), place.container("debian"), argv), Terminal())


async def test_a_container_of_another_id_is_not_the_one_that_was_meant(
    remote_backend: Backend, remote_place: Place
) -> None:
    container = remote_place.container("debian")
    assert await remote_backend.running(container)
    assert not await remote_backend.running(replace(container, id="f" * 64))


async def test_selectors_that_are_none_are_refused(remote_backend: Backend, remote_place: Place) -> None:
    namespace = remote_place.container("debian").namespace
    for kind, value in (("labels", "app"), ("labels", ""), ("name", ""), ("name", "a\nb"), ("nonsense", "x")):
        with pytest.raises(InvalidTarget):
            await remote_backend.containers(Selector(namespace, kind, value))


async def test_cancelled_exec_leaves_no_stream(backend: Backend, place: Place) -> None:
    container, uid, command = place.container("debian"), new_uid(), unique_sleep()
    for delay in (0.0, 0.005, 0.02, 0.04):
        terminal = Terminal()
        opening = asyncio.ensure_future(backend.exec(ExecRequest(uid, container, command.split()), terminal))
        await asyncio.sleep(delay)
        opening.cancel()
        done = (await asyncio.gather(opening, return_exceptions=True))[0]
        if isinstance(done, ExecStream):
            await done.close()
    await backend.end_processes(uid, container, kill_protected=True)
    await eventually(lambda: not place.runs(container, command))
