"""From a service to a requested console: what may be asked for, and which container it is made like."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError

from audit.events import Actor
from portal.consoles import HOUR, LEAST, Amount, ConsoleRules, check_image, check_tag, check_user
from portal.models import ProviderKind, SelectorKind, Service
from portal.policy import policy_of
from sessions_app import actions
from sessions_app.backends import names
from sessions_app.backends.base import Container, ContainerGone
from sessions_app.backends.consoles import NoConsoles
from sessions_app.models import Session
from sessions_app.opening import choose, live_containers
from sessions_app.words import Kind, Via

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from portal.models import ApiToken

AMOUNTS = {"memory": ("memory", "GB"), "cpu": ("cpu", "CPU"), "max_hours": ("hours", "hours")}
"""Parameters with a ceiling: the rule's name, and its unit."""

CHOICES = {
    "docker_tag": ("allow_tag", "another tag of its image"),
    "image": ("allow_image", "another image"),
    "user": ("allow_user", "the user that a console runs as"),
}
"""Parameters that a service allows or not."""


@dataclass(frozen=True, slots=True)
class ConsoleWish:
    """What somebody asks for; what is empty or None is the service's default."""

    command: list[str] = field(default_factory=list)
    memory: float | None = None
    """GB."""
    cpu: float | None = None
    max_hours: float | None = None
    image: str = ""
    docker_tag: str = ""
    user: str = ""
    pod_name: str = ""
    container_name: str = ""
    title: str = ""
    cols: int = 80
    rows: int = 24


def open_console(
    *,
    user: "User",
    service: Service,
    via: Via,
    actor: Actor,
    wish: ConsoleWish,
    api_token: "ApiToken | None" = None,
) -> Session:
    """A requested console session. Raises `ValidationError` for a parameter, `BackendError`, and
    `actions.LimitReached`; the caller has checked access."""
    kind = ProviderKind(service.stack.provider.kind)
    if kind is ProviderKind.LOCAL:
        raise NoConsoles("The local provider has no containers, so it has no consoles either. Open a shell instead.")
    argv = wish.command or service.default_command
    names.argv(argv)
    rules = policy_of(service).console
    asked = allowed(wish, rules, kind)
    like = _like(service, wish)
    asked["service"] = service.slug
    asked["like"] = {"pod_name": like.pod_name, "container_name": like.container_name, "id": like.id}
    # Where it will be is known once it is there.
    place = Container(container_name="", namespace=like.namespace, deployment_name=like.deployment_name)
    wanted = actions.NewSession(
        service, place, Kind.CONSOLE, via, argv, wish.title, wish.cols, wish.rows, asked,
        max_duration=max(1, round(asked["max_hours"] * HOUR)),
    )  # fmt: skip
    return actions.open_session(user=user, wanted=wanted, actor=actor, api_token=api_token)


def allowed(wish: ConsoleWish, rules: ConsoleRules, kind: ProviderKind) -> dict[str, Any]:
    """A console's parameters, defaults filled in. Raises `ValidationError` that names each field and its ceiling."""
    errors: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, (rule, unit) in AMOUNTS.items():
        amount: Amount = getattr(rules, rule)
        value = getattr(wish, name)
        found[name] = amount.default if value is None else value
        least = min(LEAST, amount.most)  # of hours the most may be less: a service's sessions may be shorter
        if not least <= found[name] <= amount.most:
            errors[name] = f"This service allows consoles of at least {least:g} and at most {amount.most:g} {unit}."
    for name, (rule, what) in CHOICES.items():
        found[name] = getattr(wish, name)
        if found[name] and found[name] != getattr(rules, name, "") and not getattr(rules, rule):
            errors[name] = f"This service does not let you choose {what}. Whoever manages it can allow that."
    if errors:
        raise ValidationError(errors)
    for name, check in (("image", check_image), ("docker_tag", check_tag)):
        if found[name]:
            check(found[name])
    if found["user"]:
        check_user(found["user"], numeric=kind is ProviderKind.KUBERNETES)
    found["image"] = found["image"] or rules.image
    return found


def _like(service: Service, wish: ConsoleWish) -> Container:
    """The container whose environment the console gets: the one that was named, or the best that runs. A workload of a
    cluster has a template also where none of its containers runs."""
    containers = live_containers(service)
    try:
        return choose(containers, service=service, pod_name=wish.pod_name, container_name=wish.container_name)
    except ContainerGone:
        if wish.pod_name or service.stack.provider.kind != ProviderKind.KUBERNETES:
            raise
        if fitting := [each for each in containers if wish.container_name in ("", each.container_name)]:
            return max(fitting, key=lambda container: container.default)
        if containers or service.selector_kind != SelectorKind.WORKLOAD:
            raise
        return Container(
            container_name=wish.container_name or service.container_name,
            namespace=service.stack.namespace,
            deployment_name=service.selector,
        )
