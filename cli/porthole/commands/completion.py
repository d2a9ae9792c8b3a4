"""What a shell completes: names that the portal knows, if it answers quickly."""

from collections.abc import Iterable
from typing import Any

TIMEOUT = 3.0


def complete_service(incomplete: str) -> list[str]:
    """Services, as stack/service."""
    return [name for name in _names() if name.startswith(incomplete)]


def complete_session(incomplete: str) -> list[str]:
    """Live sessions."""
    return [uid for uid in _shown(stream["id"] for stream in _asked("streams/")) if uid.startswith(incomplete)]


def complete_parameter(incomplete: str) -> list[str]:
    """What `run` takes."""
    names = ("memory=", "cpu=", "max_hours=", "docker_tag=", "image=", "user=")
    return [name for name in names if name.startswith(incomplete)]


def _names() -> list[str]:
    return _shown(f"{each['stack_slug']}/{each['slug']}" for each in _asked("services/"))


def _shown(names: Iterable[str]) -> list[str]:
    """Without those that hold something a terminal would obey: the shell shows them as they are."""
    return [name for name in names if name.isprintable()]


def _asked(path: str) -> list[dict[str, Any]]:
    from porthole.failures import Failure
    from porthole.portal import signed_in

    try:
        portal = signed_in(TIMEOUT)
        return list(portal.get(path)) if path == "streams/" else portal.every(path)
    except Failure:  # a person who presses Tab has no use for the reason
        return []
