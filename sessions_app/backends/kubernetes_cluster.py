"""Calls to one cluster's API server, through `kubernetes.aio`, and the WebSocket of an exec beside it.

The package's own exec call does not work (37.0.2 refuses its arguments), so that connection is opened here, with the
same TLS context and token.
"""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration, VersionApi
from kubernetes.aio.client.exceptions import OpenApiException
from yarl import URL

from sessions_app.backends.base import (
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    MAX_ANSWER,
    AnswerTooLong,
    Container,
    ProviderMisconfigured,
)
from sessions_app.backends.kubernetes_access import ClusterAccess
from sessions_app.backends.kubernetes_errors import MALFORMED, NO_API_SERVER, explain, explain_status, reading
from sessions_app.backends.launch import where

CLOSING, LASTING = "v5.channel.k8s.io", "v4.channel.k8s.io"
"""The exec subprotocols. Only the first, of Kubernetes 1.30 and newer, can close a channel, such as stdin."""

PROTOCOLS = (CLOSING, LASTING)

MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of one message of an exec. API servers send 32 KiB at a time; whoever sends more wants to fill our memory."""

CLOSE_TIMEOUT = 0.5
"""Seconds an exec's WebSocket waits for the other side's close frame."""

logger = logging.getLogger(__name__)

Asked = ParamSpec("Asked")
Result = TypeVar("Result")


class _BoundedResponse(aiohttp.ClientResponse):
    """Stops reading an answer that has no end: aiohttp itself takes whatever comes."""

    async def read(self) -> bytes:
        if self._body is None:
            body = bytearray()
            try:
                async for piece in self.content.iter_any():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise AnswerTooLong
            except BaseException:
                self.close()
                raise
            self._body = bytes(body)
        return self._body


class NotSpoken(Exception):
    """The API server refused the one exec subprotocol it was offered, or the request as such. Nothing ran."""


class Cluster:
    """One API server."""

    def __init__(self, access: ClusterAccess, tls: ssl.SSLContext) -> None:
        self.access = access
        self._tls = tls
        self._client: ApiClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self.closes_stdin = True
        """It may speak a protocol that can; False once it turned out that it does not."""

    @property
    def api(self) -> ApiClient:
        """The client, made at its first use on the running loop."""
        if self._client is None:
            configuration = Configuration(
                host=self.access.server,
                tls_server_name=self.access.server_name or None,
                proxy=self.access.proxy or None,
                # The portal's own proxy and netrc are not for an address that a tenant has chosen.
                client_session_kwargs={"trust_env": False, "response_class": _BoundedResponse},
            )
            if self.access.token is not None:
                token = self.access.token

                def renew(current: Configuration) -> None:
                    current.api_key["BearerToken"] = f"Bearer {token.current()}"

                renew(configuration)
                configuration.refresh_api_key_hook = renew  # type: ignore[assignment]  # declared as None only
            self._client = ApiClient(configuration)
            self._client.rest_client.ssl_context = self._tls
        return self._client

    async def call(
        self, about: str, ask: Callable[Asked, Awaitable[Result]], *args: Asked.args, **kwargs: Asked.kwargs
    ) -> Result:
        """Ask within CALL_TIMEOUT; `about` says what about, for an error's sentence. Raises only `BackendError`s."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return await ask(*args, **kwargs)
        except (OpenApiException, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise explain(error, self.access.server, about) from error
        except MALFORMED as error:
            logger.warning("an answer that is no API server's at %s: %s", self.access.server, type(error).__name__)
            raise ProviderMisconfigured(NO_API_SERVER) from error

    async def version(self) -> str:
        """Such as v1.29.3."""
        answer: Any = await self.call("", VersionApi(self.api).get_code)
        with reading():
            return str(answer.git_version)[:100]

    async def send(
        self, about: str, method: str, path: str, *, body: Mapping[str, Any] | None = None, **query: str
    ) -> dict[str, Any]:
        """One call whose objects stay as they are, with fields that the client's models do not know. `path` comes after
        the server's address and holds checked names only. Raises only `BackendError`s."""
        url = URL(f"{self.access.server}{path}").with_query(query)

        async def ask() -> dict[str, Any]:
            async with self._own_session().request(
                method,
                url,
                json=body,
                headers=self._headers(),
                proxy=self.access.proxy or None,
                server_hostname=self.access.server_name or None,
            ) as answer:
                told = json.loads(await answer.read())
                if answer.status >= 400:
                    raise explain_status(answer.status, str(told.get("message", "")), about)
                return dict(told)

        return await self.call(about, ask)

    async def open_exec(
        self, target: Container, argv: Sequence[str], *, tty: bool, protocols: Sequence[str] = ()
    ) -> aiohttp.ClientWebSocketResponse:
        """The WebSocket of an exec. Raises a `BackendError`; `NotSpoken` if it is refused and only CLOSING was offered.
        No `protocols` are both. The target's names must have been checked."""
        protocols = protocols or PROTOCOLS
        query: list[tuple[str, str]] = [("command", word) for word in argv]
        query += [("container", target.container_name), ("stdin", "true"), ("stdout", "true")]
        # With a terminal there is one stream; asking for stderr beside it is an error.
        query.append(("tty", "true") if tty else ("stderr", "true"))
        path = f"/api/v1/namespaces/{target.namespace}/pods/{target.pod_name}/exec"
        # Encoded here, as aiohttp would otherwise read "+" and ";" in a command its own way.
        url = URL(f"{self.access.server}{path}?{urlencode(query, quote_via=quote)}", encoded=True)

        async def connect() -> aiohttp.ClientWebSocketResponse:
            async with asyncio.timeout(CONNECT_TIMEOUT), _refusals(protocols):
                return await self._own_session().ws_connect(
                    url,
                    headers=self._headers(),
                    protocols=protocols,
                    autoping=False,
                    max_msg_size=MAX_MESSAGE,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                    proxy=self.access.proxy or None,
                    server_hostname=self.access.server_name or None,
                )

        websocket = await self.call(
            where(f"the pod {target.pod_name}", f"the container {target.container_name}"), connect
        )
        if websocket.protocol not in protocols:
            await websocket.close()
            raise ProviderMisconfigured("The cluster speaks neither version 4 nor 5 of the exec protocol.")
        return websocket

    async def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]
        if self._session is not None:
            await self._session.close()

    def _own_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No limit: each exec holds its connection for as long as it lives.
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, response_class=_BoundedResponse, trust_env=False)
        return self._session

    def _headers(self) -> dict[str, str]:
        token = self.access.token
        return {"Authorization": f"Bearer {token.current()}"} if token is not None else {}


@asynccontextmanager
async def _refusals(protocols: Sequence[str]) -> AsyncIterator[None]:
    """An API server answers a protocol that it does not know with 403, as it does what is not allowed."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        if LASTING not in protocols:
            raise NotSpoken from error
        raise
