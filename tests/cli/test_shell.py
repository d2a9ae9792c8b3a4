"""`porthole shell` in a real pseudo-terminal: bytes, sizes, exit codes, and the terminal as it was on every way out."""

import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.command import Command, until
from tests.cli.conftest import Account, AddService
from tests.integration.places import Place, marked

UID = "sh-[0-9a-z]{26}"


def test_a_shell_opens_at_the_size_of_the_terminal_follows_it_and_exits_as_its_program(
    porthole: Command, developer: Account
) -> None:
    screen = porthole.starts("shell", "playground/shell", cols=101, rows=31)
    screen.sees("[#$] ")
    assert screen.raw
    screen.runs("stty size", "31 101")
    screen.resizes(120, 40)
    until(lambda: "40 120" in screen.runs("stty size", r"\d+ \d+"), "the new size arrives")
    uid = screen.runs("echo $PORTHOLE_SESSION_ID", UID)
    screen.types("exit 7\r")
    assert screen.ends() == 7
    assert screen.after == screen.before
    assert developer.session(uid)["via"] == "cli"
    assert developer.over(uid)["exit_code"] == 7


def test_every_key_goes_to_the_program(porthole: Command) -> None:
    screen = porthole.starts("shell", "shell", "--", "sh", "-c", "stty raw -echo; echo ready; head -c 8 | od -An -tx1")
    screen.sees("ready")
    screen.types(b"\x03\x1a\x1c\x11\x13\x01\x00\xff")
    screen.sees("03 1a 1c 11 13 01 00 ff")
    assert screen.ends() == 0


def test_a_command_runs_instead_of_a_shell_word_by_word(porthole: Command) -> None:
    screen = porthole.starts("shell", "shell", "--", "printf", "<%s>", "two words", "$(id)", "-x")
    screen.sees(r"<two words><\$\(id\)><-x>")
    assert screen.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_it_as_it_ends_any_program_and_leaves_the_terminal_as_it_was(
    porthole: Command, number: signal.Signals
) -> None:
    screen = porthole.starts("shell", "shell", "--", "sh", "-c", r"printf '\033[?1049h\033[?2004h\033[?25lfull'; cat")
    screen.sees("full")
    assert screen.raw
    screen.gets(number)
    assert screen.ends() == -number
    assert screen.after == screen.before
    assert b"\x1b[?1049l" in screen.shown
    assert b"\x1b[?2004l" in screen.shown
    assert b"\x1b[?25h" in screen.shown


def test_a_crash_leaves_the_terminal_as_it_was(porthole: Command, tmp_path: "object") -> None:
    """The portal's messages are what could upset it: here the code that takes them breaks."""
    broken = "import porthole.tty as t\ndef show(self, data): raise RuntimeError('broken')\nt.Terminal.show = show\n"
    site = porthole.home / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(broken)
    screen = porthole.starts("shell", "shell", PYTHONPATH=f"{porthole.environment['PYTHONPATH']}:{site}")
    screen.sees("RuntimeError: broken")
    assert screen.ends() == 1
    assert screen.after == screen.before


def test_a_terminal_that_is_closed_means_what_a_closed_tab_means(porthole: Command, developer: Account) -> None:
    """By the person's preference: here that the session runs on for an hour, and not only for a connection's grace."""
    before = developer.live()
    screen = porthole.starts("shell", "shell")
    screen.sees("[#$] ")
    (uid,) = set(developer.live()) - set(before)
    screen.runs("echo ty''ped", "typed")
    screen.hangs_up()
    until(lambda: developer.session(uid)["state"] == "detached", "the session runs on")
    left = datetime.fromisoformat(str(developer.session(uid)["detach_expires_at"])) - datetime.now(UTC)
    assert left > timedelta(minutes=50)
    developer.call("POST", f"sessions/{uid}/terminate/")


def test_stopped_and_continued_it_gives_the_terminal_back_and_takes_it_again(porthole: Command) -> None:
    screen = porthole.starts("shell", "shell", "--", "cat")
    until(lambda: screen.raw, "the terminal is raw")
    screen.gets(signal.SIGTSTP)
    until(lambda: screen.attributes == screen.before, "the terminal is as it was")
    screen.gets(signal.SIGCONT)
    until(lambda: screen.raw, "the terminal is raw again")
    screen.types(b"hello\r")
    screen.sees("hello\r\nhello")
    screen.types(b"\x04")
    assert screen.ends() == 0


def test_output_that_would_reach_the_clipboard_is_left_out(porthole: Command) -> None:
    program = r"printf 'a\033]52;c;%s\007b\033]0;title\007c' aGVsbG8="
    screen = porthole.starts("shell", "shell", "--", "sh", "-c", program)
    assert screen.ends() == 0
    assert screen.shown == b"ab\x1b]0;title\x07c"


def test_a_session_that_somebody_ends_is_said_with_its_reason(porthole: Command, owner: Account) -> None:
    before = owner.live()
    screen = porthole.starts("shell", "shell")
    screen.sees("[#$] ")
    (uid,) = set(owner.live()) - set(before)
    owner.call("POST", f"sessions/{uid}/terminate/", reason="Go home")
    screen.sees("porthole: The session ended: Go home.")
    assert screen.ends() == 76
    assert screen.after == screen.before


def test_a_limit_that_is_reached_is_said_and_has_a_code_of_its_own(porthole: Command, add_service: AddService) -> None:
    name = add_service("local", session_limit=1)
    first = porthole.starts("shell", name)
    first.sees("[#$] ")
    second = porthole.starts("shell", name)
    second.sees("porthole: .*limit")
    assert second.ends() == 75
    first.types("exit\r")
    assert first.ends() == 0


def test_without_a_terminal_it_says_so(porthole: Command) -> None:
    done = porthole.run("shell", "shell")
    assert (done.code, done.err) == (
        2,
        "porthole: porthole shell needs a terminal for its input and output. Start it in one.\n",
    )


@pytest.mark.docker
def test_a_shell_in_a_docker_container(porthole: Command, add_service: AddService, container: Place) -> None:
    _shell_in(porthole, add_service("docker"), container)


@pytest.mark.kubernetes
def test_a_shell_in_a_pod(porthole: Command, add_service: AddService, pod: Place) -> None:
    _shell_in(porthole, add_service("kubernetes"), pod, "--pod", pod.name, "--container", "main")


def _shell_in(porthole: Command, name: str, place: Place, *options: str) -> None:
    screen = porthole.starts("shell", name, *options)
    screen.sees("[#$] ")
    uid = screen.runs("sleep 1000 & echo $PORTHOLE_SESSION_ID", UID)
    assert any(process.name == "sleep" for process in place.running)
    screen.types("exit 3\r")
    assert screen.ends() == 3
    until(lambda: not marked(uid), "nothing of the session is left in the container")
