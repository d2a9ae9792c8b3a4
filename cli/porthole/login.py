"""Who is signed in where: kept in the system's keyring if there is one, else in a file that only its owner may read."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from porthole.failures import Exit, Failure

URL_VARIABLE = "PORTHOLE_URL"
TOKEN_VARIABLE = "PORTHOLE_TOKEN"  # noqa: S105 - the name of a variable
KEYRING_SERVICE = "porthole"
SIGN_IN = "Sign in: porthole login URL."


@dataclass(frozen=True)
class Login:
    """One account at one portal. `token` is a personal API token; without one `refresh` gets the next `access`."""

    url: str
    user: str
    token: str = ""
    refresh: str = ""
    access: str = ""
    minted: bool = False
    """Whether the token was made for this login, and goes with it."""


def folder() -> Path:
    """Where the command keeps its files."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "porthole"


def current() -> Login:
    """The login that commands use: what the environment says, else the last one signed in. Raises `Failure`."""
    kept = _read()
    url = (os.environ.get(URL_VARIABLE) or kept.get("current", "")).rstrip("/")
    if not url:
        raise Failure(f"You are not signed in to any portal. {SIGN_IN}", Exit.REFUSED)
    if token := os.environ.get(TOKEN_VARIABLE):
        return Login(url, "", token=token)
    entry = kept.get("logins", {}).get(url)
    if entry is None:
        raise Failure(f"You are not signed in to {url}. Sign in: porthole login {url}", Exit.REFUSED)
    if entry.get("keyring"):
        entry = _from_keyring(url)
    try:
        return Login(**{**entry, "url": url})
    except TypeError as error:
        raise Failure(f"{path()} cannot be understood. Remove it and sign in again.", Exit.REFUSED) from error


def keep(login: Login, *, in_file: bool = False) -> str:
    """Keep a login and make it the current one. Returns where it is, for the person to know."""
    kept = _read()
    entry: dict[str, Any] = asdict(login)
    keyring = None if in_file else _keyring()
    if keyring is not None:
        keyring.set_password(KEYRING_SERVICE, login.url, json.dumps(entry))
        entry = {"keyring": True}
    kept.setdefault("logins", {})[login.url] = entry
    kept["current"] = login.url
    _write(kept)
    return "the keyring" if keyring is not None else str(path())


def renew(login: Login) -> None:
    """Keep a login's new access token where the login is kept."""
    entry = _read().get("logins", {}).get(login.url)
    if entry is not None:
        keep(login, in_file=not entry.get("keyring"))


def forget(url: str) -> None:
    """Remove a login from wherever it is kept."""
    kept = _read()
    entry = kept.get("logins", {}).pop(url, None)
    if kept.get("current") == url:
        kept["current"] = next(iter(kept["logins"]), "")
    if entry is not None:
        _write(kept)
    if entry is not None and entry.get("keyring") and (keyring := _keyring()) is not None:
        keyring.delete_password(KEYRING_SERVICE, url)


def path() -> Path:
    """The file of logins."""
    return folder() / "logins.json"


def _from_keyring(url: str) -> dict[str, Any]:
    keyring = _keyring()
    secret = keyring.get_password(KEYRING_SERVICE, url) if keyring is not None else None
    if secret is None:
        raise Failure(f"The keyring no longer holds the login. Sign in again: porthole login {url}", Exit.REFUSED)
    found: dict[str, Any] = json.loads(secret)
    return found


def _keyring() -> Any:
    """The keyring package, if it is installed and the system has a keyring."""
    try:
        import keyring
    except ImportError:
        return None
    # Below 1 are those that keep nothing, or keep it in the open.
    return keyring if getattr(keyring.get_keyring(), "priority", 0) >= 1 else None


def _read() -> dict[str, Any]:
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Failure(f"{path()} cannot be read ({error}). Remove it and sign in again.", Exit.REFUSED) from error
    return found if isinstance(found, dict) else {}


def _write(kept: dict[str, Any]) -> None:
    """Replace the file at once: a reader sees the old or the new one, and nobody else ever sees either."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path().with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)
    draft.replace(path())
