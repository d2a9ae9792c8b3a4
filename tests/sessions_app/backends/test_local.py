"""What is particular to this machine as a provider: the switch, and that nothing of the portal leaks into a shell."""

import os
import pwd
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions_app.backends import open_backend
from sessions_app.backends.base import Backend, Container, ExecRequest, ProviderMisconfigured, Selector
from tests.sessions_app.backends.conftest import use
from tests.sessions_app.backends.places import LocalPlace, new_uid
from tests.sessions_app.backends.terminal import Terminal, eventually


@pytest.fixture
async def machine(local_place: LocalPlace) -> AsyncIterator[Backend]:
    """A backend of this machine."""
    async for backend in use(local_place):
        yield backend


@pytest.mark.parametrize("value", [None, "", "0", "true", "yes"])
def test_it_is_off_unless_switched_on(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTHOLE_LOCAL_PROVIDER", raising=False)
    if value is not None:
        monkeypatch.setenv("PORTHOLE_LOCAL_PROVIDER", value)
    with pytest.raises(ProviderMisconfigured, match="switched off"):
        open_backend("local", {}, {})


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ProviderMisconfigured, match="no kind of provider"):
        open_backend("podman", {}, {})


async def test_one_container_is_offered(machine: Backend) -> None:
    (offered, name), *others = await machine.discover(20)
    assert not others
    assert name == "shell"
    (container,) = await machine.containers(offered)
    assert (container.container_name, container.state) == ("local", "running")
    assert await machine.discover(0) == []
    assert len(await machine.containers(Selector("", "labels", ""))) == 1


async def test_a_shell_has_a_clean_environment(machine: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "the-portals-own-secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://user:the-portals-own-secret@db/porthole")
    terminal, container = Terminal(), Container("local")
    await machine.exec(ExecRequest(new_uid(), container, ["sh", "-c", "env; cat /proc/$$/environ; pwd"]), terminal)
    await terminal.end()
    assert b"secret" not in terminal.seen
    names = {line.split(b"=")[0] for line in bytes(terminal.seen).splitlines() if b"=" in line and b"\0" not in line}
    assert names <= {
        *(b"PATH", b"HOME", b"USER", b"LOGNAME", b"LANG", b"TERM", b"COLORTERM", b"PWD", b"OLDPWD", b"SHLVL", b"_"),
        *(b"PORTHOLE_SESSION_ID", b"PORTHOLE_SESSION_LEADER"),
    }
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert terminal.seen.endswith(f"{home}\r\n".encode())


async def test_signals_that_the_portal_ignores_reach_a_program_all_the_same(machine: Backend) -> None:
    """A portal under nohup ignores the hang-up, one in a script's background the interrupt, too."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        terminal = Terminal()
        program = ["sh", "-c", "grep SigIgn /proc/$$/status"]
        await machine.exec(ExecRequest(new_uid(), Container("local"), program), terminal)
        await terminal.end()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    ignored = int(terminal.seen.split()[1], 16)
    assert not any(ignored & 1 << number - 1 for number in numbers)


async def test_no_file_of_the_portal_is_open_in_a_shell(machine: Backend) -> None:
    terminal = Terminal()
    program = ["sh", "-c", "ls -l /proc/$$/fd"]
    secret = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(secret, False)
    await machine.exec(ExecRequest(new_uid(), Container("local"), program), terminal)
    await terminal.end()
    os.close(secret)
    targets = [line.split(b" -> ")[1] for line in terminal.seen.splitlines() if b" -> " in line]
    assert len(targets) == 3
    assert all(target.startswith(b"/dev/pts/") for target in targets)


async def test_the_terminal_is_the_programs_controlling_one(machine: Backend) -> None:
    terminal = Terminal()
    program = ["sh", "-c", "printf ready; exec sleep 1000"]
    stream = await machine.exec(ExecRequest(new_uid(), Container("local"), program), terminal)
    await terminal.shows(b"ready")
    stream.write(b"\x03")
    assert await terminal.end() == (130, None)


async def test_streams_leave_no_file_open(machine: Backend) -> None:
    def count() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = count()
    for _ in range(5):
        terminal = Terminal()
        stream = await machine.exec(ExecRequest(new_uid(), Container("local"), ["sleep", "1000"]), terminal)
        await stream.close()
    await eventually(lambda: count() <= before)
