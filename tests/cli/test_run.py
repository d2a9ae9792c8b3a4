"""`porthole run`: a fresh container for one command."""

import pytest

from tests.cli.command import Command, until
from tests.cli.conftest import Account, AddService
from tests.cli.test_shell import UID
from tests.integration.places import DockerEngine, Place


@pytest.mark.docker
def test_a_console_has_what_was_asked_for_and_is_gone_afterwards(
    porthole: Command, add_service: AddService, container: Place, docker_engine: DockerEngine, developer: Account
) -> None:
    screen = porthole.starts(
        "run", "-a", add_service("docker"), "bash --norc", "memory=0.25", "cpu=0.5", "max_hours=0.5"
    )
    screen.sees(r"bash-[\d.]+[#$] ")
    uid = screen.runs("echo $PORTHOLE_SESSION_ID", UID)
    session = developer.session(uid)
    assert (session["kind"], session["via"]) == ("console", "cli")
    assert session["console"]["memory"] == 0.25  # type: ignore[index]
    made = docker_engine.client.containers.list(filters={"label": f"porthole/session={uid}"})
    assert [each.attrs["HostConfig"]["Memory"] for each in made] == [256 * 1024 * 1024]
    screen.types("exit 6\r")
    assert screen.ends() == 6
    assert screen.after == screen.before
    until(
        lambda: not docker_engine.client.containers.list(all=True, filters={"label": f"porthole/session={uid}"}),
        "the container is gone",
    )


@pytest.mark.docker
def test_what_is_above_a_ceiling_is_refused_with_the_ceiling(porthole: Command, add_service: AddService) -> None:
    screen = porthole.starts("run", "-a", add_service("docker"), "bash", "memory=900")
    screen.sees("porthole: memory: .*4")
    assert screen.ends() == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bash", "colour=red"], "'colour=red' is no parameter of run. Give NAME=VALUE with memory, cpu,"),
        (["memory=much"], "memory is a number, and 'much' is none."),
        (["bash"], "porthole run needs a terminal"),
    ],
)
def test_what_makes_no_sense_is_said(porthole: Command, arguments: list[str], said: str) -> None:
    done = porthole.run("run", "-a", "shell", *arguments)
    assert done.code == 2
    assert said in done.err
