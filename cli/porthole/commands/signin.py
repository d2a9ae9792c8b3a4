"""`login` and `logout`."""

import os
import sys
from typing import Annotated, Any

import typer

from porthole.failures import Exit, Failure

UNAUTHORIZED = 401


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(login)
    app.command()(logout)


def login(
    url: Annotated[str, typer.Argument(help="The portal's address, such as https://porthole.example.")] = "",
    user: Annotated[str, typer.Option("--user", "-u", help="Your name there; asked for if it is left out.")] = "",
    token: Annotated[
        bool, typer.Option("--token", help="Sign in with a personal API token, asked for or piped.")
    ] = False,
    in_file: Annotated[
        bool, typer.Option("--file", help="Keep the login in a file even where there is a keyring.")
    ] = False,
) -> None:
    """Sign in to a portal."""
    from porthole import login as logins

    address = _address(url)
    account = _by_token(address) if token else _by_password(address, user)
    place = logins.keep(account, in_file=in_file)
    print(f"Signed in to {address} as {account.user}. The login is kept in {place}.")


def logout() -> None:
    """Forget the login."""
    from porthole import login as logins

    account = logins.current()
    logins.forget(account.url)
    print(f"Signed out of {account.url}.")


def _address(url: str) -> str:
    from porthole import login as logins

    url = url or os.environ.get(logins.URL_VARIABLE, "") or _ask("The portal's address: ")
    if "://" not in url:
        url = f"https://{url}"
    scheme, _, host = url.rstrip("/").partition("://")
    if scheme not in ("http", "https") or not host or "/" in host:
        raise Failure(f"{url!r} is no address of a portal. Give one such as https://porthole.example.", Exit.USAGE)
    if scheme == "http" and host.rpartition(":")[0] not in ("127.0.0.1", "localhost", "[::1]"):
        print("porthole: Without https anyone on the way can read what you send, your login too.", file=sys.stderr)
    return f"{scheme}://{host}"


def _by_token(url: str) -> Any:
    from porthole.login import Login
    from porthole.portal import Portal, Refused

    secret = _secret("A personal API token (the portal's settings make one): ").strip()
    try:
        name = Portal(Login(url, "", token=secret)).get("auth/me/")["username"]
    except Refused as refusal:
        if refusal.status != UNAUTHORIZED:
            raise
        raise Failure(
            "The portal does not accept this token. Make a new one in its settings.", Exit.REFUSED
        ) from refusal
    return Login(url, name, token=secret)


def _by_password(url: str, user: str) -> Any:
    from porthole.login import Login
    from porthole.portal import Portal, Refused

    name = user or _ask("Name: ")
    body = {"username": name, "password": _secret(f"Password of {name}: ")}
    try:
        answer = Portal(Login(url, name)).post("auth/token/", body)
    except Refused as refusal:
        if refusal.status != UNAUTHORIZED:
            raise
        raise Failure("The name or the password is wrong. Try again.", Exit.REFUSED) from refusal
    return Login(url, name, refresh=answer["refresh"], access=answer["access"])


def _ask(question: str) -> str:
    try:
        if sys.stdin.isatty():
            return input(question).strip()
    except EOFError:
        pass
    raise Failure(f"{question.rstrip(': ')} is missing, and there is no terminal to ask in. Give it.", Exit.USAGE)


def _secret(question: str) -> str:
    """A line that is not shown; where there is no terminal, the first line of the input."""
    import getpass

    if sys.stdin.isatty():
        return getpass.getpass(question)
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        raise Failure("Nothing to sign in with came in. Start it in a terminal, or pipe the secret.", Exit.USAGE)
    return line
