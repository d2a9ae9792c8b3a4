"""The closed sets of words of a session: its states, kinds and end reasons. Pure Python."""

import secrets
import time
from enum import StrEnum


class State(StrEnum):
    """`requested → provisioning → active ⇄ detached → ending → stopped`, or `failed` if it never became active."""

    REQUESTED = "requested"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    DETACHED = "detached"
    ENDING = "ending"
    STOPPED = "stopped"
    FAILED = "failed"


OVER = frozenset({State.STOPPED, State.FAILED})
LIVE = frozenset(State) - OVER


class Kind(StrEnum):
    """What a session is."""

    SHELL = "shell"
    CONSOLE = "console"
    EXEC = "exec"
    PORT_FORWARD = "port_forward"
    UNIX_SOCKET = "unix_socket"
    REVERSE_PROXY = "reverse_proxy"


TERMINALS = frozenset({Kind.SHELL, Kind.CONSOLE})
"""Kinds that somebody types into. The others have no terminal: streams, and no size."""


class Via(StrEnum):
    """What a session was opened with."""

    WEB = "web"
    CLI = "cli"
    API = "api"


class Detachment(StrEnum):
    """How a session came to be without its window."""

    LOST = "lost"
    """The connection broke: the session waits for its grace, then it ends as `disconnected`."""
    ASKED = "asked"
    """Somebody let go: it waits for as long as was asked, then it ends as `detach_expired`."""
    CLOSED = "closed"
    """Its user closed the window and wants closed terminals to end: it ends as `closed_by_user` unless the window is
    back in a moment."""


class EndReason(StrEnum):
    """Why a session stopped."""

    EXITED = "exited"
    CLOSED_BY_USER = "closed_by_user"
    DISCONNECTED = "disconnected"
    IDLE_TIMEOUT = "idle_timeout"
    MAX_DURATION = "max_duration"
    DETACH_EXPIRED = "detach_expired"
    TERMINATED = "terminated"
    ACCESS_REVOKED = "access_revoked"
    TARGET_GONE = "target_gone"
    PROVIDER_ERROR = "provider_error"
    RECORDING_FAILED = "recording_failed"
    OUTPUT_QUOTA = "output_quota"
    HOST_LOST = "host_lost"
    NEVER_ATTACHED = "never_attached"


_PREFIX = {
    Kind.EXEC: "ex",
    Kind.PORT_FORWARD: "pf",
    Kind.UNIX_SOCKET: "ux",
    Kind.REVERSE_PROXY: "rp",
}
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def new_uid(kind: Kind, via: Via) -> str:
    """A type prefix and 26 characters that sort by the time they were made (a ULID: 48 bits of ms, 80 of chance)."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    digits = "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    prefix = _PREFIX.get(kind) or ("ws" if via is Via.WEB else "sh")
    return f"{prefix}-{digits}"
