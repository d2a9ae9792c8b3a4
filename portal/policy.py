"""Which limits hold for a session: the service's own, else the organization's, else the installation's."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from portal.consoles import ConsoleRules, console_rules_of
from portal.models import Policy, RecordingMode, Service


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """The limits of one session. Times are in seconds."""

    session_limit: int
    """Concurrent sessions of the service."""
    idle_timeout: int
    max_duration: int | None
    """None: no limit."""
    reconnect_grace: int
    detach_ttl_max: int
    detach_without_end: bool
    recording_mode: RecordingMode
    record_input: bool
    console: ConsoleRules


def policy_of(service: Service) -> SessionPolicy:
    """The policy of a service. Have its `organization` at hand (`select_related`), or this costs a query."""

    def first(name: str, default: Any) -> Any:
        levels: tuple[Policy, ...] = (service, service.organization)
        return next((value for level in levels if (value := getattr(level, name)) not in (None, "")), default)

    max_duration = first("max_duration", settings.PORTHOLE_MAX_DURATION)
    return SessionPolicy(
        session_limit=first("session_limit", settings.PORTHOLE_SESSION_LIMIT),
        idle_timeout=first("idle_timeout", settings.PORTHOLE_IDLE_TIMEOUT),
        max_duration=max_duration,
        reconnect_grace=first("reconnect_grace", settings.PORTHOLE_RECONNECT_GRACE),
        detach_ttl_max=first("detach_ttl_max", settings.PORTHOLE_DETACH_TTL_MAX),
        detach_without_end=first("detach_without_end", False),
        recording_mode=RecordingMode(first("recording_mode", RecordingMode.STRICT)),
        record_input=first("record_input", False),
        console=console_rules_of(service, max_duration),
    )
