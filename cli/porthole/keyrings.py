"""The system's keyring, which may be missing, locked, or fail in a way of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SERVICE = "porthole"


class Unusable(Exception):
    """The keyring did not do what it was asked to. `str` says why."""


def present() -> bool:
    """Whether the package `keyring` is installed and the system has a keyring."""
    try:
        with _asked() as keyring:
            # Below 1 are those that keep nothing, or keep it in the open.
            return bool(getattr(keyring.get_keyring(), "priority", 0) >= 1)
    except Unusable:
        return False


def get(name: str) -> str | None:
    """A secret, if it is there. Raises `Unusable`."""
    with _asked() as keyring:
        found: str | None = keyring.get_password(SERVICE, name)
        return found


def put(name: str, secret: str) -> None:
    """Keep a secret. Raises `Unusable`."""
    with _asked() as keyring:
        keyring.set_password(SERVICE, name, secret)


def remove(name: str) -> None:
    """Remove a secret. Raises `Unusable`."""
    with _asked() as keyring:
        keyring.delete_password(SERVICE, name)


@contextmanager
def _asked() -> Iterator[Any]:
    try:
        import keyring

        yield keyring
    except Exception as error:  # the backends let through whatever their services raise
        raise Unusable(str(error) or type(error).__name__) from error
