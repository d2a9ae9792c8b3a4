"""What the portal asks of a place where containers run, and how such a place may fail.

An implementation knows no Django and no database: it is made from plain mappings and lives on one event loop. It
raises nothing but the exceptions of this file (and `asyncio.CancelledError`).

The stream follows asyncio's transport and protocol pair: the backend calls the `ExecSink` from the event loop as soon
as bytes come, and the engine calls `pause_reading` when it cannot take more. There is no queue between the two.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from sessions_app.backends.consoles import Consoles

from audit.journal import OutputStream

CONNECT_TIMEOUT = 5.0
"""Seconds until a provider that does not answer is called unreachable."""

CALL_TIMEOUT = 8.0
"""Seconds one call to a provider may take in all."""

READ_SIZE = 64 * 1024
"""Bytes read from a container at a time, at most."""

WRITE_HIGH_WATER = 256 * 1024
"""Bytes that may wait in a stream's own write buffer before `drain` waits."""

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer of a provider's API, a list of containers say, unpacked. An exec's stream has no such end."""

SESSION_VARIABLE = "PORTHOLE_SESSION_ID"
"""Set to the session's uid in every process of a session; the mark by which they are found again."""


class BackendError(Exception):
    """A provider could not do what was asked. The text is a plain sentence or two, fit for a page: what, and what next.

    It never holds a credential. `code` is the machine's word for it, as the API's errors carry it.
    """

    code: ClassVar[str] = "provider_error"


class ProviderUnreachable(BackendError):
    """Nothing answers at the provider's address, or not in time."""

    code = "provider_unreachable"


class ProviderMisconfigured(BackendError):
    """The provider's configuration cannot be used: an unreadable kubeconfig, a refused credential, local not on."""

    code = "provider_misconfigured"


class ProviderRefused(BackendError):
    """The provider answered that the portal may not do this (a Kubernetes 403, say)."""

    code = "provider_refused"


class ContainerGone(BackendError):
    """The container does not exist or does not run (any more)."""

    code = "container_not_found"


class CommandNotFound(BackendError):
    """The container has no such program; for a detected shell: it has none at all."""

    code = "no_shell"


class AnswerTooLong(BackendError):
    """The provider's API says more than the portal takes."""

    def __init__(self) -> None:
        limit = MAX_ANSWER // 2**20
        super().__init__(
            f"The provider answered with more than {limit} MiB, which the portal does not take. "
            "Select fewer containers, or check the provider's address."
        )


class InvalidTarget(BackendError):
    """A name, selector or command that no provider could accept. Nothing was sent."""

    code = "invalid_target"


@dataclass(frozen=True, slots=True)
class Selector:
    """Which containers a service means. `kind` is a `portal.models.SelectorKind` value."""

    namespace: str
    kind: str
    value: str
    container_name: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """One running (or starting) container, as it is now.

    On Kubernetes `pod_name` and `container_name` address it and `id` is empty or informative; on Docker and local
    `pod_name` is empty, `container_name` its name and `id` the engine's full id.
    """

    container_name: str
    pod_name: str = ""
    namespace: str = ""
    id: str = ""
    deployment_name: str = ""
    """The deployment, stateful set or daemon set; on Docker the compose service; else empty."""
    image: str = ""
    state: str = "running"
    """One word, lower case: running, waiting, terminated, created, paused, restarting, exited, ..."""
    ready: bool = True
    started_at: str = ""
    """ISO 8601, or empty."""
    node: str = ""
    default: bool = True
    """False for a pod's side containers, when the service prefers another one of the same pod."""


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """One program in one container, with a terminal or with pipes."""

    session_uid: str
    container: Container
    argv: Sequence[str] = ()
    """The exact argument vector. Empty: the first of bash, ash, sh that the container has, found in the same exec."""
    env: Mapping[str, str] = field(default_factory=dict)
    """On top of SESSION_VARIABLE, which is always set, and with a terminal TERM=xterm-256color, COLORTERM=truecolor."""
    cols: int = 80
    rows: int = 24
    tty: bool = True
    """False: pipes in place of a terminal. stdout and stderr come apart, stdin can be closed, there is no size."""


