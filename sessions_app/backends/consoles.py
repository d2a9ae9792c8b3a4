"""What the portal asks of a place to make a console: a fresh container for one session, like those of a service.

The container's first process waits until its time is up and does nothing else; the session's program comes by an exec,
as in any other container (docs/decisions/0017). Whoever creates a console removes it, whatever becomes of it: by the
session's uid, from which its name is made, so that nothing need be remembered of one whose creation broke off.
"""

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sessions_app.backends import names
from sessions_app.backends.base import BackendError, Container, InvalidTarget

INSTALLATION = "porthole/installation"
SESSION = "porthole/session"
SERVICE = "porthole/service"
DEADLINE = "porthole/deadline"
"""Labels of a console: whose it is, and (seconds since 1970) when it is over whatever anybody says."""

IDLE = """trap 'exit 0' TERM INT; command -v sleep >/dev/null || exit 127; sleep "$1" & wait $!"""
"""What a console's first process runs, with its lifetime in seconds: so a console ends also where no portal is left.
The trap makes it end at once when it is asked to, as a first process has no other answer to SIGTERM."""

MAX_LABEL = 63
"""Characters of a label's value."""

MAX_SAID = 200
"""Characters of what an engine says that a person is shown."""

Progress = Callable[[str], None]
"""Is told in a sentence what a console waits for, whenever that changes."""

R = TypeVar("R")


class NoConsoles(BackendError):
    """This kind of provider has no containers to make."""

    code = "no_consoles"


class ImageUnavailable(BackendError):
    """The console's image is not there and cannot be had."""

    code = "image_unavailable"


class ConsoleNotStarted(BackendError):
    """The console's container did not come to run."""

    code = "console_not_started"


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """A console of one session."""

    session_uid: str
    installation: str
    """Which portal asks: another one's sweep leaves the console alone."""
    service: str
    """The service's slug."""
    like: Container
    """A container of the service, whose environment, mounts, network, user and limits of power the console gets. On
    Kubernetes its `pod_name` may be empty where `deployment_name` is not."""
    memory: int
    """Bytes."""
    millicpus: int
    lifetime: int
    """Seconds after which the engine ends it by itself."""
    image: str = ""
    """Empty: the image of `like`."""
    tag: str = ""
    """Another tag of that image."""
    user: str = ""
    """Empty: the user of `like`."""

    @property
    def name(self) -> str:
        """The container's or the pod's name."""
        return name_of(self.session_uid)

    def check(self) -> None:
        """Raise `InvalidTarget` for what could not be sent unchanged."""
        names.session_uid(self.session_uid)
        if self.memory <= 0 or self.millicpus <= 0 or self.lifetime <= 0:
            raise InvalidTarget("A console needs memory, CPU and time.")


@dataclass(frozen=True, slots=True)
class FoundConsole:
    """A console that is there, of whatever session."""

    session_uid: str
    deadline: float
    namespace: str = ""


class Removal(StrEnum):
    """What became of a console that was to go."""

    REMOVED = "removed"
    ABSENT = "absent"
    """There was none."""
    UNDER_WAY = "under way"
    """The engine has taken the order and is not done."""


class Consoles(ABC):
    """The consoles of one provider."""

    @abstractmethod
    async def create(self, request: ConsoleRequest, progress: Progress) -> Container:
        """Make the container and return once it runs, however long that takes: whoever calls has a limit, and removes
        what is there when this fails or is cancelled."""

    @abstractmethod
    async def remove(self, session_uid: str, namespace: str) -> Removal:
        """Kill and remove the console of a session, with everything in it. Safe to call again."""

    @abstractmethod
    async def left(self, installation: str, namespaces: Collection[str]) -> list[FoundConsole]:
        """Every console of this installation, stopped ones too. `namespaces` are Kubernetes'."""


def name_of(session_uid: str) -> str:
    """What the console of a session is called at its provider."""
    return f"porthole-{names.session_uid(session_uid)}"


def labels(request: ConsoleRequest) -> dict[str, str]:
    """A console's labels, and none of the service's, by which a service or a workload would take it for its own."""
    return {
        "app.kubernetes.io/managed-by": "porthole",
        INSTALLATION: request.installation,
        SESSION: request.session_uid,
        SERVICE: label_of(request.service),
        DEADLINE: str(round(time.time()) + request.lifetime),
    }


def label_of(slug: str) -> str:
    """A service's slug as Kubernetes takes a label: cut, and with a letter or a digit at both ends."""
    return slug.strip("-_")[:MAX_LABEL].rstrip("-_")


def found(label: Mapping[str, Any], namespace: str = "") -> FoundConsole:
    """The console that has these labels."""
    uid, deadline = label[SESSION], str(label.get(DEADLINE, ""))
    if not isinstance(uid, str):
        raise TypeError(f"a session's uid was expected, not {type(uid).__name__}")
    # One without a deadline that can be read is not ours to keep.
    return FoundConsole(uid, float(deadline) if deadline.isdecimal() else time.time(), namespace)


def retagged(image: str, tag: str) -> str:
    """The image with another tag. Raises `InvalidTarget` where it has no name to put one on."""
    name = image.partition("@")[0]
    if not name or re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", name):
        raise InvalidTarget("The service's container runs an image without a name, so there is no other tag of it.")
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}:{tag}"


def no_image(image: str, said: str) -> ImageUnavailable:
    """Why an image cannot be had, in plain words, from what an engine said of it."""
    if re.search(r"manifest unknown|not found|does not exist|NAME_UNKNOWN", said, re.IGNORECASE):
        why = "its registry has none of that name and tag, or it needs a sign-in. Check the name and the tag."
    elif re.search(r"unauthorized|denied|forbidden|authentication|no basic auth", said, re.IGNORECASE):
        why = "its registry asks for a sign-in that the engine does not have. Whoever runs the engine can pull it."
    elif re.search(r"lookup|dial|timeout|refused|no route|unreachable|EOF", said):
        why = "its registry does not answer. Try again, or name an image that is there already."
    elif "pull policy of Never" in said:
        why = "it is not on the node, and the service's pods may not pull it. Name an image that is there."
    else:
        why = "the engine could not pull it. The portal's log has what it said."
    return ImageUnavailable(f"The image {image} is not there: {why}")


async def to_its_end(act: Awaitable[R]) -> R:
    """Await something that a cancellation must not leave half done: it is raised once the act is over."""
    task = asyncio.ensure_future(act)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
