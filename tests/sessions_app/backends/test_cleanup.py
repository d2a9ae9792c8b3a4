"""Ending what a session started, in real containers: what goes, what stays, and what the report says of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from sessions_app.backends import cleanup
from sessions_app.backends.base import Backend, CleanupReport, Container, ExecRequest, ExecStream, FoundProcess
from sessions_app.backends.cleanup import CUT_OFF, Leaders
from tests.sessions_app.backends.conftest import use
from tests.sessions_app.backends.places import DockerPlace, Place, new_uid, unique_sleep
from tests.sessions_app.backends.terminal import Terminal, eventually

# How a program is started in a shell (%s is a sleep of its own), and what becomes of it. `nohup` is written as the trap
# that it sets, since not every image has it.
NOHUP = "(trap '' HUP; exec %s) &"
STARTS = {
    "foreground": ("%s", "ended"),
    "background": ("%s &", "ended"),
    "emptied environment": ("env -i %s &", "ended"),
    "stopped": ("%s & sleep 0.2; kill -STOP $!", "ended"),
    "levels deep": ('sh -c \'sh -c "env -i sh -c \\"%s; :\\"; :" ; :\' &', "ended"),
    "nohup": (NOHUP, "left"),
    "setsid": ("setsid %s &", "left"),
    "setsid with an emptied environment": ("sh -c 'env -i setsid %s & wait' &", "left"),
}


@dataclass
class Shell:
    """A session with a shell in a container."""

    place: Place
    backend: Backend
    image: str
    container: Container
    uid: str
    stream: ExecStream
    terminal: Terminal
    started: list[str] = field(default_factory=list)

    def type(self, line: str) -> None:
        self.stream.write(line.encode() + b"\n")

    async def start(self, how: str) -> str:
        """Start a program in one of the ways of STARTS and wait until it runs. Returns its command line."""
        command = unique_sleep()
        self.started.append(command)
        self.type(STARTS[how][0] % command)
        await eventually(lambda: self.runs(command))
        return command

    def runs(self, command: str) -> bool:
        return self.place.runs(self.container, command)

    async def outcomes(self, *, kill_protected: bool = False) -> dict[str, str]:
        """Clean up; what became of each command line."""
        report = await self.backend.end_processes(self.uid, self.container, kill_protected=kill_protected)
        assert report.note == ""
        assert not report.container_gone
        return {process.command: process.outcome for process in report.processes}


async def open_shell(place: Place, backend: Backend, image: str) -> Shell:
    uid, container, terminal = new_uid(), place.container(image), Terminal()
    stream = await backend.exec(ExecRequest(uid, container), terminal)
    return Shell(place, backend, image, container, uid, stream, terminal)


SHELLS = [
    pytest.param(("docker", "debian"), marks=pytest.mark.docker, id="docker-bash"),
    pytest.param(("docker", "busybox"), marks=pytest.mark.docker, id="docker-ash"),
    pytest.param(("kubernetes", "busybox"), marks=pytest.mark.kubernetes, id="kubernetes-ash"),
    pytest.param(("local", "debian"), id="local-bash"),
]


@pytest.fixture(params=SHELLS)
async def shell(request: pytest.FixtureRequest) -> AsyncIterator[Shell]:
    """A shell of each kind, in each place."""
    name, image = request.param
    place: Place = request.getfixturevalue(f"{name}_place")
    async for backend in use(place):
        shell = await open_shell(place, backend, image)
        yield shell
        await shell.outcomes(kill_protected=True)
        await shell.stream.close()
        # What a first cleanup left on purpose can have no mark and no parent for a second one to find it by.
        for command in shell.started:
            place.run(shell.container, "pkill", "-x", "-f", command)


@pytest.mark.parametrize("how", STARTS)
async def test_each_process_goes_or_stays_and_is_reported(shell: Shell, how: str) -> None:
    command, expected = await shell.start(how), STARTS[how][1]
    outcomes = await shell.outcomes()
    assert outcomes[command] == expected
    assert shell.runs(command) == (expected == "left")
    exit_code, error = await shell.terminal.end()
    assert (exit_code, error) == (129, None), "the shell itself was hung up"


async def test_protected_processes_go_too_when_told(shell: Shell) -> None:
    commands = [await shell.start(how) for how in ("nohup", "setsid", "setsid with an emptied environment")]
    outcomes = await shell.outcomes(kill_protected=True)
    assert {outcomes[command] for command in commands} <= {"ended", "killed"}
    assert not any(shell.runs(command) for command in commands)


async def test_a_handler_for_the_hangup_does_not_protect(shell: Shell) -> None:
    command = unique_sleep()
    shell.type(f"sh -c 'trap : HUP; while :; do {command}; done'")
    await eventually(lambda: shell.runs(command))
    outcomes = await shell.outcomes()
    assert "killed" in outcomes.values()
    assert "survived" not in outcomes.values()
    assert not shell.runs(command)


async def test_a_shell_that_ignores_the_hangup_goes_nevertheless(shell: Shell) -> None:
    shell.type("trap '' HUP; echo deaf-$((40 + 2))")
    await shell.terminal.shows(b"deaf-42")
    assert "killed" in (await shell.outcomes()).values()
    assert (await shell.terminal.end())[0] == 137


@pytest.mark.parametrize("how", ["%s", "env -i %s"])
async def test_what_outlives_its_shell_is_found(shell: Shell, how: str) -> None:
    command = unique_sleep()
    shell.type(f"({how % command} &); sleep 0.2; exit 5")
    assert await shell.terminal.end() == (5, None)
    await eventually(lambda: shell.runs(command))
    assert (await shell.outcomes())[command] == "ended"
    assert not shell.runs(command)


async def test_a_stopped_shell_is_hung_up(shell: Shell) -> None:
    shell.type("kill -STOP $$")
    await eventually(lambda: any(line.startswith("T") for line in shell.place.states(shell.container)))
    await shell.outcomes()
    assert await shell.terminal.end() == (129, None)


async def test_a_restarted_portal_finds_what_an_emptied_environment_hides(shell: Shell) -> None:
    command = await shell.start("emptied environment")
    fresh = shell.place.backend()
    report = await fresh.end_processes(shell.uid, shell.container, kill_protected=False)
    await fresh.close()
    assert {process.command: process.outcome for process in report.processes}[command] == "ended"


async def test_another_session_in_the_same_container_feels_nothing(shell: Shell) -> None:
    other = await open_shell(shell.place, shell.backend, shell.image)
    mine, theirs = await shell.start("background"), await other.start("background")
    outcomes = await shell.outcomes(kill_protected=True)
    assert theirs not in outcomes
    assert not shell.runs(mine)
    assert other.runs(theirs)
    other.type("echo still-$((40 + 2))")
    await other.terminal.shows(b"still-42")
    await other.outcomes()
    await other.stream.close()


async def test_cleaning_twice_finds_nothing_the_second_time(shell: Shell) -> None:
    await shell.start("background")
    assert await shell.outcomes()
    assert await shell.outcomes() == {}


async def test_a_session_that_never_started_has_nothing_to_end(backend: Backend, place: Place) -> None:
    report = await backend.end_processes(new_uid(), place.container("debian"), kill_protected=True)
    assert report.processes == []
    assert report.note == ""


async def test_uid_must_match_whole(shell: Shell) -> None:
    command = await shell.start("background")
    for uid in (shell.uid[:-1], shell.uid + "0", shell.uid[1:]):
        report = await shell.backend.end_processes(uid, shell.container, kill_protected=True)
        assert report.processes == []
    assert shell.runs(command)


async def test_many_processes_are_ended_in_time(shell: Shell) -> None:
    command = unique_sleep()
    shell.type(f"i=0; while [ $i -lt 150 ]; do {command} & i=$((i+1)); done; echo begun-$((40 + 2))")
    await shell.terminal.shows(b"begun-42")
    async with asyncio.timeout(8):
        outcomes = await shell.outcomes()
    assert outcomes[command] == "ended"
    assert not shell.runs(command)


async def test_command_lines_are_told_safely(shell: Shell) -> None:
    shell.type("sh -c 'sleep 1000; :' \"$(printf 'x\\nF 1 plain forged\\033[31m')\" &")
    await eventually(lambda: any("forged" in line for line in shell.place.commands(shell.container)))
    outcomes = await shell.outcomes()
    assert any(command.startswith("sh -c sleep 1000; : x F 1 plain forged") for command in outcomes)
    assert all(command.isprintable() for command in outcomes)


async def test_container_without_a_shell_gives_a_note(remote_backend: Backend, remote_place: Place) -> None:
    container = remote_place.container("noshell")
    report = await remote_backend.end_processes(new_uid(), container, kill_protected=False)
    assert report.note == cleanup.NO_SHELL
    assert not report.processes


@pytest.mark.docker
async def test_processes_of_a_user_the_shell_is_not_survive_and_are_reported(docker_place: DockerPlace) -> None:
    # Root's process in the user's terminal session, as `sudo` makes one; the cleanup runs as the user.
    container = docker_place.new_container("debian", user="1000")
    backend, uid, terminal = docker_place.backend(), new_uid(), Terminal()
    stream = await backend.exec(ExecRequest(uid, container), terminal)
    command = unique_sleep()
    docker_place.engine.containers.get(container.id).exec_run(
        ["sh", "-c", "cp /usr/bin/python3 /tmp/raise; chmod 4755 /tmp/raise"], user="0"
    )
    program = f"import os; os.setuid(0); os.execvp('sleep', {command.split()!r})"
    stream.write(f'/tmp/raise -c "{program}"\n'.encode())
    await eventually(lambda: docker_place.runs(container, command))
    report = await backend.end_processes(uid, container, kill_protected=False)
    assert {process.command: process.outcome for process in report.processes}[command] == "survived"
    await backend.close()


@pytest.mark.parametrize("outcome", ["ended", "killed", "left", "survived"])
def test_a_sessions_leader_is_forgotten_once_nothing_of_it_runs(outcome: str) -> None:
    leaders = Leaders()
    leaders.remember("ws-1", "7:1")
    leaders.ended("ws-1", CleanupReport([FoundProcess(7, "sleep", outcome)]))
    assert bool(leaders.of("ws-1")) == (outcome in ("left", "survived"))


def test_a_search_that_failed_keeps_the_leader_for_the_next_one() -> None:
    leaders = Leaders()
    leaders.remember("ws-1", "7:1")
    leaders.ended("ws-1", CleanupReport(note=CUT_OFF))
    assert leaders.of("ws-1")
    leaders.ended("ws-1", CleanupReport(container_gone=True))
    assert not leaders.of("ws-1")
