"""Who is signed in where: kept in the system's keyring if there is one, else in a file that only its owner may read."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from porthole import keyrings
from porthole.failures import Exit, Failure

URL_VARIABLE = "PORTHOLE_URL"
TOKEN_VARIABLE = "PORTHOLE_TOKEN"  # noqa: S105 - the name of a variable
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


def replaced_by(login: Login) -> Login | None:
    """The login that is kept for the same portal and will be replaced, if it can be read."""
    try:
        entry = _read().get("logins", {}).get(login.url, {})
        found = _entry_in_keyring(login.url) if entry.get("keyring") else entry
        return Login(**{**found, "url": login.url}) if found else None
    except (keyrings.Unusable, TypeError, ValueError):
        return None


def keep(login: Login, *, in_file: bool = False) -> str:
    """Keep a login and make it the current one. Returns where it is, for the person to know."""
    entry: dict[str, Any] = asdict(login)
    place = str(path())
    with _locked():
        kept = _read()
        before = kept.setdefault("logins", {}).get(login.url, {})
        if not in_file and keyrings.present():
            try:
                keyrings.put(login.url, json.dumps(entry))
            except keyrings.Unusable as why:
                place = f"{path()}, for the keyring cannot be used ({why})"
            else:
                entry, place = {"keyring": True}, "the keyring"
        if before.get("keyring") and "keyring" not in entry:
            with contextlib.suppress(keyrings.Unusable):  # the one that is locked cannot be emptied either
                keyrings.remove(login.url)
        kept["logins"][login.url] = entry
        kept["current"] = login.url
        _write(kept)
    return place


def renew(login: Login) -> None:
    """Keep a login's new access token where the login is kept, unless it was replaced or forgotten meanwhile."""
    with _locked():
        kept = _read()
        entry = kept.get("logins", {}).get(login.url, {})
        if entry.get("keyring"):
            # What cannot be kept is got again by the next command.
            with contextlib.suppress(keyrings.Unusable, ValueError):
                if (_entry_in_keyring(login.url) or {}).get("refresh") == login.refresh:
                    keyrings.put(login.url, json.dumps(asdict(login)))
        elif entry.get("refresh") == login.refresh:
            kept["logins"][login.url] = asdict(login)
            _write(kept)


def forget(url: str) -> None:
    """Remove a login from wherever it is kept. Raises `Failure` where the keyring does not let go of it."""
    with _locked():
        kept = _read()
        entry = kept.get("logins", {}).pop(url, None)
        if entry is None:
            return
        if entry.get("keyring"):
            try:
                keyrings.remove(url)
            except keyrings.Unusable as why:
                raise _locked_out(url, why) from why
        if kept.get("current") == url:
            kept["current"] = next(iter(kept["logins"]), "")
        _write(kept)


def path() -> Path:
    """The file of logins."""
    return folder() / "logins.json"


def _from_keyring(url: str) -> dict[str, Any]:
    try:
        found = _entry_in_keyring(url)
    except keyrings.Unusable as why:
        raise _locked_out(url, why) from why
    if found is None:
        raise Failure(f"The keyring no longer holds the login. Sign in again: porthole login {url}", Exit.REFUSED)
    return found


def _entry_in_keyring(url: str) -> dict[str, Any] | None:
    secret = keyrings.get(url)
    found: dict[str, Any] | None = json.loads(secret) if secret is not None else None
    return found


def _locked_out(url: str, why: keyrings.Unusable) -> Failure:
    return Failure(
        f"The keyring cannot be used ({why}). Unlock it, or keep the login in a file: porthole login --file {url}",
        Exit.REFUSED,
    )


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Between reading the file and replacing it, and the keyring with it, no other command does so."""
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file of its own: the file of logins is a new one after every change.
        descriptor = os.open(path().with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise Failure(f"{folder()} cannot be written ({error}). Make it yours to write.", Exit.REFUSED) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
    draft = path().with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)
    draft.replace(path())
