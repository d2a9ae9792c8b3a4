"""How a Docker Engine is reached: its address, TLS, and calls of the `docker` SDK in threads of their own."""

import asyncio
import contextlib
import logging
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import docker
import requests
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import APIError, DockerException
from docker.utils import version_lt
from requests.adapters import HTTPAdapter

from sessions_app.backends.base import (
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    MAX_ANSWER,
    AnswerTooLong,
    BackendError,
    CommandNotFound,
    ContainerGone,
    InvalidTarget,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnreachable,
)
from sessions_app.backends.launch import printable
from sessions_app.backends.peers import watch_peer
from sessions_app.backends.tls import client_context

THREADS = 8
"""Calls to one engine at a time. Not the loop's shared threads: an engine that hangs must block nothing else."""

OLDEST_API = "1.25"
"""The first API version whose exec takes an environment (Docker 1.13)."""

MAX_LOGGED = 300
"""Characters of what an engine said that go to the log."""

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError)
NO_ADDRESS = "The provider's host is not the address of a Docker Engine. It reads unix:///path or tcp://host:port."
NO_ENGINE = "What is at the provider's address does not answer like a Docker Engine. Check the address and its port."

_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Protocol = TypeVar("Protocol", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine listens: a unix socket's path, or host and port with or without TLS."""

    shown: str
    path: str = ""
    host: str = ""
    port: int = 0
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, options: Mapping[str, Any], credentials: Mapping[str, str]) -> "Address":
        """From a provider's options and credentials. Raises `ProviderMisconfigured`."""
        url = str(options.get("host", ""))
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ProviderMisconfigured(NO_ADDRESS) from error
        if parts.scheme == "unix" and parts.path:
            return cls(url, path=parts.path)
        if parts.scheme not in ("tcp", "http", "https") or not parts.hostname or parts.username:
            raise ProviderMisconfigured(NO_ADDRESS)
        # As with the docker command, certificates or `tls_verify` mean TLS; a plain tcp:// address means none.
        verify = options.get("tls_verify")
        secured = parts.scheme == "https" or bool(verify) or any(credentials.get(key) for key in ("ca", "cert", "key"))
        tls = None
        if secured:
            ca, cert, key = (credentials.get(name, "") for name in ("ca", "cert", "key"))
            tls = client_context(ca, cert, key, verify=verify is not False)
        return cls(url, host=parts.hostname, port=port or (2376 if tls else 2375), tls=tls)

    @property
    def base_url(self) -> str:
        """As the SDK wants it."""
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    async def connect(self, make: Callable[[], Protocol]) -> Protocol:
        """Open a connection of our own. Raises `ProviderUnreachable` or `ProviderMisconfigured`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                if self.path:
                    _, protocol = await loop.create_unix_connection(make, self.path)
                    return protocol
                transport, protocol = await loop.create_connection(make, self.host, self.port, ssl=self.tls)
        except (OSError, TimeoutError) as error:
            raise explain_connection(error, self) from error
        watch_peer(transport.get_extra_info("socket"))
        return protocol


class Engine:
    """One engine's SDK client, made at the first call with the API version that both sides know."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._client: docker.APIClient | None = None
        self._making: asyncio.Task[docker.APIClient] | None = None

    async def call(self, method: str, *args: Any, about: str = "", **kwargs: Any) -> Any:
        """The SDK's low-level `method`. `about` names the container that the call is about, for an error's sentence."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                client = await self._ready()
                return await self._run(lambda: getattr(client, method)(*args, **kwargs))
        except APIError as error:
            raise explain_status(error.status_code or 500, str(error.explanation or error), about) from error
        except (DockerException, requests.RequestException, OSError, TimeoutError, *MALFORMED) as error:
            raise explain_connection(error, self.address) from error

    async def api_version(self) -> str:
        """The API version agreed with the engine, after a first call."""
        return str((await self._ready()).api_version)

    async def close(self) -> None:
        """Let go of the threads and pooled connections, without waiting for a call that hangs."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    async def _ready(self) -> docker.APIClient:
        if self._client is not None:
            return self._client
        if self._making is None:
            # Shared, so that ten calls to an engine that hangs wait for its silence once and not in turn.
            self._making = asyncio.create_task(self._run(self._make_client))
            self._making.add_done_callback(self._made)
        return await asyncio.shield(self._making)

    def _made(self, making: asyncio.Task[docker.APIClient]) -> None:
        self._making = None
        if not making.cancelled() and making.exception() is None:
            self._client = making.result()

    def _make_client(self) -> docker.APIClient:
        with contextlib.closing(self._bare_client(OLDEST_API)) as asking:
            offered = text(asking.version(api_version=False)["ApiVersion"])
        if not _VERSION.fullmatch(offered):
            raise ValueError("no API version")
        version = offered if version_lt(offered, DEFAULT_DOCKER_API_VERSION) else DEFAULT_DOCKER_API_VERSION
        if version_lt(version, OLDEST_API):
            raise ProviderMisconfigured("This Docker Engine is older than 1.13 and cannot be used.")
        return self._bare_client(version)

    def _bare_client(self, version: str) -> docker.APIClient:
        client = docker.APIClient(self.address.base_url, version=version, timeout=int(CONNECT_TIMEOUT))
        # The exec connection knows no proxy of the environment, so the other calls do not either.
        client.trust_env = False
        client.hooks["response"].append(_bounded)
        if self.address.tls is not None:
            client.mount("https://", _ContextAdapter(self.address.tls))
        return client

    async def _run(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


def _bounded(response: requests.Response, *, stream: bool = False, **_: Any) -> None:
    """Stop reading an answer that has no end: `requests` itself takes whatever comes."""
    if stream:
        return
    read = response.raw.stream

    def counted(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        size = 0
        for piece in read(*args, **kwargs):
            size += len(piece)
            if size > MAX_ANSWER:
                response.close()
                raise AnswerTooLong
            yield piece

    response.raw.stream = counted  # type: ignore[method-assign]  # of this one response


class _ContextAdapter(HTTPAdapter):
    """Uses our SSL context as it is: requests would add the public CAs to it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=THREADS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """The context does it."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, attributes = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context} if "ssl_context" in attributes else attributes


def explain_connection(error: BaseException, address: Address) -> BackendError:
    """Why nothing came of a connection, in words that anybody may read: where it led to is for the log."""
    chain = _causes(error)
    logger.warning("the Docker Engine at %s: %s", address.shown, printable("; ".join(map(repr, chain)), MAX_LOGGED))
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return ProviderMisconfigured(
                "The Docker Engine's certificate is not one that the provider's CA has signed. Correct the CA."
            )
        if isinstance(link, ssl.SSLError):
            return ProviderMisconfigured(
                "No TLS connection with the Docker Engine: check its port, CA and client certificate."
            )
        if isinstance(link, FileNotFoundError):
            return ProviderUnreachable("The Docker Engine's socket does not exist. Check that the engine runs.")
        if isinstance(link, PermissionError):
            return ProviderMisconfigured("The portal's user may not open the Docker Engine's socket.")
        if isinstance(link, ConnectionRefusedError):
            return ProviderUnreachable("Nothing listens at the Docker Engine's address. Check that the engine runs.")
        if isinstance(link, socket.gaierror):
            return ProviderUnreachable("The Docker Engine's host name cannot be resolved. Check its address.")
        if isinstance(link, TimeoutError | requests.Timeout):
            return ProviderUnreachable("The Docker Engine did not answer in time. Check that it runs, and try again.")
        if isinstance(link, MALFORMED) and not isinstance(link, OSError):
            return ProviderMisconfigured(NO_ENGINE)
    hint = " It may not accept the provider's client certificate." if address.tls else " Try again in a moment."
    return ProviderUnreachable(f"The connection to the Docker Engine broke.{hint}")


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        reason = getattr(cause, "reason", None) or next((arg for arg in cause.args if isinstance(arg, Exception)), None)
        cause = reason if isinstance(reason, BaseException) else cause.__cause__ or cause.__context__
    return chain


def explain_status(status: int, message: str, about: str) -> BackendError:
    """An engine's error answer, in words of ours; its own go to the log."""
    logger.warning("a Docker Engine answered %d about %s: %s", status, about or "-", printable(message, MAX_LOGGED))
    if "OCI runtime exec failed" in message:
        return CommandNotFound("The container has no such program.")
    if "OCI runtime create failed" in message and "executable file not found" in message:
        return CommandNotFound("The image has no such program.")
    if "unable to find user" in message or "unable to find group" in message:
        return InvalidTarget("The image has no user or group of that name. Give one that it has, or a number.")
    if "range of cpus is" in message.lower():
        return InvalidTarget("The engine's machine has fewer CPUs than were asked for. Ask for fewer.")
    if status == 404:
        what = f"The container {about}" if about else "What was asked for"
        return ContainerGone(f"{what} does not exist any more.")
    if status == 409 and "is not running" in message:
        return ContainerGone(f"The container {about} is not running.")
    if status == 409 and "is restarting" in message:
        return ContainerGone(f"The container {about} is restarting. Try again in a moment.")
    if status == 409 and "is paused" in message:
        return BackendError(f"The container {about} is paused. Unpause it and try again.")
    if status in (401, 403):
        return ProviderRefused("The Docker Engine does not allow this. Whoever manages the provider can change that.")
    return BackendError(
        f"The Docker Engine answered with an error ({status}). Try again; the portal's log has what it said."
    )


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Around the reading of an answer: what has not the shape of an engine's is `ProviderMisconfigured`."""
    try:
        yield
    except MALFORMED as error:
        logger.warning("an answer that is no Docker Engine's: %r", error)
        raise ProviderMisconfigured(NO_ENGINE) from error


def text(value: object, longest: int = 253) -> str:
    """A text of an answer, in a `reading` block, cut where no name of ours is longer."""
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value[:longest]
