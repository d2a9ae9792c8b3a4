"""A Docker Engine as a provider.

Options: `host` (`unix:///path` or `tcp://host:port`) and `tls_verify`; credentials: `ca`, `cert` and `key` as PEM text.
"""

import asyncio
import fnmatch
import re
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from docker.utils import version_lt

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
    InvalidTarget,
    ProviderUnreachable,
    Selector,
)
from sessions_app.backends.consoles import SESSION, Consoles
from sessions_app.backends.docker_consoles import DockerConsoles
from sessions_app.backends.docker_engine import Address, Engine, reading, text
from sessions_app.backends.docker_stream import DockerStream, read_buffer, start_request
from sessions_app.backends.launch import launch, session_environment

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"

DETACH_KEYS = ",".join(["ctrl-@", "ctrl-^", "ctrl-_"] * 8)
"""The engine swallows these 24 keys, and holds back the first one until the next key. The default is Ctrl-P, Ctrl-Q,
which breaks a shell's history; they cannot be turned off, so they begin with the key that shows nothing by itself."""

CONSOLE_SIZE_API = "1.42"
"""The first API version whose exec start takes the terminal's size."""

EXIT_WAIT = 2.0
"""Seconds an engine may take, after the stream's end, to know the exit code."""

GONE_WAIT = 1.0
"""Seconds an engine may take, after a program was killed, to know that its whole container was."""

KILLED = 128 + 9

POLL = 0.02
"""Seconds between two questions of such a wait."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9]{1,128}")
_KUBELET_PREFIX = "k8s_"


class DockerBackend(Backend):
    """The containers of one engine."""

    def __init__(self, options: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
        self._engine = Engine(Address.parse(options, credentials))
        self._buffer = read_buffer()
        self._leaders = cleanup.Leaders()
        # Weak: a stream lives as long as its connection, which holds it.
        self._streams: weakref.WeakSet[DockerStream] = weakref.WeakSet()

    async def check(self) -> str:
        answer = await self._engine.call("version")
        with reading():
            return f"Docker Engine {text(answer.get('Version', ''))}".strip()

    async def containers(self, selector: Selector) -> list[Container]:
        labels = _label_filters(selector)
        pattern = names.pattern(selector.value) if selector.kind == "name" else "*"
        listed = await self._engine.call("containers", filters={"label": labels} if labels else None)
        with reading():
            found = [_container(entry) for entry in listed if not _is_console(entry)]
        return sorted(
            (container for container in found if fnmatch.fnmatchcase(container.container_name, pattern)),
            key=lambda container: (container.state != "running", container.container_name),
        )

    async def discover(self, limit: int) -> list[tuple[Selector, str]]:
        found: dict[Selector, str] = {}
        listed = await self._engine.call("containers")
        with reading():
            containers = [_container(entry) for entry in listed if not _is_console(entry)]
        for container in containers:
            project, service = container.namespace, container.deployment_name
            if container.container_name.startswith(_KUBELET_PREFIX):
                continue  # A kubelet's containers belong to its cluster.
            if project and service:
                found[Selector(project, "compose", service)] = f"{project} / {service}"
            else:
                found[Selector("", "name", container.container_name)] = container.container_name
        return sorted(found.items(), key=lambda item: item[1])[:limit]

    async def exec(self, request: ExecRequest, sink: ExecSink) -> ExecStream:
        names.exec_request(request)

        async def open_stream(argv: Sequence[str], early: ExecSink) -> ExecStream:
            environment = dict(session_environment(request))
            size = (request.rows, request.cols) if request.tty else None
            return await self._open(request.container, argv, early, environment, size)

        launched = await launch(request, sink, open_stream, export=False)
        self._leaders.remember(request.session_uid, launched.leader)
        if request.tty and launched.how != "sized":
            try:
                await launched.stream.resize(request.cols, request.rows)
            except BaseException:
                await launched.stream.close()
                raise
        return launched.stream

    async def end_processes(self, session_uid: str, container: Container, *, kill_protected: bool) -> CleanupReport:
        argv = cleanup.argv(session_uid, self._leaders.of(session_uid), kill_protected=kill_protected)
        report = await self._clean_up(container, argv, kill_protected=kill_protected)
        self._leaders.ended(session_uid, report)
        return report

    async def running(self, container: Container) -> bool:
        target = names.docker_container(container.id or container.container_name)
        try:
            return await self._is_running(target, container.container_name)
        except ContainerGone:
            return False

    async def consoles(self) -> Consoles:
        return DockerConsoles(self._engine)

    async def close(self) -> None:
        for stream in list(self._streams):
            await stream.close()
        await self._engine.close()

    async def _clean_up(self, container: Container, argv: Sequence[str], *, kill_protected: bool) -> CleanupReport:
        collected = cleanup.CollectedOutput()
        try:
            stream = await self._open(container, argv, collected, {}, size=None)
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
        environment: dict[str, str],
        size: tuple[int, int] | None,
    ) -> DockerStream:
        """One exec; with a terminal when it has a size (rows, cols)."""
        target = names.docker_container(container.id or container.container_name)
        about = container.container_name or target[:12]
        tty = size is not None
        keys = DETACH_KEYS if tty else None
        created = await self._engine.call(
            "exec_create",
            target,
            list(argv),
            stdin=True,
            tty=tty,
            environment=environment,
            detach_keys=keys,
            about=about,
        )
        with reading():
            exec_id = _identifier(created["Id"])

        async def ending() -> tuple[int | None, BackendError | None]:
            return await self._ending(exec_id, target, about)

        async def resize(cols: int, rows: int) -> None:
            await self._resize(exec_id, cols, rows)

        stream = DockerStream(sink, self._buffer, about, ending, resize if tty else None)
        self._streams.add(stream)
        version = await self._engine.api_version()
        sends_size = size if not version_lt(version, CONSOLE_SIZE_API) else None
        await stream.start(self._engine.address, start_request(version, exec_id, tty=tty, size=sends_size))
        return stream

    async def _resize(self, exec_id: str, cols: int, rows: int) -> None:
        try:
            await self._engine.call("exec_resize", exec_id, height=rows, width=cols)
        except ProviderUnreachable:
            raise
        except BackendError:
            # The engine answered: the program has just ended, and with it its terminal.
            return

    async def _ending(self, exec_id: str, target: str, about: str) -> tuple[int | None, BackendError | None]:
        """Why a stream has ended: the program's exit code, or what broke."""
        try:
            exit_code = await self._exit_code(exec_id, about)
            if exit_code is None:
                return None, BackendError(f"The stream of {about} ended while its program still runs.")
            if exit_code == KILLED and await self._container_gone(target, about):
                return exit_code, ContainerGone(f"The container {about} was stopped.")
        except BackendError as error:
            return None, error
        return exit_code, None

    async def _exit_code(self, exec_id: str, about: str) -> int | None:
        # The stream's last byte can overtake the news of the exit inside the engine.
        deadline = time.monotonic() + EXIT_WAIT
        while True:
            state = await self._engine.call("exec_inspect", exec_id, about=about)
            with reading():
                if not state["Running"] and state["ExitCode"] is not None:
                    return _exit_code(state["ExitCode"])
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(POLL)

    async def _is_running(self, target: str, about: str) -> bool:
        inspected = await self._engine.call("inspect_container", target, about=about)
        with reading():
            return bool(inspected["State"]["Running"])

    async def _container_gone(self, target: str, about: str) -> bool:
        deadline = time.monotonic() + GONE_WAIT
        while time.monotonic() < deadline:
            try:
                if not await self._is_running(target, about):
                    return True
            except ContainerGone:
                return True
            await asyncio.sleep(POLL)
        return False


