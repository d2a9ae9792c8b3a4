"""Leaving a session and coming back: by choice, and when the network takes the choice."""

import json
import re

from tests.cli.command import Command, until
from tests.cli.conftest import Account, Network
from tests.cli.test_shell import UID

LINES = 2000
COUNTER = f"""
i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line-$i; [ $((i % 40)) = 0 ] && sleep 0.05; done; echo th''rough
"""


def numbers(shown: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"line-(\d+)\r\n", shown)]


def test_detached_from_elsewhere_it_says_how_to_come_back_and_does(porthole: Command, developer: Account) -> None:
    screen = porthole.starts("shell", "shell")
    screen.sees("[#$] ")
    uid = screen.runs("echo $PORTHOLE_SESSION_ID", UID)
    screen.runs("word=kept; echo done", "done")
    developer.call("POST", f"sessions/{uid}/detach/", ttl=600)
    screen.sees(f"porthole: Detached; it runs on for 10m00s. Back: porthole attach {uid}")
    assert screen.ends() == 0
    again = porthole.starts("attach", uid[-6:])
    again.runs("echo $word", "kept")
    again.types("exit\r")
    assert again.ends() == 0


def test_a_new_window_shows_the_screen_as_it_is(porthole: Command, developer: Account) -> None:
    """What a full-screen program has drawn, its modes included, though it drew it before this window came."""
    before = developer.live()
    drawn = r"printf '\033[?1049h\033[?2004h\033[5;10Hin the midst\033]0;a title\007'; cat"
    screen = porthole.starts("shell", "shell", "--", "sh", "-c", drawn)
    screen.sees("midst")
    (uid,) = set(developer.live()) - set(before)
    porthole.says("detach", uid)
    assert screen.ends() == 0
    again = porthole.starts("attach", uid)
    again.sees("\x1b\\[!p")  # a screen, and not the bytes that made it
    again.sees("in the midst")
    again.types("typed\r")
    again.sees("typed")
    for mode in (b"\x1b[?1047h", b"\x1b[?2004h"):
        assert mode in again.shown
    again.types(b"\x04")
    assert again.ends() == 0
    for mode in (b"\x1b[?1047l", b"\x1b[?2004l"):
        assert mode in again.shown


def test_the_keys_that_detach_do_so_here_too(porthole: Command, developer: Account) -> None:
    screen = porthole.starts("shell", "shell")
    uid = screen.runs("echo $PORTHOLE_SESSION_ID", UID)
    screen.types(b"\x01")
    screen.types(b"d")
    screen.sees(f"porthole: Detached; it runs on for 1h00m. Back: porthole attach {uid}")
    assert screen.ends() == 0
    assert screen.after == screen.before
    porthole.says("end", uid)


def test_a_session_is_detached_by_its_id_and_within_itself_for_a_time(porthole: Command, developer: Account) -> None:
    screen = porthole.starts("shell", "shell")
    uid = screen.runs("echo $PORTHOLE_SESSION_ID", UID)
    refused = porthole.run("detach", uid, "--ttl", "30d")
    assert refused.code == 2
    assert "The most it allows is" in refused.err
    assert f"{uid} runs on until " in porthole.says("detach", uid[-8:], "--ttl", "30m")
    screen.sees("porthole: Detached; it runs on for 30m00s.")
    assert screen.ends() == 0
    (row,) = (each for each in json.loads(porthole.says("streams", "--json")) if each["id"] == uid)
    assert row["status"] == "DETACHED"
    assert 1700 < row["params"]["ttl"] <= 1800
    assert re.search(r"ttl=(29|30)m", porthole.says("streams"))
    within = json.loads(porthole.says("detach", "--ttl", "90", "--json", PORTHOLE_SESSION_ID=uid))
    assert within["uid"] == uid
    assert porthole.run("detach").err.startswith("porthole: Say which session to detach")
    porthole.says("end", uid)


def test_one_session_is_attached_at_once_and_several_are_a_list_to_choose_from(
    porthole: Command, developer: Account
) -> None:
    for uid in developer.live():
        developer.call("POST", f"sessions/{uid}/terminate/")
        developer.over(uid)
    done = porthole.starts("attach")
    done.sees("porthole: You have no session to attach to. Open one: porthole shell SERVICE")
    assert done.ends() == 66
    first, second = porthole.starts("shell", "shell"), porthole.starts("shell", "shell")
    ids = [screen.runs("echo $PORTHOLE_SESSION_ID", UID) for screen in (first, second)]
    chooser = porthole.starts("attach")
    listed = chooser.sees(r"Attach which, 1 to 2\? ")
    assert all(uid.encode() in chooser.shown for uid in ids), listed
    number = 1 if chooser.shown.index(ids[0].encode()) < chooser.shown.index(ids[1].encode()) else 2
    chooser.types(f"{number}\r")
    first.sees("porthole: Another window of yours took the session.")
    assert first.ends() == 76
    chooser.runs("echo $PORTHOLE_SESSION_ID", ids[0])
    second.types("exit\r")
    assert second.ends() == 0
    developer.over(ids[1])
    chooser.types("exit\r")
    assert chooser.ends() == 0
    developer.over(ids[0])


def test_a_replay_asks_the_terminal_nothing(porthole: Command, developer: Account) -> None:
    """A terminal answers such questions as if somebody had typed, and the answer would end in the shell."""
    before = developer.live()
    screen = porthole.starts("shell", "shell", "--", "sh", "-c", r"printf 'a\033[6nb\033]11;?\007c\033[cd'; cat")
    screen.sees("d")
    (uid,) = set(developer.live()) - set(before)
    again = porthole.starts("attach", uid)
    screen.ends()
    assert b"\x1b[6n" in screen.shown
    again.types("over\r")
    again.sees("over")
    for question in (b"\x1b[6n", b"\x1b[c", b"\x1b]11;?"):
        assert question not in again.shown
    again.types(b"\x04")
    assert again.ends() == 0


def test_a_lost_connection_comes_back_by_itself_without_losing_or_doubling_a_byte(
    porthole: Command, network: Network
) -> None:
    screen = porthole.starts("shell", "shell", "--", "sh", "-c", COUNTER)
    for mark in ("line-200\r", "line-1000\r"):
        screen.sees(mark)
        network.cut()
        screen.sees("The connection is lost. Trying again in")
        screen.sees("Connected again.")
    screen.sees("through")
    assert screen.ends() == 0
    assert numbers(screen.shown) == list(range(1, LINES + 1))


def test_who_does_not_want_to_wait_for_the_network_leaves_and_the_session_waits(
    porthole: Command, network: Network, developer: Account
) -> None:
    screen = porthole.starts("shell", "shell")
    screen.sees("[#$] ")
    uid = screen.runs("echo $PORTHOLE_SESSION_ID", UID)
    network.take_away()
    screen.sees("The connection is lost.")
    screen.types(b"\x03")
    screen.sees(f"porthole: You left {uid}. It waits for a short while: porthole attach {uid}")
    assert screen.ends() == 130
    assert screen.after == screen.before
    network.bring_back()
    until(lambda: developer.session(uid)["state"] == "detached", "the portal noticed")
    porthole.says("end", uid)
    assert developer.over(uid)["end_reason"] == "closed_by_user"
