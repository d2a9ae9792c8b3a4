"""`streams`, `end`, `recordings` and `play`."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.conftest import Account
from tests.cli.test_shell import UID
from tests.integration.installation import Installation


@pytest.fixture
def recorded(porthole: Command, developer: Account) -> str:
    """A session that said hello, and is over."""
    screen = porthole.starts("shell", "shell")
    uid = screen.runs("echo $PORTHOLE_SESSION_ID hel''lo", UID)
    screen.types("exit\r")
    assert screen.ends() == 0
    developer.over(uid)
    return uid


def test_live_sessions_are_listed_sorted_and_ended(porthole: Command, developer: Account) -> None:
    screens = [porthole.starts("shell", "shell") for _ in range(2)]
    ids = [screen.runs("echo $PORTHOLE_SESSION_ID", UID) for screen in screens]
    for sort, newest_first in (("-created", True), ("created", False)):
        listed = [each["id"] for each in json.loads(porthole.says("streams", "--sort", sort, "--json"))]
        assert [uid for uid in listed if uid in ids] == sorted(ids, reverse=newest_first)
    plain = porthole.says("streams", "--no-ansi").splitlines()
    assert plain[0].split() == ["id", "created", "duration", "status", "bytes_in", "bytes_out", "params"]
    assert any(ids[0] in line and "ACTIVE" in line for line in plain)
    assert "sort: 'colour' is no field to sort by." in porthole.run("streams", "--sort", "colour").err
    assert porthole.says("end", ids[0]) == f"{ids[0]} is ending.\n"
    assert json.loads(porthole.says("end", ids[1][-8:], "--json"))["uid"] == ids[1]
    for screen in screens:
        screen.sees("porthole: The session ended: it was ended on request.")
        assert screen.ends() == 76


def test_the_table_of_live_sessions_fits_80_columns(porthole: Command) -> None:
    shell = porthole.starts("shell", "shell")
    uid = shell.runs("echo $PORTHOLE_SESSION_ID", UID)
    screen = porthole.starts("streams", cols=80)
    assert screen.ends() == 0
    (row,) = (line for line in screen.shown.decode().splitlines() if uid in line)
    assert "ACTIVE" in row
    assert all(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= 80 for line in screen.shown.decode().splitlines())
    assert re.search(r"\d\d:\d\d .*\d+s ", row)
    shell.types("exit\r")
    assert shell.ends() == 0


def test_a_word_on_a_screen_is_found_with_its_second(
    porthole: Command, installation: Installation, recorded: str
) -> None:
    task = "from audit.tasks import index_for_search; index_for_search()"
    installation.run(["-c", f"import django; django.setup(); {task}"])
    found = json.loads(porthole.says("search", "hello", "--session", recorded[-8:], "--json"))
    assert {hit["session"] for hit in found} == {recorded}
    (line,) = (line for line in porthole.says("search", f'"{recorded} hello"').splitlines() if recorded in line)
    assert re.fullmatch(rf"{recorded}  +\d+\.\d  +developer  +{recorded} hello", line)
    nothing = porthole.run("search", "such-a-line-there-is-not")
    assert (nothing.code, nothing.out) == (0, "")
    assert "within a minute" in nothing.err


def test_a_recording_is_listed_and_played_by_its_id(porthole: Command, recorded: str) -> None:
    assert recorded in porthole.says("recordings")
    screen = porthole.starts("play", recorded, "--speed", "1000")
    screen.sees("hello")
    assert screen.ends() == 0
    assert screen.after == screen.before
    assert "hello" in porthole.says("play", recorded)
    assert "hello" in porthole.says("play", recorded[-8:])


def test_a_file_is_played_and_its_questions_are_left_out(porthole: Command, tmp_path: Path) -> None:
    file = tmp_path / "some.cast"
    lines = [
        {"version": 2, "width": 80, "height": 24},
        [0.1, "o", "one\x1b[6n\x1b]52;c;aGk=\x07"],
        [0.2, "r", "90x30"],
        [500.0, "o", "two"],
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    screen = porthole.starts("play", str(file), "--idle", "0.1")
    screen.sees("one")
    screen.sees("two")
    assert screen.ends() == 0
    assert b"\x1b[6n" not in screen.shown
    assert b"52;c" not in screen.shown


def test_who_has_seen_enough_leaves_the_player(porthole: Command, tmp_path: Path) -> None:
    file = tmp_path / "long.cast"
    file.write_text('{"version": 2, "width": 200, "height": 24}\n[0, "o", "begin"]\n[900, "o", "end"]\n')
    screen = porthole.starts("play", str(file), "--idle", "0")
    screen.sees("Recorded at 200x24; this terminal is 100x30")
    screen.sees("begin")
    screen.types(" ")
    screen.types("q")
    assert screen.ends() == 0
    assert screen.after == screen.before


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("sh-" + "0" * 26, 66, "porthole: "),
        ("zzz", 66, "No recording is called 'zzz'. See: porthole recordings"),
        ("../../etc/passwd.cast", 66, "There is no file '../../etc/passwd.cast', and it is no session's id."),
        (__file__, 2, "This is no asciicast of version 2."),
    ],
)
def test_what_cannot_be_played_is_said(porthole: Command, what: str, code: int, said: str) -> None:
    done = porthole.run("play", what)
    assert done.code == code
    assert said in done.err
