"""Where things run: providers, stacks, services."""

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone

from audit import actions as audit
from audit.events import Action, Actor
from portal import sealing, validation
from portal.actions.organizations import POLICY_FIELDS, PolicyFields
from portal.actions.rows import delete_row, only, refuse, save_changes, save_new, thing
from portal.consoles import check_console_policy
from portal.models import Organization, Provider, Service, Stack


class ProviderFields(TypedDict, total=False):
    """What may change of a provider. Its kind never does; credentials have an action of their own."""

    slug: str
    name: str
    options: dict[str, Any]


class StackFields(TypedDict, total=False):
    """What may change of a stack. Its provider never does."""

    slug: str
    name: str
    namespace: str


class ConsoleFields(TypedDict, total=False):
    """What a service says of consoles; None or "" means the installation's."""

    console_memory: float | None
    console_memory_max: float | None
    console_cpu: float | None
    console_cpu_max: float | None
    console_hours: float | None
    console_hours_max: float | None
    console_image: str
    console_allow_tag: bool
    console_allow_image: bool
    console_allow_user: bool


class ServiceFields(PolicyFields, ConsoleFields, total=False):
    """What may change of a service. Its stack never does."""

    slug: str
    name: str
    selector_kind: str
    selector: str
    container_name: str
    default_command: list[str]


CONSOLE_FIELDS = frozenset(ConsoleFields.__annotations__)

SELECTION_FIELDS = frozenset({"slug", "name", "selector_kind", "selector", "container_name"})
"""What makes a service that service. Changing it takes `manage` on the whole stack: it could widen one's own reach."""


@transaction.atomic
def create_provider(
    *,
    actor: Actor,
    organization: Organization,
    slug: str,
    name: str,
    kind: str,
    options: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
    operator: bool = False,
) -> Provider:
    """A new place where containers run.

    `operator` is true where whoever runs the installation asks: it allows what belongs to the portal's own machine, its
    shells, a unix socket or the identity of its pod.
    """
    validation.check_provider(kind, options or {}, operator=operator)
    validation.check_credentials(kind, credentials or {})
    provider = Provider(organization=organization, slug=slug, name=name, kind=kind, options=dict(options or {}))
    provider.sealed_credentials = sealing.seal(dict(credentials or {}))
    return save_new(provider, actor=actor)


@transaction.atomic
def change_provider(
    *,
    actor: Actor,
    provider: Provider,
    credentials: Mapping[str, Any] | None = None,
    operator: bool = False,
    **changes: Unpack[ProviderFields],
) -> Provider:
    """Change a provider's names, options or (where given) all of its credentials.

    New options without credentials drop the old ones: they were meant for the address that was there, and whoever may
    set an address must not get to see them arrive somewhere else.
    """
    only(changes, ProviderFields.__annotations__)
    if "options" in changes and changes["options"] != provider.options:
        validation.check_provider(provider.kind, changes["options"], operator=operator)
        if credentials is None and provider.sealed_credentials:
            credentials = {}
    changed = save_changes(provider, changes, actor=actor)
    return changed if credentials is None else set_credentials(actor=actor, provider=changed, credentials=credentials)


@transaction.atomic
def set_credentials(*, actor: Actor, provider: Provider, credentials: Mapping[str, Any]) -> Provider:
    """Replace all credentials of a provider; none removes them. They are sealed here and shown nowhere."""
    validation.check_credentials(provider.kind, credentials)
    provider.sealed_credentials = sealing.seal(dict(credentials))
    provider.changed_at = timezone.now()
    provider.save(update_fields=["sealed_credentials", "changed_at"])
    audit.record(
        action=Action.CHANGED,
        actor=actor,
        organization=provider.organization,
        thing=thing(provider),
        detail={"after": {"access": "credentials changed" if credentials else "credentials removed"}},
    )
    return provider


@transaction.atomic
def reseal_credentials(*, actor: Actor, provider: Provider) -> None:
    """Seal a provider's credentials under the newest key. What they are does not change. Raises `SealError`."""
    locked = Provider.objects.select_for_update().get(pk=provider.pk)
    locked.sealed_credentials = sealing.reseal(locked.sealed_credentials)
    locked.save(update_fields=["sealed_credentials"])
    audit.record(
        action=Action.CHANGED,
        actor=actor,
        organization=locked.organization,
        thing=thing(locked),
        detail={"after": {"access": "sealed under the newest key"}},
    )


def delete_provider(*, actor: Actor, provider: Provider) -> None:
    """Delete a provider that no stack stands on."""
    try:
        delete_row(provider, actor=actor)
    except ProtectedError as error:
        raise refuse("provider", "Stacks stand on this provider. Delete them first.") from error


def create_stack(*, actor: Actor, provider: Provider, slug: str, name: str, namespace: str = "") -> Stack:
    """A new stack on a provider, in its organization."""
    validation.check_stack(provider.kind, namespace)
    stack = Stack(organization=provider.organization, provider=provider, slug=slug, name=name, namespace=namespace)
    return save_new(stack, actor=actor)


def change_stack(*, actor: Actor, stack: Stack, **changes: Unpack[StackFields]) -> Stack:
    """Change a stack's names or namespace."""
    only(changes, StackFields.__annotations__)
    validation.check_stack(stack.provider.kind, changes.get("namespace", stack.namespace))
    return save_changes(stack, changes, actor=actor)


def delete_stack(*, actor: Actor, stack: Stack) -> None:
    """Delete a stack with its services and grants. Live sessions in them end; what was recorded stays."""
    delete_row(stack, actor=actor)


def create_service(*, actor: Actor, stack: Stack, **fields: Unpack[ServiceFields]) -> Service:
    """A new service of a stack, in its organization."""
    only(fields, SELECTION_FIELDS | POLICY_FIELDS | CONSOLE_FIELDS | {"default_command"})
    service = Service(organization=stack.organization, stack=stack, **fields)
    _check_service(service)
    return save_new(service, actor=actor)


def change_service(*, actor: Actor, service: Service, **changes: Unpack[ServiceFields]) -> Service:
    """Change what a service selects or its policy. Sessions that run keep the limits they began with."""
    only(changes, SELECTION_FIELDS | POLICY_FIELDS | CONSOLE_FIELDS | {"default_command"})
    wanted = Service(stack=service.stack, **{name: getattr(service, name) for name in _CHECKED} | _checked(changes))
    _check_service(wanted)
    return save_changes(service, changes, actor=actor)


def delete_service(*, actor: Actor, service: Service) -> None:
    """Delete a service and the grants on it. Live sessions in it end; what was recorded stays."""
    delete_row(service, actor=actor)


_CHECKED = ("selector_kind", "selector", "container_name", "default_command", *sorted(CONSOLE_FIELDS))


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if name in _CHECKED}


def _check_service(service: Service) -> None:
    kind = service.stack.provider.kind
    validation.check_selector(kind, service.selector_kind, service.selector, service.container_name)
    validation.check_command(service.default_command)
    check_console_policy(service)
