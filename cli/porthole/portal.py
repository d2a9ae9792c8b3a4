"""The portal's REST API."""

import dataclasses
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx

from porthole import __version__, login
from porthole.failures import Exit, Failure
from porthole.login import Login

TIMEOUT = 30.0
"""Seconds for one request. Listing containers asks an engine, which may be slow."""

PAGE = 500
NO_CONTENT = 204
UNAUTHORIZED = 401

Json = dict[str, Any]

HEADERS = {"User-Agent": f"porthole/{__version__}", "X-Porthole-Client": "cli", "Accept": "application/json"}


class Refused(Failure):
    """The portal's own answer. `status` is HTTP's, `word` the answer's code."""

    def __init__(self, sentence: str, exit_code: Exit, status: int, word: str) -> None:
        super().__init__(sentence, exit_code)
        self.status = status
        self.word = word


class Unreachable(Failure):
    """Nobody answered, or not the portal."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, Exit.UNREACHABLE)


class Portal:
    """One account's API. Every method raises `Failure`."""

    def __init__(self, account: Login, timeout: float = TIMEOUT) -> None:
        self.account = account
        self.url = account.url
        self._client = httpx.Client(
            base_url=f"{account.url}/api/v1/", headers=HEADERS, timeout=timeout, verify=tls_for(account.url)
        )

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Json | None = None) -> Any:
        """The JSON that a POST is answered with."""
        return self._call("POST", path, json=body or {})

    def every(self, path: str, **params: Any) -> list[Json]:
        """A whole list, page by page."""
        found: list[Json] = []
        while True:
            page = self.get(path, limit=PAGE, offset=len(found), **params)
            found += page["results"]
            if not page["next"]:
                return found

    @contextmanager
    def download(self, path: str, **params: Any) -> Iterator[httpx.Response]:
        """A file, to be read as it comes. Ask for something else first: this renews no access token."""
        try:
            with self._client.stream("GET", path, params=params, headers=self._authorization()) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer, self.url)
                yield answer
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error

    def ticket(self, uid: str) -> str:
        """A fresh ticket for one connection to a session."""
        return str(self.post(f"sessions/{uid}/ticket/")["ticket"])

    def _call(self, method: str, path: str, **request: Any) -> Any:
        answer = self._send(method, path, **request)
        if answer.status_code == UNAUTHORIZED and self.account.refresh:
            self._refresh()
            answer = self._send(method, path, **request)
        if not answer.is_success:
            raise _refusal(answer, self.url)
        return None if answer.status_code == NO_CONTENT else _json(answer, self.url)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, headers=self._authorization(), **request)
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error

    def _authorization(self) -> dict[str, str]:
        bearer = self.account.token or self.account.access
        return {"Authorization": f"Bearer {bearer}"} if bearer else {}

    def _refresh(self) -> None:
        answer = self._send("POST", "auth/token/refresh/", json={"refresh": self.account.refresh})
        if not answer.is_success:
            raise _refusal(answer, self.url)
        self.account = dataclasses.replace(self.account, access=_json(answer, self.url)["access"])
        login.renew(self.account)


def signed_in(timeout: float = TIMEOUT) -> Portal:
    """The API of whoever is signed in. Raises `Failure` if nobody is."""
    return Portal(login.current(), timeout)


def tls_for(url: str) -> ssl.SSLContext:
    """The system's certificate authorities for https. For plain http one that trusts nobody: loading takes 30 ms."""
    return ssl.create_default_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _unreachable(url: str, error: Exception) -> Unreachable:
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(f"{url} did not answer in time. Try again in a moment.")
    why = str(error) or type(error).__name__
    return Unreachable(f"{url} cannot be reached ({why}). Check the address and your network.")


def _json(answer: httpx.Response, url: str) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise Unreachable(f"{url} answers, but not as a portal does. Check the address.") from error


def _refusal(answer: httpx.Response, url: str) -> Failure:
    """What an answer other than a success says, with a next step where the portal's own sentence has none."""
    status = answer.status_code
    if answer.is_redirect:
        place = answer.headers.get("Location", "").partition("/api/v1/")[0]
        return Unreachable(f"The portal is at another address. Sign in there: porthole login {place or 'URL'}")
    try:
        body = cast(Json, answer.json())
        # One line: what the portal says cannot pass for a line of the command's own.
        word, detail = str(body["code"]), " ".join(str(body["detail"]).split())
    except (ValueError, KeyError, TypeError):
        return Unreachable(
            f"{url} answered with HTTP {status}, and not as a portal does. Try again, or check the address."
        )
    if status == UNAUTHORIZED:
        sentence = f"The portal does not accept your login any more. Sign in again: porthole login {url}"
        return Refused(sentence, Exit.REFUSED, status, word)
    return Refused(detail, _exit_code(status), status, word)


def _exit_code(status: int) -> Exit:
    match status:
        case 404 | 410:
            return Exit.NOT_FOUND
        case 409 | 429:
            return Exit.TRY_LATER
        case 400:
            return Exit.USAGE
        case _ if status >= 500:
            return Exit.UNREACHABLE
        case _:
            return Exit.REFUSED
