"""What a check comes to."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    text: str
    """A plain sentence that names the place."""
    wrong: bool = True
    """False where it could not be checked."""


@dataclass(frozen=True, slots=True)
class Result:
    """How many things a check looked at, and what it found."""

    checked: int
    findings: tuple[Finding, ...] = ()


class Progress(Protocol):
    """Called now and then."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """So many things are checked, of so many in all where that is known."""
