"""From a service to a requested session: find the container now, then take a place."""

from typing import TYPE_CHECKING

from asgiref.sync import async_to_sync

from audit.events import Actor
from portal.models import Service
from sessions_app import actions
from sessions_app.backends import names
from sessions_app.backends.base import Container, ContainerGone
from sessions_app.models import Session
from sessions_app.providers import containers_of, selector_of, spec_of
from sessions_app.words import Kind, Via

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from portal.models import ApiToken


def live_containers(service: Service) -> list[Container]:
    """What the service's selector finds at its provider now. Raises `BackendError`. Not inside a transaction."""
    return async_to_sync(containers_of)(spec_of(service.stack.provider), selector_of(service))


def choose(containers: list[Container], *, service: Service, pod_name: str, container_name: str) -> Container:
    """The container that was named, or the best one. Only what the service selects can be named at all.

    Raises `ContainerGone`.
    """
    running = [container for container in containers if container.state == "running"]
    fitting = [
        container
        for container in running
        if pod_name in ("", container.pod_name) and container_name in ("", container.container_name)
    ]
    if not fitting:
        named = "/".join(name for name in (pod_name, container_name) if name)
        if named:
            where = "" if named == service.name else f" in {service.name}"
            raise ContainerGone(f"{named} does not run{where} now. Start it, or choose another container.")
        raise ContainerGone(f"No container of {service.name} runs now. Start one, or see why none runs.")
    return max(fitting, key=lambda container: (container.default, container.ready))


def open_in_container(
    *,
    user: "User",
    service: Service,
    kind: Kind,
    via: Via,
    actor: Actor,
    pod_name: str = "",
    container_name: str = "",
    command: list[str] | None = None,
    title: str = "",
    cols: int = 80,
    rows: int = 24,
    api_token: "ApiToken | None" = None,
) -> Session:
    """A requested session in a container that runs: a shell, or a command without a terminal.

    Raises `BackendError` and `actions.LimitReached`; the caller has checked access.
    """
    argv = command or (service.default_command if kind is Kind.SHELL else [])
    names.argv(argv)  # A command that no provider could be sent takes no place and leaves no row.
    container = choose(live_containers(service), service=service, pod_name=pod_name, container_name=container_name)
    wanted = actions.NewSession(service, container, kind, via, argv, title, cols, rows)
    return actions.open_session(user=user, wanted=wanted, actor=actor, api_token=api_token)
