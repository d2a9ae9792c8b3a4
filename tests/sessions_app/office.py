"""A process that runs the portal's own code on the portal's own database, beside the web process: what a worker,
an administrator or another web process would do.

`python -m tests.sessions_app.office` takes calls on stdin and answers on stdout, both pickled with their length before.
"""

import importlib
import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """The call raised. The text names the exception and what it said."""


class Office:
    """The caller's side."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.sessions_app.office"],
                cwd=ROOT, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
            )  # fmt: skip
        self._turn = threading.Lock()

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a module's function over there. What goes in and out must be picklable. Raises `Failed`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            _send(self._process.stdin, (function.__module__, function.__qualname__, args, kwargs))
            good, answer = _receive(self._process.stdout)
        if not good:
            raise Failed(answer)
        result: R = answer
        return result

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


def _send(stream: IO[bytes], thing: Any) -> None:
    raw = pickle.dumps(thing)
    stream.write(struct.pack(">Q", len(raw)) + raw)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    return pickle.loads(stream.read(struct.unpack(">Q", head)[0]))


def main() -> None:
    """Answer calls until stdin ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed must not get among the answers
    import django

    django.setup()
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    PBKDF2PasswordHasher.iterations = 1
    while True:
        try:
            module, name, args, kwargs = _receive(requests)
        except EOFError:
            return
        try:
            answer = True, getattr(importlib.import_module(module), name)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the caller hears of it
            answer = False, f"{type(error).__name__}: {error}"
        _send(answers, answer)


if __name__ == "__main__":
    main()
