"""The `porthole` command as a person starts it: from its folder, in a home of its own, in a real pseudo-terminal."""

import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pexpect

ROOT = Path(__file__).parents[2]
COMMAND = ["-m", "porthole"]
PATIENCE = 20.0
"""Seconds in which something has to happen that takes a fraction of one on an idle machine."""

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, within: float = PATIENCE) -> T:
    """The condition's first true value. AssertionError that names `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(0.05)
    return value


@dataclass
class Done:
    """What a command that ran to its end printed, and its exit code."""

    code: int
    out: str
    err: str


class Screen:
    """A command in a pseudo-terminal: what it shows, what is typed into it, and how it leaves the terminal."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], cols: int, rows: int) -> None:
        self.shown = b""
        self._child = pexpect.spawn(
            sys.executable, [*COMMAND, *arguments], env=dict(environment), dimensions=(rows, cols), timeout=PATIENCE
        )
        self._child.delaybeforesend = None
        self.before = self.attributes

    @property
    def attributes(self) -> list[Any]:
        """How the terminal is set."""
        return termios.tcgetattr(self._child.child_fd)

    @property
    def raw(self) -> bool:
        """Whether keys go through one by one and unseen."""
        return not self.attributes[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def sees(self, pattern: str) -> str:
        """Wait until this pattern is shown, after what was seen last. Returns what matched."""
        try:
            self._child.expect(pattern.encode())
        finally:
            self._keep()
        return bytes(self._child.after).decode()

    def types(self, text: str | bytes) -> None:
        self._child.send(text)

    def runs(self, command: str, shows: str) -> str:
        """Type a line into the shell, and wait for what its program prints (not for the line itself)."""
        self.types(f"{command}\r")
        self.sees("\n")
        return self.sees(shows)

    def resizes(self, cols: int, rows: int) -> None:
        self._child.setwinsize(rows, cols)

    def gets(self, number: signal.Signals) -> None:
        self._child.kill(number)

    def ends(self, within: float = PATIENCE) -> int:
        """Wait for its end. Returns its exit code, or minus the signal that ended it."""
        self._child.timeout = within
        try:
            self._child.expect(pexpect.EOF)
        finally:
            self._keep()
        self.after = self.attributes
        self._child.wait()
        return -self._child.signalstatus if self._child.signalstatus else int(self._child.exitstatus)

    def close(self) -> None:
        if self._child.isalive():
            self._child.kill(signal.SIGKILL)
            self._child.wait()
        self._child.close(force=True)

    def hangs_up(self) -> None:
        """The terminal goes away, as when its window is closed."""
        self._child.ptyproc.fileobj.close()

    def _keep(self) -> None:
        self.shown += self._child.before if isinstance(self._child.before, bytes) else b""
        self.shown += self._child.after if isinstance(self._child.after, bytes) else b""


@dataclass
class Command:
    """The command of one person."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    screens: list[Screen] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "PYTHONPATH": str(ROOT / "cli"),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            **self.variables,
        }

    @property
    def logins(self) -> Path:
        """Where the command keeps logins."""
        return self.home / "config" / "porthole" / "logins.json"

    def run(self, *arguments: str, typed: str | bytes = "", **variables: str) -> Done:
        """Run it to its end without a terminal."""
        done = subprocess.run(
            [sys.executable, *COMMAND, *arguments], env={**self.environment, **variables},
            input=typed.encode() if isinstance(typed, str) else typed, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def says(self, *arguments: str, **variables: str) -> str:
        """What it prints, when it works."""
        done = self.run(*arguments, **variables)
        assert done.code == 0, done.err
        return done.out

    def starts(self, *arguments: str, cols: int = 100, rows: int = 30, **variables: str) -> Screen:
        """Start it in a terminal."""
        screen = Screen(list(arguments), {**self.environment, **variables}, cols, rows)
        self.screens.append(screen)
        return screen

    def close(self) -> None:
        for screen in self.screens:
            screen.close()
