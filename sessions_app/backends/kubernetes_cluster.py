"""Calls to one cluster's API server, through `kubernetes.aio`, and the WebSocket of an exec beside it.

The package's own exec call does not work (37.0.2 refuses its arguments), so that connection is opened here, with the
same TLS context and token.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import OpenApiException
from yarl import URL

from sessions_app.backends.base import CALL_TIMEOUT, CONNECT_TIMEOUT, ContainerGone, ProviderMisconfigured
from sessions_app.backends.kubernetes_access import ClusterAccess
from sessions_app.backends.kubernetes_errors import explain
from sessions_app.backends.tls import client_context

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""The exec subprotocols, the newer one first."""

CLOSE_TIMEOUT = 0.5
"""Seconds an exec's WebSocket waits for the other side's close frame."""

Asked = ParamSpec("Asked")
Result = TypeVar("Result")


class Cluster:
    """One API server."""

    def __init__(self, access: ClusterAccess) -> None:
        self.access = access
        # Made now, so that unusable certificates are told before anything is reached.
        self._tls = client_context(access.ca, access.cert, access.key, verify=access.verify)
        self._client: client.ApiClient | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def api(self) -> client.ApiClient:
        """The client, made at its first use on the running loop."""
        if self._client is None:
            configuration = client.Configuration(
                host=self.access.server,
                tls_server_name=self.access.server_name or None,
                proxy=self.access.proxy or None,
            )
            if self.access.token is not None:
                token = self.access.token

                def renew(current: client.Configuration) -> None:
                    current.api_key["BearerToken"] = f"Bearer {token.current()}"

                renew(configuration)
                configuration.refresh_api_key_hook = renew  # type: ignore[assignment]  # declared as None only
            self._client = client.ApiClient(configuration)
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
        except ValueError as error:
            raise ProviderMisconfigured(
                f"What answers at {self.access.server} does not speak as a Kubernetes API server does."
            ) from error

    async def open_exec(
        self, namespace: str, pod: str, container: str, argv: Sequence[str], *, tty: bool, about: str
    ) -> aiohttp.ClientWebSocketResponse:
        """The WebSocket of an exec. Raises a `BackendError`. The names must have been checked."""
        query: list[tuple[str, str]] = [("command", word) for word in argv]
        query += [("container", container), ("stdin", "true"), ("stdout", "true")]
        # With a terminal there is one stream; asking for stderr beside it is an error.
        query.append(("tty", "true") if tty else ("stderr", "true"))
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        # Encoded here, as aiohttp would otherwise read "+" and ";" in a command its own way.
        url = URL(f"{self.access.server}{path}?{urlencode(query, quote_via=quote)}", encoded=True)

        async def connect() -> aiohttp.ClientWebSocketResponse:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                return await self._exec_session().ws_connect(
                    url,
                    headers=self._headers(),
                    protocols=PROTOCOLS,
                    autoping=False,
                    max_msg_size=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                    proxy=self.access.proxy or None,
                    server_hostname=self.access.server_name or None,
                )

        websocket = await self.call(about, connect)
        if websocket.protocol not in PROTOCOLS:
            await websocket.close()
            raise ProviderMisconfigured("The cluster speaks neither version 4 nor 5 of the exec protocol.")
        return websocket

    async def gone(self, namespace: str, pod: str, container: str, container_id: str) -> ContainerGone | None:
        """Whether a container runs no more, in words; None while it does."""
        try:
            # Any: the generated model calls everything optional, also what a stored pod always has.
            found: Any = await self.call(
                f"the pod {pod}", client.CoreV1Api(self.api).read_namespaced_pod, pod, namespace
            )
        except ContainerGone as error:
            return error
        if found.metadata.deletion_timestamp is not None:
            return ContainerGone(f"The pod {pod} is being deleted.")
        for status in found.status.container_statuses or []:
            if status.name == container:
                if status.state is None or status.state.running is None:
                    return ContainerGone(f"The container {container} of {pod} is not running.")
                if container_id and status.container_id and status.container_id != container_id:
                    return ContainerGone(f"The container {container} of {pod} was restarted.")
                return None
        return ContainerGone(f"The pod {pod} has no running container {container}.")

    async def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]
        if self._session is not None:
            await self._session.close()

    def _exec_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No limit: each exec holds its connection for as long as it lives.
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=True)
        return self._session

    def _headers(self) -> dict[str, str]:
        token = self.access.token
        return {"Authorization": f"Bearer {token.current()}"} if token is not None else {}
