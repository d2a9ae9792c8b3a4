"""Signing a program in by a browser, as RFC 8628 has it.

The program shows a code, a person who is signed in confirms it, and the program, which asked all along, gets a token.
What is under way lives in the cache, for some minutes.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.core.cache import cache
from django.utils import timezone

from portal.actions.accounts import digest_of
from portal.permissions import Permission

LIFETIME: Final = 600
"""Seconds a person has to confirm."""

INTERVAL: Final = 2
"""Seconds between two questions of the program."""

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Without vowels, so that no code is a word, and nothing to confuse with a digit."""

CODE_LENGTH: Final = 8
GUESSES: Final = 10
"""Codes that one account may try in vain while one could be valid."""

SCOPES: Final = frozenset({Permission.VIEW, Permission.SHELL, Permission.CONSOLE, Permission.EXEC})
"""What the `porthole` command needs: one's own sessions and recordings. Whoever needs more makes a token for it."""

TOKEN_LIFETIME: Final = timedelta(days=30)


@dataclass(frozen=True)
class Asking:
    """A program that waits."""

    code: str
    device: str
    name: str
    address: str
    asked_at: float

    @property
    def left(self) -> int:
        """Seconds until it is over."""
        return max(1, round(self.asked_at + LIFETIME - timezone.now().timestamp()))


@dataclass(frozen=True)
class Decision:
    """What a person said: `user_id` 0 is a no."""

    user_id: int
    address: str


class TooManyTries(Exception):
    """The account has tried so many codes in vain that it finds none for now."""


class Pending(Exception):
    """Nobody has decided yet."""

    code = "authorization_pending"

    def __init__(self) -> None:
        super().__init__("Nobody has confirmed the code yet. Ask again in a moment.")


class NotGiven(Exception):
    """The program gets nothing: somebody said no, or the time is over."""

    code = "access_denied"

    def __init__(self) -> None:
        super().__init__("The code was refused, used already, or not confirmed in time. Sign in again.")


def begin(*, name: str, address: str) -> tuple[str, Asking]:
    """A program asks. Returns its secret, by which it alone can ask for the answer, and what the person will see."""
    secret = secrets.token_urlsafe(32)
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        asking = Asking(code, digest_of(secret), name, address, timezone.now().timestamp())
        if cache.add(_by_code(code), asking, LIFETIME):
            cache.set(_by_device(asking.device), code, LIFETIME)
            return secret, asking


def find(text: str, *, user_id: int) -> Asking | None:
    """The program that shows this code, if it waits still. A wrong one counts. Raises `TooManyTries`."""
    check_tries(user_id)
    if (asking := _waiting(text)) is None:
        _count(_by_guesser(user_id))
    return asking


def find_linked(text: str, *, address: str) -> Asking | None:
    """The program that a link names, if it waits still and asks from the same address as the browser.

    Anybody can begin a sign-in and send the link of it, so one from elsewhere shows nothing: the person is to type what
    stands in their own terminal. Nothing is counted, as other sites can make a browser open links.
    """
    asking = _waiting(text)
    return asking if asking is not None and address and asking.address == address else None


def check_tries(user_id: int) -> None:
    """Raise `TooManyTries` for an account that has none left."""
    if cache.get(_by_guesser(user_id), 0) >= GUESSES:
        raise TooManyTries


def decide(asking: Asking, *, user_id: int, address: str) -> bool:
    """A person confirms with their account, or refuses with 0. False if that was decided before: the first counts."""
    return cache.add(_decision(asking.device), Decision(user_id, address), asking.left)


@contextmanager
def taking(secret: str) -> Iterator[tuple[Decision, Asking]]:
    """Who confirmed, once; where the block fails, it can be asked for again. Raises `Pending` or `NotGiven`."""
    device = digest_of(secret)
    code = cache.get(_by_device(device))
    asking: Asking | None = cache.get(_by_code(code)) if code else None
    decision: Decision | None = cache.get(_decision(device))
    if asking is None or asking.device != device:
        raise NotGiven
    if decision is None:
        raise Pending
    if decision.user_id == 0:
        raise NotGiven
    if not cache.delete(_by_device(device)):  # another question was quicker
        raise NotGiven
    try:
        yield decision, asking
    except BaseException:
        cache.set(_by_device(device), code, asking.left)
        raise
    cache.delete(_by_code(asking.code))
    cache.delete(_decision(device))


def normal(text: str) -> str:
    """A code as it is kept, from what a person typed."""
    return "".join(letter for letter in text.upper() if letter in ALPHABET)[: CODE_LENGTH + 1]


def shown(code: str) -> str:
    """A code as people read it."""
    return f"{code[:4]}-{code[4:]}"


def _waiting(text: str) -> Asking | None:
    asking: Asking | None = cache.get(_by_code(normal(text)))
    return None if asking is None or cache.get(_decision(asking.device)) is not None else asking


def _count(key: str) -> None:
    if cache.add(key, 1, LIFETIME):
        return
    try:
        cache.incr(key)
    except ValueError:  # over in between, or Redis went away and this process begins a count of its own
        cache.set(key, 1, LIFETIME)


def _by_guesser(user_id: int) -> str:
    return f"device-guesses:{user_id}"


def _by_code(code: str) -> str:
    return f"device-code:{code}"


def _by_device(device: str) -> str:
    return f"device:{device}"


def _decision(device: str) -> str:
    """By the program's secret, not by the code: a code can come again."""
    return f"device-decision:{device}"
