"""`login` and `logout`."""

import os
import sys
from typing import Annotated, Any

import typer

from porthole.failures import Exit, Failure

UNAUTHORIZED = 401
TOO_MANY = 429
NAME_LENGTH = 60


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(login)
    app.command()(logout)


def login(
    url: Annotated[str, typer.Argument(help="The portal's address, such as https://porthole.example.")] = "",
    user: Annotated[str, typer.Option("--user", "-u", help="By this user's password, asked for or piped.")] = "",
    token: Annotated[bool, typer.Option("--token", help="By a personal API token, asked for or piped.")] = False,
    in_file: Annotated[bool, typer.Option("--file", help="Keep it in a file even where there is a keyring.")] = False,
) -> None:
    """Sign in to a portal: in the browser, by password (--user) or by a personal API token (--token)."""
    from porthole import login as logins
    from porthole.printing import clean

    address = _address(url)
    if token:
        account = _by_token(address)
    elif user:
        account = _by_password(address, user)
    elif sys.stdin.isatty():
        account = _by_browser(address)
    else:
        raise Failure("There is no terminal to ask in. Give --user and pipe the password, or --token.", Exit.USAGE)
    before = logins.replaced_by(account)
    place = logins.keep(account, in_file=in_file)
    told = _revoke(before) if before is not None and before.token != account.token else ""
    print(clean(f"Signed in to {address} as {account.user}. The login is kept in {place}.{told}"))


def logout() -> None:
    """Forget the login, and revoke the token if it was made for it."""
    from porthole import login as logins
    from porthole.printing import clean

    account = logins.current()
    logins.forget(account.url)
    told = _revoke(account)
    print(clean(f"Signed out of {account.url}.{told}"))


def _revoke(account: Any) -> str:
    """End the token of a login that is no longer kept, if it was made for it. Returns what to say if that did not
    work."""
    from porthole.portal import Portal, Refused

    if not account.minted:
        return ""
    try:
        Portal(account).post("auth/token/revoke/")
    except Failure as failure:
        if isinstance(failure, Refused) and failure.status == UNAUTHORIZED:
            return ""  # it has ended already
        return f" The token made for the login before could not be revoked: {failure} The portal's settings list it."
    return ""


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
        raise Failure("The portal does not accept this token. Make a new one there.", Exit.REFUSED) from refusal
    return Login(url, name, token=secret)


def _by_password(url: str, user: str) -> Any:
    from porthole.login import Login
    from porthole.portal import Portal, Refused

    body = {"username": user, "password": _secret(f"Password of {user}: ")}
    try:
        answer = Portal(Login(url, user)).post("auth/token/", body)
    except Refused as refusal:
        if refusal.status != UNAUTHORIZED:
            raise
        raise Failure("The name or the password is wrong. Try again.", Exit.REFUSED) from refusal
    return Login(url, user, refresh=answer["refresh"], access=answer["access"])


def _by_browser(url: str) -> Any:
    """Show a code, wait until somebody confirms it in the portal, and take the token."""
    import socket
    import time

    from porthole.login import Login
    from porthole.portal import Portal, Refused, Unreachable
    from porthole.printing import clean

    portal = Portal(Login(url, ""))
    asking = portal.post("auth/device/", {"name": f"porthole on {socket.gethostname()}"[:NAME_LENGTH]})
    page = _page_of(url, str(asking["verification_uri_complete"]))
    print(f"To sign in, open {page}\nand confirm the code {clean(asking['user_code'])}.")
    _open_browser(page)
    wait, deadline = float(asking["interval"]), time.monotonic() + float(asking["expires_in"])
    while True:
        time.sleep(wait)
        try:
            given = portal.post("auth/device/token/", {"device_code": asking["device_code"]})
        except Unreachable:
            if time.monotonic() > deadline:
                raise
        except Refused as refusal:
            if refusal.status == TOO_MANY:
                wait *= 2
            elif refusal.word != "authorization_pending":
                raise Failure(str(refusal), Exit.REFUSED) from refusal
        else:
            return Login(url, given["username"], token=given["token"], minted=True)


def _page_of(url: str, address: str) -> str:
    """The address of a page of this portal. Raises `Failure` for any other: whoever opens it gives a password there."""
    if not address.isprintable() or " " in address or _origin(address) is None or _origin(address) != _origin(url):
        raise Failure(
            f"{url} sends you to another place to confirm ({address!r}), which is not opened. "
            "Check the address, or sign in with --token.",
            Exit.REFUSED,
        )
    return address


def _origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http or https address."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        return None
    # A name before the host may be made to look like one.
    return (parts.scheme, parts.hostname, port) if parts.hostname and "@" not in parts.netloc else None


def _open_browser(address: str) -> None:
    """Where there is a desktop. A browser in the terminal would take it away from what is shown there."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        import webbrowser

        webbrowser.open(address)


def _ask(question: str) -> str:
    if sys.stdin.isatty():
        return input(question).strip()
    raise Failure("The portal's address is missing. Give it: porthole login URL", Exit.USAGE)


def _secret(question: str) -> str:
    """A line that is not shown; where there is no terminal, the first line of the input."""
    import getpass

    if sys.stdin.isatty():
        return getpass.getpass(question)
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        raise Failure("Nothing to sign in with came in. Start it in a terminal, or pipe the secret.", Exit.USAGE)
    return line
