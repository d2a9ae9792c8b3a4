"""A Kubernetes cluster as a provider.

Options: `context` (of the kubeconfig), `server`, `in_cluster`; credentials: `kubeconfig` as text, or `token` and `ca`.
What the portal must be allowed is the Role in deploy/kubernetes.
"""

import asyncio
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.aio import client

from sessions_app.backends import cleanup, kubernetes_pods, names
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
from sessions_app.backends.kubernetes_access import read_access
from sessions_app.backends.kubernetes_cluster import Cluster
from sessions_app.backends.kubernetes_stream import KubernetesStream
from sessions_app.backends.launch import launch, where

KILLED = 128 + 9

GONE_CHECKS = 5
"""Times that the cluster is asked whether a killed program's whole container is gone."""

GONE_INTERVAL = 0.2
"""Seconds between them: the node reports a container's end a moment after its programs'."""


class KubernetesBackend(Backend):
    """The pods of one cluster."""

    def __init__(self, options: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
        self._cluster = Cluster(read_access(options, credentials))
        self._leaders = cleanup.Leaders()
        # Weak: a running stream's task holds it.
        self._streams: weakref.WeakSet[KubernetesStream] = weakref.WeakSet()

    async def check(self) -> str:
        version = await self._cluster.call("", client.VersionApi(self._cluster.api).get_code)
        return f"Kubernetes {version.git_version}"

    async def containers(self, selector: Selector) -> list[Container]:
        return await kubernetes_pods.containers(self._cluster, selector)

    async def discover(self, limit: int) -> list[tuple[Selector, str]]:
        return await kubernetes_pods.discover(self._cluster, limit)

    async def exec(self, request: ExecRequest, sink: ExecSink) -> ExecStream:
        names.exec_request(request)

        async def open_stream(argv: Sequence[str], early: ExecSink) -> ExecStream:
            return await self._open(request.container, argv, early, (request.cols, request.rows))

        launched = await launch(request, sink, open_stream, export=True)
        self._leaders.remember(request.session_uid, launched.leader)
        return launched.stream

    async def end_processes(self, session_uid: str, container: Container, *, kill_protected: bool) -> CleanupReport:
        argv = cleanup.argv(session_uid, self._leaders.of(session_uid), kill_protected=kill_protected)
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

    async def running(self, container: Container) -> bool:
        namespace = names.namespace(container.namespace)
        pod = names.pod(container.pod_name)
        return await kubernetes_pods.running(
            self._cluster, namespace, pod, names.pod_container(container.container_name), container.id
        )

    async def close(self) -> None:
        for stream in list(self._streams):
            await stream.close()
        await self._cluster.close()

    async def _open(
        self, container: Container, argv: Sequence[str], sink: ExecSink, size: tuple[int, int] | None
    ) -> KubernetesStream:
        """One exec; with a terminal when it has a size (cols, rows)."""
        namespace = names.namespace(container.namespace)
        pod = names.pod(container.pod_name)
        name = names.pod_container(container.container_name)
        about = where(f"the pod {pod}", f"the container {name}")

        async def ending(exit_code: int | None, error: BackendError | None) -> tuple[int | None, BackendError | None]:
            if exit_code not in (None, KILLED) or isinstance(error, CommandNotFound):
                return exit_code, error
            return exit_code, await self._gone(container) or error

        try:
            websocket = await self._cluster.open_exec(namespace, pod, name, argv, tty=size is not None, about=about)
        except BackendError as error:
            # A refused upgrade comes without a reason (400 and 500 for a container that does not run).
            if type(error) is BackendError:
                raise await self._cluster.gone(namespace, pod, name, container.id) or error from error
            raise
        stream = KubernetesStream(websocket, sink, ending, size)
        self._streams.add(stream)
        return stream

    async def _gone(self, container: Container) -> BackendError | None:
        """Whether a stream broke, or a program was killed, because its container is gone."""
        for _ in range(GONE_CHECKS):
            try:
                gone = await self._cluster.gone(
                    container.namespace, container.pod_name, container.container_name, container.id
                )
            except BackendError:
                return None  # What broke the stream says more.
            if gone is not None:
                return gone
            await asyncio.sleep(GONE_INTERVAL)
        return None
