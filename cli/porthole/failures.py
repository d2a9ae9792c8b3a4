"""What can go wrong, as a sentence and a next step, and the exit code that says so to scripts.

A program in a container may exit with any code up to 255, so that the command's own codes (those of sysexits.h) can be
told apart from a program's only by the message on stderr; they keep clear of the small numbers that programs use.
"""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of the command itself; `docs/cli.md` lists them."""

    OK = 0
    USAGE = 2
    NOT_FOUND = 66
    UNREACHABLE = 69
    CRASHED = 70
    TRY_LATER = 75
    CUT_OFF = 76
    REFUSED = 77
    INTERRUPTED = 130


class Failure(Exception):
    """Something did not work. `str` is one sentence that says what, and a next step."""

    def __init__(self, sentence: str, exit_code: Exit) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
