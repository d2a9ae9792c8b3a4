"""A Kubernetes cluster as a provider.

Options: `context` (of the kubeconfig), `server`, `in_cluster`; credentials: `kubeconfig` as text, or `token` and `ca`.
What the portal must be allowed is the Role in deploy/kubernetes.
"""

import asyncio
import logging
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sessions_app.backends import cleanup, names
from sessions_app.backends.base import (
    Backend,
    BackendError,
    CleanupReport,
    CommandNotFound,
    Container,
    ContainerGone,
    ExecRequest,
    ExecSink,
    ExecStream,
    Selector,
)
from sessions_app.backends.consoles import Consoles
from sessions_app.backends.kubernetes_access import read_access
from sessions_app.backends.launch import launch
from sessions_app.backends.tls import client_context

if TYPE_CHECKING:
    from sessions_app.backends.kubernetes_cluster import Cluster
    from sessions_app.backends.kubernetes_stream import KubernetesStream

logger = logging.getLogger(__name__)

KILLED = 128 + 9

GONE_WAIT = 3.0
"""Seconds in which a broken stream's container must turn out to be gone: a node tells it a moment after the fact."""

GONE_INTERVAL = 0.2
"""Seconds between two questions of that wait."""


class KubernetesBackend(Backend):
    """The pods of one cluster."""

    def __init__(self, options: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
        self._access = access = read_access(options, credentials)
        # Made now, so that unusable certificates are told before anything is reached.
        self._tls = client_context(access.ca, access.cert, access.key, verify=access.verify)
        self._cluster: Cluster | None = None
        self._leaders = cleanup.Leaders()
        # Weak: a running stream's task holds it.
        self._streams: weakref.WeakSet[KubernetesStream] = weakref.WeakSet()

    async def check(self) -> str:
        cluster = await self._reach()
        return f"Kubernetes {await cluster.version()}"

    async def containers(self, selector: Selector) -> list[Container]:
        cluster = await self._reach()
        from sessions_app.backends import kubernetes_pods

        return await kubernetes_pods.containers(cluster, selector)

    async def discover(self, limit: int) -> list[tuple[Selector, str]]:
        cluster = await self._reach()
        from sessions_app.backends import kubernetes_pods

        return await kubernetes_pods.discover(cluster, limit)

    async def exec(self, request: ExecRequest, sink: ExecSink) -> ExecStream:
        names.exec_request(request)
        if request.tty:
            return await self._launch(request, sink)
        cluster = await self._reach()
        from sessions_app.backends.kubernetes_cluster import CLOSING, LASTING, NotSpoken

        if cluster.closes_stdin:
            try:
                return await self._launch(request, sink, (CLOSING,))
            except NotSpoken:
                logger.info("a cluster refused %s, so stdin is sent to it in frames", CLOSING)
        stream = await self._launch(request, sink, (LASTING,), framed=True)
        cluster.closes_stdin = False
        return stream

    async def _launch(
        self, request: ExecRequest, sink: ExecSink, protocols: Sequence[str] = (), *, framed: bool = False
    ) -> ExecStream:
        """Without a terminal the protocol must be known before the program starts: it decides how stdin is sent."""
        streams: list[KubernetesStream] = []

        async def open_stream(argv: Sequence[str], early: ExecSink) -> ExecStream:
            size = (request.cols, request.rows) if request.tty else None
            streams.append(await self._open(request.container, argv, early, size, protocols))
            return streams[-1]

        launched = await launch(request, sink, open_stream, export=True, framed=framed)
        self._leaders.remember(request.session_uid, launched.leader)
        if launched.how == "framed":
            streams[-1].frame_input()
        return launched.stream

    async def end_processes(self, session_uid: str, container: Container, *, kill_protected: bool) -> CleanupReport:
        argv = cleanup.argv(session_uid, self._leaders.of(session_uid), kill_protected=kill_protected)
        report = await self._clean_up(container, argv, kill_protected=kill_protected)
        self._leaders.ended(session_uid, report)
        return report

    async def running(self, container: Container) -> bool:
        _check_target(container)
        cluster = await self._reach()
        from sessions_app.backends import kubernetes_pods

        return await kubernetes_pods.running(cluster, container)

    async def consoles(self) -> Consoles:
        cluster = await self._reach()
        from sessions_app.backends.kubernetes_consoles import KubernetesConsoles

        return KubernetesConsoles(cluster)

    async def close(self) -> None:
        for stream in list(self._streams):
            await stream.close()
        if self._cluster is not None:
            await self._cluster.close()

    async def _reach(self) -> "Cluster":
        """The cluster. Loading its client library keeps a processor busy for most of a second, hence the thread."""
        if self._cluster is None:
            make = await asyncio.to_thread(_load)
            self._cluster = self._cluster or make(self._access, self._tls)
        return self._cluster

    async def _clean_up(self, container: Container, argv: Sequence[str], *, kill_protected: bool) -> CleanupReport:
        collected = cleanup.CollectedOutput()
        try:
            stream = await self._open(container, argv, collected, None)
        except ContainerGone:
            return CleanupReport(container_gone=True)
        except CommandNotFound:
            return CleanupReport(note=cleanup.NO_SHELL)
        try:
            stream.write(cleanup.stdin())
            report = await cleanup.collect(collected)
        finally:
            await stream.close()
        return report or cleanup.parse_report(bytes(collected.raw), kill_protected=kill_protected)

    async def _open(
        self,
        container: Container,
        argv: Sequence[str],
        sink: ExecSink,
        size: tuple[int, int] | None,
        protocols: Sequence[str] = (),
    ) -> "KubernetesStream":
        """One exec; with a terminal when it has a size (cols, rows)."""
        _check_target(container)
        cluster = await self._reach()
        from sessions_app.backends import kubernetes_pods
        from sessions_app.backends.kubernetes_stream import KubernetesStream

        async def ending(exit_code: int | None, error: BackendError | None) -> tuple[int | None, BackendError | None]:
            if exit_code not in (None, KILLED) or isinstance(error, CommandNotFound):
                return exit_code, error
            return exit_code, await _gone(cluster, container) or error

        try:
            websocket = await cluster.open_exec(container, argv, tty=size is not None, protocols=protocols)
        except BackendError as error:
            # A refused upgrade comes without a reason (400 and 500 for a container that does not run).
            if type(error) is BackendError:
                raise await kubernetes_pods.gone(cluster, container) or error from error
            raise
        stream = KubernetesStream(websocket, sink, ending, size)
        self._streams.add(stream)
        return stream


async def _gone(cluster: "Cluster", container: Container) -> BackendError | None:
    """Whether a stream broke, or a program was killed, because its container is gone."""
    from sessions_app.backends import kubernetes_pods

    try:
        async with asyncio.timeout(GONE_WAIT):
            while True:
                if (gone := await kubernetes_pods.gone(cluster, container)) is not None:
                    return gone
                await asyncio.sleep(GONE_INTERVAL)
    except (BackendError, TimeoutError):
        return None  # Then what broke the stream says more.


def _check_target(container: Container) -> None:
    names.namespace(container.namespace)
    names.pod(container.pod_name)
    names.pod_container(container.container_name)


def _load() -> "type[Cluster]":
    """Import everything here that imports the client library."""
    from sessions_app.backends import kubernetes_consoles, kubernetes_pods, kubernetes_stream  # noqa: F401 - for later
    from sessions_app.backends.kubernetes_cluster import Cluster

    return Cluster
