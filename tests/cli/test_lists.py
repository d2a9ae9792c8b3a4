"""Lists: what people see in a terminal, what programs read, and names that other people chose."""

import json

from tests.cli.command import Command
from tests.cli.conftest import Account, AddService

HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2Jevil\u202e"


def test_everything_that_is_open_to_a_person_is_listed(porthole: Command) -> None:
    assert [org["slug"] for org in json.loads(porthole.says("orgs", "--json"))] == ["acme"]
    assert "playground" in porthole.says("stacks")
    listed = porthole.says("services", "--stack", "playground").splitlines()
    assert listed[0].split() == ["id", "service", "name", "you", "may"]
    assert any("playground/shell" in line and "shell" in line for line in listed)
    assert "local" in porthole.says("containers", "playground/shell")
    assert json.loads(porthole.says("containers", "shell", "--json"))[0]["container_name"] == "local"


def test_a_terminal_gets_colours_and_a_pipe_or_who_wants_none_gets_plain_columns(porthole: Command) -> None:
    screen = porthole.starts("services")
    screen.sees("\x1b\\[1mid")
    assert screen.ends() == 0
    screen = porthole.starts("services", "--no-ansi")
    assert screen.ends() == 0
    assert b"\x1b" not in screen.shown
    assert "\x1b" not in porthole.says("services")


def test_no_name_reaches_the_terminal_as_a_command_to_it(
    porthole: Command, owner: Account, add_service: AddService
) -> None:
    name = add_service("local")
    service = next(s for s in owner.call("GET", "services/?limit=500").json()["results"] if name.endswith(s["slug"]))
    opened = owner.call("POST", "sessions/", service=service["id"], title=HOSTILE)
    owner.call("POST", f"sessions/{opened.json()['uid']}/terminate/", reason=HOSTILE)
    owner.call("PATCH", f"services/{service['id']}/", name=HOSTILE)
    screen = porthole.starts("services", cols=200)
    assert screen.ends() == 0
    for shown in (screen.shown.decode(), porthole.says("services"), porthole.says("services", "--json")):
        assert "evil" in shown
        assert "\x1b]52" not in shown
        assert "\x1b[2J" not in shown
        assert "\u202e" not in shown


def test_a_service_that_several_have_the_name_of_is_not_guessed(porthole: Command, add_service: AddService) -> None:
    for name in ("twin-one", "twin-two"):
        add_service("local", name, name="twin")
    done = porthole.run("containers", "twin")
    assert done.code == 66
    assert "'twin' names 2 services. Say which" in done.err
    assert "playground/twin-one" in done.err
    assert "playground/twin-two" in done.err
    porthole.says("containers", "playground/twin-one")


def test_a_service_that_is_not_there_is_said_with_one_that_is_like_it(porthole: Command) -> None:
    done = porthole.run("containers", "playground/shel")
    assert done.code == 66
    assert done.err == (
        "porthole: There is no service 'playground/shel' that is open to you. Did you mean playground/shell? "
        "See: porthole services\n"
    )
    assert "There is no service 9999." in porthole.run("containers", "9999").err


def test_the_next_word_is_completed_from_what_the_portal_knows(porthole: Command) -> None:
    words = {"_PORTHOLE_COMPLETE": "complete_bash", "COMP_WORDS": "porthole shell play", "COMP_CWORD": "2"}
    assert "playground/shell" in porthole.run(**words).out.split()