def _identifier(value: object) -> str:
    """The id of a container or an exec: it becomes a part of addresses."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ValueError("no id")
    return value


def _exit_code(value: object) -> int:
    if not isinstance(value, int) or abs(value) >= 2**31:
        raise TypeError("no exit code")
    return value


def _label_filters(selector: Selector) -> list[str]:
    """The engine's label filters for a selector's namespace and value."""
    filters: list[str] = []
    if selector.namespace:
        key, separator, value = selector.namespace.partition("=")
        project = f"{PROJECT_LABEL}={names.docker_label(selector.namespace)}"
        filters.append(f"{names.docker_label(key)}={value}" if separator else project)
    match selector.kind:
        case "compose":
            filters.append(f"{SERVICE_LABEL}={names.docker_label(selector.value)}")
        case "labels":
            filters += [f"{key}={value}" for key, value in names.docker_labels(selector.value).items()]
        case "name":
            pass
        case kind:
            raise InvalidTarget(f"A Docker Engine has no “{kind}” to select by: use compose, labels or name.")
    return filters


def _is_console(entry: Mapping[str, Any]) -> bool:
    """Somebody's console is no container of a service, whatever a pattern means."""
    return SESSION in (entry.get("Labels") or {})


def _container(entry: Mapping[str, Any]) -> Container:
    """One entry of the engine's list, in a `reading` block."""
    labels = entry.get("Labels") or {}
    state = text(entry.get("State") or "unknown").lower()
    identifier = _identifier(entry["Id"])
    return Container(
        container_name=text(next(iter(entry.get("Names") or [identifier[:12]]))).lstrip("/"),
        namespace=text(labels.get(PROJECT_LABEL, "")),
        id=identifier,
        deployment_name=text(labels.get(SERVICE_LABEL, "")),
        image=text(entry.get("Image") or "", 1024),
        state=state,
        ready=state == "running" and "(unhealthy)" not in str(entry.get("Status", "")),
    )
