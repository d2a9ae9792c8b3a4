"""This machine as a provider: each session is a program on a pty or pipes of its own. For the demo, development, tests.

A shell given out here runs as the portal's own user, so this backend refuses to be made unless the operator has set
PORTHOLE_LOCAL_PROVIDER=1. It takes no options and no credentials.
"""

import asyncio
import logging
import os
import platform
import pwd
import signal
import threading
import weakref
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from sessions_app.backends import cleanup, names
from sessions_app.backends.base import (
    Backend,
    BackendError,
    CleanupReport,
    CommandNotFound,
    Container,
    ExecRequest,
    ExecSink,
    ExecStream,
    InvalidTarget,
    ProviderMisconfigured,
    Selector,
)
from sessions_app.backends.consoles import Consoles, NoConsoles
from sessions_app.backends.launch import launch, session_environment
from sessions_app.backends.local_stream import LocalStream, set_size

SWITCH = "PORTHOLE_LOCAL_PROVIDER"
NAME = "local"

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# A session leader that opens a terminal gets it as its controlling one (tty_ioctl(4)). Python code between fork and
# exec could deadlock in a process with threads, so a shell does it.
_TAKE_TERMINAL = 'tty=$1; shift; exec "$@" 0<>"$tty" 1>&0 2>&0'


logger = logging.getLogger(__name__)


class LocalBackend(Backend):
    """One container, called `local`: the machine that the portal runs on."""

    def __init__(self) -> None:
        if os.environ.get(SWITCH) != "1":
            raise ProviderMisconfigured(
                "Shells on the portal's own machine are switched off. "
                f"The portal's operator can allow them by setting {SWITCH}=1, for a demo or development only."
            )
        try:
            _account()  # Read while there is a file to be opened: later there may be none left.
        except KeyError as error:
            raise ProviderMisconfigured("The portal's user is not in this machine's list of users.") from error
        self._leaders = cleanup.Leaders()
        self._streams: weakref.WeakSet[LocalStream] = weakref.WeakSet()

    async def check(self) -> str:
        return f"Local processes on {platform.node()}"

    async def containers(self, selector: Selector) -> list[Container]:
        return [Container(container_name=NAME, id=NAME, image=platform.platform(terse=True), node=platform.node())]

    async def discover(self, limit: int) -> list[tuple[Selector, str]]:
        return [(Selector("", "name", NAME), "shell")][:limit]

    async def exec(self, request: ExecRequest, sink: ExecSink) -> ExecStream:
        names.exec_request(request)
        _check_target(request.container)

        async def open_stream(argv: Sequence[str], early: ExecSink) -> ExecStream:
            environment = session_environment(request)
            if request.tty:
                return await self._on_terminal(argv, early, environment, (request.cols, request.rows))
            return await self._on_pipes(argv, early, environment)

        launched = await launch(request, sink, open_stream, export=False)
        self._leaders.remember(request.session_uid, launched.leader)
        return launched.stream

    async def end_processes(self, session_uid: str, container: Container, *, kill_protected: bool) -> CleanupReport:
        _check_target(container)
        argv = cleanup.argv(session_uid, self._leaders.of(session_uid), kill_protected=kill_protected)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise _no_room(error) from error
        collected = cleanup.CollectedOutput()
        try:
            report = await cleanup.collect_process(process, collected)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        report = report or cleanup.parse_report(bytes(collected.raw), kill_protected=kill_protected)
        self._leaders.ended(session_uid, report)
        return report

    async def running(self, container: Container) -> bool:
        _check_target(container)
        return True

    async def consoles(self) -> Consoles:
        raise NoConsoles("The local provider has no containers, so it has no consoles either. Open a shell instead.")

    async def close(self) -> None:
        for stream in list(self._streams):
            await stream.close()

    async def _on_terminal(
        self, argv: Sequence[str], sink: ExecSink, variables: Mapping[str, str], size: tuple[int, int]
    ) -> LocalStream:
        _keep_ignored_signals_to_ourselves()
        try:
            primary, secondary = os.openpty()
        except OSError as error:
            raise _no_room(error) from error
        try:
            set_size(primary, *size)
            process = await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", _TAKE_TERMINAL, "sh", os.ttyname(secondary), *argv),
                stdin=secondary,
                stdout=secondary,
                stderr=secondary,
                env={**_environment(), **variables},
                cwd=_home(),
                start_new_session=True,
            )
        except BaseException as error:
            os.close(primary)
            if isinstance(error, FileNotFoundError):
                raise CommandNotFound("There is no /bin/sh on this machine.") from error
            if isinstance(error, OSError):
                raise _no_room(error) from error
            raise
        finally:
            os.close(secondary)
        return self._opened(LocalStream(sink, process, terminal=primary))

    async def _on_pipes(self, argv: Sequence[str], sink: ExecSink, variables: Mapping[str, str]) -> LocalStream:
        _keep_ignored_signals_to_ourselves()
        ours: list[int] = []
        theirs: list[int] = []
        try:
            for way in ("in", "out", "out"):
                reading, writing = os.pipe()
                ours.append(writing if way == "in" else reading)
                theirs.append(reading if way == "in" else writing)
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=theirs[0],
                stdout=theirs[1],
                stderr=theirs[2],
                env={**_environment(), **variables},
                cwd=_home(),
                start_new_session=True,
            )
        except BaseException as error:
            for descriptor in ours:
                os.close(descriptor)
            if isinstance(error, FileNotFoundError):
                raise CommandNotFound("There is no sh on this machine.") from error
            if isinstance(error, OSError):
                raise _no_room(error) from error
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return self._opened(LocalStream(sink, process, pipes=(ours[0], ours[1], ours[2])))

    def _opened(self, stream: LocalStream) -> LocalStream:
        self._streams.add(stream)
        return stream


def _keep_ignored_signals_to_ourselves() -> None:
    """A portal that was started with nohup, or by a script in the background, ignores some signals, and so would every
    program that it starts: Ctrl-C and a hang-up would do nothing. exec hands an ignored signal on, but no handler."""
    if threading.current_thread() is threading.main_thread():  # no other may set one
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, lambda _number, _frame: None)


def _no_room(error: OSError) -> BackendError:
    """EAGAIN, EMFILE, ENOMEM and the like."""
    logger.warning("no program can be started: %s", error)
    return BackendError(
        "The portal's machine cannot start another program now: it has too many processes or open files. "
        "End a session and try again."
    )


def _check_target(container: Container) -> None:
    if container.pod_name or container.container_name != NAME:
        raise InvalidTarget(f"The only container of this provider is called “{NAME}”.")


@cache
def _account() -> pwd.struct_passwd:
    return pwd.getpwuid(os.getuid())


def _home() -> str:
    home = _account().pw_dir
    return home if Path(home).is_dir() else "/"


def _environment() -> dict[str, str]:
    """A clean one: the portal's own holds its secrets."""
    name = _account().pw_name
    return {"PATH": _PATH, "HOME": _home(), "USER": name, "LOGNAME": name, "LANG": "C.UTF-8"}