class ExecSink(Protocol):
    """Who takes a stream's output. Both are called on the event loop, must not block and must not raise."""

    def output(self, data: bytes, stream: OutputStream = "stdout") -> None:
        """Bytes from the program, in order, at most a few times READ_SIZE at once. Never called while paused for long:
        an implementation may still deliver what it had read before `pause_reading`. A terminal's are all of stdout;
        without one each stream is in order, and between the two the order is as good as the provider keeps it."""

    def closed(self, exit_code: int | None, error: BackendError | None) -> None:
        """The stream is over: called exactly once, after the last `output`, also after `close()`.

        `exit_code` is the program's, or None where the provider no longer knows. `error` says why the stream broke,
        None for a normal end.
        """


class ExecStream(ABC):
    """A running exec."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Queue bytes for the program's stdin. Returns at once; nothing is lost while the stream lives."""

    @abstractmethod
    def write_eof(self) -> bool:
        """Close the program's stdin once it has got what was written; nothing may be written afterwards. Not for a
        terminal. False: the provider has no way to tell this program, and its stdin stays open."""

    @abstractmethod
    async def drain(self) -> None:
        """Wait until the bytes queued by `write` are below WRITE_HIGH_WATER. Returns at once if the stream is over."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Stop taking output from the container, so that the program there blocks."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Take output again."""

    @abstractmethod
    async def resize(self, cols: int, rows: int) -> None:
        """Set the terminal's size. A stream that is over, or has no terminal, ignores it."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection. It does not end the processes (no engine does that): `Backend.end_processes` does."""


@dataclass(frozen=True, slots=True)
class FoundProcess:
    """One process of a session, found in its container when the session ended."""

    pid: int
    """As seen inside the container."""
    command: str
    """Its command line, at most 200 characters."""
    outcome: str
    """`ended` (gone after SIGHUP), `killed` (after SIGKILL), `left` (protected, so left alone), `survived`."""


@dataclass(frozen=True, slots=True)
class CleanupReport:
    """What was found of a session in its container, and what became of it."""

    processes: Sequence[FoundProcess] = ()
    container_gone: bool = False
    """True: the container no longer runs, so nothing of the session can."""
    container_removed: bool = False
    """True: the container was the session's own, and was removed with everything in it."""
    note: str = ""
    """Why nothing could be looked for (no shell in the container to look with, say)."""
    unfinished: bool = False
    """True: nobody answered, or not to the end, so it is worth another try."""


class Backend(ABC):
    """One provider. Made once per process and event loop, used by many sessions, closed at the end."""

    @abstractmethod
    async def check(self) -> str:
        """Reach the provider and name what answered, such as "Docker Engine 24.0.7" or "Kubernetes v1.29.3"."""

    @abstractmethod
    async def containers(self, selector: Selector) -> list[Container]:
        """The containers that the selector means now, running ones first, then by name."""

    @abstractmethod
    async def discover(self, limit: int) -> list[tuple[Selector, str]]:
        """At most `limit` things that run here, as a selector and a readable name for each: what a demo or an
        "import services" page offers."""

    @abstractmethod
    async def exec(self, request: ExecRequest, sink: ExecSink) -> ExecStream:
        """Start the program and return once it runs. Its output may reach the sink before that. Where this raises, the
        sink is never called."""

    @abstractmethod
    async def end_processes(self, session_uid: str, container: Container, *, kill_protected: bool) -> CleanupReport:
        """Hang up, then kill every process of the session in the container; the shell itself included.

        A process counts as protected when it ignores SIGHUP (nohup) or left the shell's terminal session (setsid): it
        is left alone and reported, unless `kill_protected`. Safe to call again, and for a session that never started.
        """

    @abstractmethod
    async def running(self, container: Container) -> bool:
        """Whether the container runs now. Where it was named with an id, another one in its place does not count.

        Raises a `BackendError` if the provider cannot tell.
        """

    @abstractmethod
    async def consoles(self) -> "Consoles":
        """Fresh containers for single sessions. Raises `NoConsoles` where there can be none."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections. Streams that still run are closed."""
