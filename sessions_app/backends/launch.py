"""How a session's program is started, the same way on every provider.

A small POSIX script (launch.sh) runs first, on the session's own terminal or pipes: it sets the terminal's size, finds
a shell where none was named, writes one mark and becomes the program by `exec`. What stdout has before the mark is not
the program's output, so a launch that fails is told as an exception and never as text on somebody's terminal.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from audit.journal import OutputStream
from sessions_app.backends.base import (
    CALL_TIMEOUT,
    SESSION_VARIABLE,
    BackendError,
    CommandNotFound,
    ExecRequest,
    ExecSink,
    ExecStream,
    ProviderUnreachable,
)

DIRECT_START_GRACE = 0.5
"""Seconds in which a program that cannot be started is known to have failed, where no mark can tell."""

MAX_EARLY_OUTPUT = 64 * 1024
"""Bytes of each stream held back while waiting for the mark."""

_MARK = re.compile(rb"\x1eporthole (ready (sized|unsized|pipes|framed) ([0-9]+:[0-9]+)?|missing)\x1e")
_ENGINE_FAILURE = b"OCI runtime exec failed"

NOT_STARTED = (126, 127)
"""Exit codes by which a container runtime, as a shell, says that a program could not be executed or found."""

OpenStream = Callable[[Sequence[str], ExecSink], Awaitable[ExecStream]]


@dataclass(frozen=True, slots=True)
class Launched:
    """The program runs."""

    stream: ExecStream
    leader: str
    """`pid:start` of the process that leads the terminal session, as seen in the container; empty when unknown."""
    how: str
    """`sized`: the terminal had its size before the program began; `unsized`, or nothing where that is not known;
    `pipes`; `framed`: stdin must come in frames."""


@dataclass(frozen=True, slots=True)
class _Started:
    leader: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True)
class _Failed:
    exit_code: int | None
    error: BackendError | None
    text: str
    missing: bool
    """The launcher ran and did not find the program."""


class _LaunchSink:
    """Stands before the session's own sink and opens when the program runs."""

    def __init__(self, sink: ExecSink, *, marked: bool) -> None:
        self._sink = sink
        self._marked = marked
        self._early = bytearray()
        self._early_errors = bytearray()
        self._running = False
        self._missing = False
        self.outcome: asyncio.Future[_Started | _Failed] = asyncio.get_running_loop().create_future()

    def output(self, data: bytes, stream: OutputStream = "stdout") -> None:
        if self._running:
            self._sink.output(data, stream)
            return
        if stream == "stderr":
            self._take_errors(data)
            return
        self._early += data
        if not self._marked:
            held = bytes(self._early[: len(_ENGINE_FAILURE)])
            if not _ENGINE_FAILURE.startswith(held):
                self.open(_Started())
            return
        if mark := _MARK.search(bytes(self._early)):
            if mark[1] == b"missing":
                self._missing = True
            else:
                del self._early[: mark.end()]
                self.open(_Started((mark[3] or b"").decode(), mark[2].decode()))
        elif len(self._early) > MAX_EARLY_OUTPUT:
            self.open(_Started())

    def _take_errors(self, data: bytes) -> None:
        """The program's, which have overtaken the mark, or a launcher's that fails."""
        self._early_errors += data
        if len(self._early_errors) <= MAX_EARLY_OUTPUT:
            return
        if not self._marked:
            self.open(_Started())
            return
        # No launcher says so much, so the program runs. Its mark is still to come, on stdout, and says how: these two
        # have no order, and to stop reading would stop both.
        self._sink.output(bytes(self._early_errors), "stderr")
        self._early_errors.clear()

    def open(self, started: _Started) -> None:
        """From now on everything is the program's."""
        if self._running or self.outcome.done():
            return
        self._running = True
        self.outcome.set_result(started)
        if self._early_errors:
            self._sink.output(bytes(self._early_errors), "stderr")
            self._early_errors.clear()
        if self._early:
            self._sink.output(bytes(self._early))
            self._early.clear()

    def closed(self, exit_code: int | None, error: BackendError | None) -> None:
        if not self._running and not self._marked and error is None and not self._refused(exit_code):
            self.open(_Started())
        if self._running:
            self._sink.closed(exit_code, error)
        elif not self.outcome.done():
            text = (self._early + self._early_errors).decode(errors="replace")
            self.outcome.set_result(_Failed(exit_code, error, text, self._missing))

    def _refused(self, exit_code: int | None) -> bool:
        return exit_code in NOT_STARTED and self._early.startswith(_ENGINE_FAILURE)


