"""Typed input for the record, with real programs on real terminals."""

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from audit.journal import JournalWriter
from audit.keystrokes import HIDDEN, KeystrokeRecorder
from tests.audit.conftest import events

SECRET = "Tr0ub4dor"
DEADLINE = 15.0


class Shell:
    """A program on a pty, with what the host does: output goes to the journal first, then past the recorder."""

    def __init__(self, argv: Sequence[str], writer: JournalWriter, *, record_input: bool = True) -> None:
        self.recorder = KeystrokeRecorder(writer.input) if record_input else None
        self.writer = writer
        self.seen = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="$ ", TERM="xterm-256color", INPUTRC="/dev/null", HISTFILE="/dev/null")
            os.execvp(argv[0], list(argv))

    def type(self, text: str) -> None:
        """All at once, as a paste does."""
        if self.recorder:
            self.recorder.typed(text.encode())
        os.write(self.terminal, text.encode())

    def type_slowly(self, text: str) -> None:
        """Key by key, each followed by whatever the program answers."""
        for character in text:
            self.type(character)
            self.read(0.02)

    def read(self, seconds: float) -> None:
        """Take the output of so many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.terminal], [], [], left)[0]:
                return
            try:
                data = os.read(self.terminal, 65536)
            except OSError:  # the program has closed its terminal
                return
            self.writer.output(data)
            if self.recorder:
                self.recorder.echoed(data)
            self.seen += data.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Read until `text` was printed since the last call."""
        end = time.monotonic() + DEADLINE
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} did not come: {self.seen!r}"
            self.read(0.05)
        self.seen = self.seen[self.seen.index(text) + len(text) :]

    def end(self) -> None:
        if self.recorder:
            self.recorder.flush()
        self.writer.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


Start = Callable[..., Shell]


@pytest.fixture
def start(writer: JournalWriter) -> Iterator[Start]:
    shells: list[Shell] = []

    def start(*argv: str, record_input: bool = True) -> Shell:
        shells.append(Shell(argv, writer, record_input=record_input))
        return shells[-1]

    yield start
    for shell in shells:
        shell.end()


@pytest.fixture
def bash(start: Start) -> Shell:
    shell = start("bash", "--norc", "--noprofile")
    shell.wait_for("$ ")
    return shell


def typed(folder: Path) -> str:
    return "".join(str(value) for code, value in events(folder) if code == "i")


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize("record_input", [True, False])
@pytest.mark.parametrize("way", ["type", "type_slowly"])
@pytest.mark.parametrize(
    ("command", "prompt"),
    [
        ("read -r -s -p 'Pass''word: ' answer; echo", "Password: "),
        (f'{sys.executable} -c \'import getpass; getpass.getpass("Pass" "word: ")\'', "Password: "),
        ("stty -echo; printf 'rea''dy:'; cat >/dev/null", "ready:"),
        ("for i in 1 2 3 4 5 6 7 8 9; do read -rsn1 c; printf '*'; done; read -rs c; echo", ""),
    ],
    ids=["read -s", "getpass", "stty -echo", "asterisks"],
)
def test_a_secret_typed_at_a_hidden_prompt_is_in_no_file(
    start: Start, folder: Path, command: str, prompt: str, way: str, record_input: bool
) -> None:
    shell = start("bash", "--norc", "--noprofile", record_input=record_input)
    shell.wait_for("$ ")
    shell.type(f"{command}\r")
    shell.wait_for("\r\n")
    if prompt:
        shell.wait_for(prompt)
    shell.read(0.2)
    getattr(shell, way)(SECRET)
    shell.read(0.1)
    shell.type("\r")
    shell.read(0.3)
    if shell.recorder:
        shell.recorder.flush()
        assert f"{command}\r{HIDDEN}\r" in typed(folder)
    assert SECRET.encode() not in everything(folder)
    assert not any(SECRET[start : start + 3].encode() in everything(folder) for start in range(len(SECRET) - 2))


def test_a_command_is_recorded_as_it_was_typed(bash: Shell, folder: Path) -> None:
    bash.type_slowly("echo hello w\u00f6rld\r")
    bash.wait_for("\rhello w\u00f6rld")
    assert typed(folder) == "echo hello w\u00f6rld\r"


def test_a_command_typed_faster_than_its_echo_is_recorded(bash: Shell, folder: Path) -> None:
    bash.type("echo $((6*7))\r")
    bash.wait_for("\r42")
    assert typed(folder) == "echo $((6*7))\r"


def test_backspaces_and_insertions_of_readline_are_recorded(bash: Shell, folder: Path) -> None:
    keys = "ecko\x7f\x7fho 13\x1b[D2\x1b[C\r"
    for key in ["e", "c", "k", "o", "\x7f", "\x7f", "h", "o", " ", "1", "3", "\x1b[D", "2", "\x1b[C", "\r"]:
        bash.type(key)
        bash.read(0.03)
    bash.wait_for("\r123")
    assert typed(folder) == keys


def test_tab_completion_is_recorded_as_the_keys_that_were_typed(bash: Shell, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a-long-name").write_text("content\n")
    bash.type(f"cat {tmp_path}/a-l")
    bash.wait_for("/a-l")
    bash.type("\t")
    bash.wait_for("ong-name")
    bash.read(0.1)
    bash.type_slowly("-")
    bash.type("\x7f\r")
    bash.wait_for("content")
    assert typed(folder) == f"cat {tmp_path}/a-l\t-\x7f\r"


def test_a_line_that_wraps_is_recorded(bash: Shell, folder: Path) -> None:
    command = "echo " + "0123456789" * 20
    bash.type_slowly(command)
    bash.type("\r")
    bash.wait_for("\r0123456789")
    assert typed(folder) == f"{command}\r"


def test_lines_for_a_program_that_reads_with_echo_are_recorded(bash: Shell, folder: Path) -> None:
    bash.type("cat >/dev/null\r")
    bash.wait_for("\r\n")
    bash.read(0.2)
    bash.type_slowly("first\rsecond\r")
    bash.type("\x04")
    bash.wait_for("$ ")
    assert typed(folder) == "cat >/dev/null\rfirst\rsecond\r\x04"


def test_an_interrupted_prompt_leaves_nothing_of_the_secret(bash: Shell, folder: Path) -> None:
    bash.type("read -r -s answer\r")
    bash.wait_for("\r\n")
    bash.read(0.2)
    bash.type_slowly(SECRET)
    bash.type("\x03")
    bash.wait_for("$ ")
    bash.type_slowly("true\r")
    assert bash.recorder is not None
    bash.recorder.flush()
    assert typed(folder) == f"read -r -s answer\r{HIDDEN}\x03true\r"