async def launch(
    request: ExecRequest, sink: ExecSink, open_stream: OpenStream, *, export: bool, framed: bool = False
) -> Launched:
    """Start the request's program through `open_stream` and return when it runs.

    `export`: let the launcher set the environment, where the provider's own call cannot. `framed`: let it take stdin in
    frames, where the provider cannot close it. Raises `CommandNotFound` when the container has no such program or no
    shell, or what else went wrong; the sink is then never told of an end, nor of output, unless stderr had more of it
    than is held back.
    """
    argv = _launcher_argv(request, export=export, framed=framed)
    try:
        return await _start(argv, request, sink, open_stream, marked=True)
    except _NoLauncher as error:
        if not request.argv:
            raise CommandNotFound(
                f"The image of {_where(request)} has no shell. Give a command that it has, or open a console."
            ) from error
    try:
        # Without a shell there is nothing to set a size, export a variable or clean up with; the program still runs.
        return await _start(request.argv, request, sink, open_stream, marked=False)
    except _NoLauncher as error:
        raise _missing_program(request) from error


class _NoLauncher(Exception):
    """The engine found no program of that name."""


async def _start(
    argv: Sequence[str], request: ExecRequest, sink: ExecSink, open_stream: OpenStream, *, marked: bool
) -> Launched:
    early = _LaunchSink(sink, marked=marked)
    try:
        stream = await open_stream(argv, early)
    except CommandNotFound as error:
        raise _NoLauncher from error
    try:
        outcome = await _outcome(early, request, marked=marked)
    except BaseException:
        await stream.close()
        raise
    if isinstance(outcome, _Started):
        return Launched(stream, outcome.leader, outcome.how)
    await stream.close()
    raise _failure(outcome, request)


async def _outcome(early: _LaunchSink, request: ExecRequest, *, marked: bool) -> _Started | _Failed:
    wait = CALL_TIMEOUT if marked else DIRECT_START_GRACE
    try:
        async with asyncio.timeout(wait):
            return await asyncio.shield(early.outcome)
    except TimeoutError:
        if marked:
            raise ProviderUnreachable(
                f"Nothing started in {_where(request)} within {CALL_TIMEOUT:.0f} seconds. "
                "Check that the container is not paused or out of memory, and try again."
            ) from None
        early.open(_Started())
        return await early.outcome


def _failure(failed: _Failed, request: ExecRequest) -> Exception:
    if failed.missing:
        return _missing_program(request)
    if isinstance(failed.error, CommandNotFound) or (failed.error is None and failed.exit_code in NOT_STARTED):
        return _NoLauncher(failed.text)
    if failed.error is not None:
        return failed.error
    return BackendError(
        f"The program in {_where(request)} could not be started (exit code {failed.exit_code})."
        f" {printable(failed.text)}".rstrip()
    )


def _missing_program(request: ExecRequest) -> CommandNotFound:
    return CommandNotFound(
        f"There is no program “{printable(request.argv[0] if request.argv else 'sh')}” in {_where(request)}. "
        "Check its name, or give its full path."
    )


def _where(request: ExecRequest) -> str:
    return where(request.container.pod_name, request.container.container_name or request.container.id)


def where(pod_name: str, container_name: str) -> str:
    """How a sentence names a container."""
    return f"{container_name} of {pod_name}" if pod_name else container_name


def printable(text: str, longest: int = 200) -> str:
    """Text that came out of a container, made fit for one line of a page or a log."""
    return "".join(char if char.isprintable() else " " for char in text[:longest]).strip()


def _launcher_argv(request: ExecRequest, *, export: bool, framed: bool) -> list[str]:
    variables = [f"{name}={value}" for name, value in session_environment(request).items()] if export else []
    how = f"{request.cols}x{request.rows}" if request.tty else "framed" if framed else "pipes"
    return ["sh", "-c", script("launch.sh"), "porthole", how, *variables, "--", *request.argv]


def session_environment(request: ExecRequest) -> Mapping[str, str]:
    """The variables that every program of the session is given."""
    terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor"} if request.tty else {}
    return {**terminal, **request.env, SESSION_VARIABLE: request.session_uid}


@cache
def script(name: str) -> str:
    """A script of this package, without its comments: it travels with every call."""
    lines = resources.files("sessions_app.backends").joinpath(name).read_text().splitlines()
    return "\n".join(line.strip() for line in lines if line.strip() and not line.strip().startswith("#"))
