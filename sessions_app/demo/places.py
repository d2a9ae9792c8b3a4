"""Stacks and services for what runs in an engine, kept up with it at every load."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import chain, count

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, Q
from django.utils.text import slugify

from audit.events import PORTAL
from audit.models import Event
from portal import actions, sealing
from portal.models import Organization, Provider, ProviderKind, SelectorKind, Stack
from sessions_app.backends.base import Selector
from sessions_app.backends.docker import PROJECT_LABEL, SERVICE_LABEL
from sessions_app.demo.engines import Answer

MAX_SLUG = 64
MAX_NAME = 120
CLUSTERS_OWN = frozenset({"kube-system", "kube-public", "kube-node-lease"})

Found = list[tuple[Selector, str]]


@transaction.atomic
def refresh(organization: Organization, answer: Answer) -> list[Stack]:
    """Make the engine's provider, stacks and services, or bring them up to date. What a person changed stays."""
    provider = _provider(organization, answer)
    found = _by_namespace(answer)
    stacks = _stacks(provider, found)
    for stack in stacks:
        _add_services(stack, found.get(stack.namespace, []))
        if answer.complete:
            _drop_services(stack, {selector.value for selector, _ in found.get(stack.namespace, [])})
    return stacks


def _provider(organization: Organization, answer: Answer) -> Provider:
    address = answer.address
    provider = organization.providers.filter(slug=address.kind).first()
    if provider is None:
        return actions.create_provider(
            actor=PORTAL, organization=organization, slug=address.kind, name=answer.name, kind=address.kind,
            options=address.options, credentials=address.credentials, operator=True,
        )  # fmt: skip
    if not _only_ours(provider):
        return provider
    if provider.options != address.options:
        options = dict(address.options)
        provider = actions.change_provider(actor=PORTAL, provider=provider, operator=True, options=options)
    if sealing.unseal(provider.sealed_credentials) != address.credentials:
        provider = actions.set_credentials(actor=PORTAL, provider=provider, credentials=address.credentials)
    return provider


def _only_ours(row: Model) -> bool:
    """Has nobody but the portal itself made or changed this row?"""
    events = Event.objects.filter(target_type=row._meta.model_name, target_id=str(row.pk))
    return not events.exclude(actor_name=PORTAL.name, actor_id="").exists()


def _by_namespace(answer: Answer) -> Mapping[str, Found]:
    """What was found, by the namespace of the stack it belongs to.

    A Kubernetes stack is a namespace. All of a Docker Engine is one stack: a service of a compose project is selected
    by compose's own labels there.
    """
    found: dict[str, Found] = defaultdict(list)
    for selector, name in answer.found:
        if selector.kind == SelectorKind.COMPOSE:
            labels = f"{PROJECT_LABEL}={selector.namespace},{SERVICE_LABEL}={selector.value}"
            found[""].append((Selector("", SelectorKind.LABELS, labels), name))
        else:
            found[selector.namespace].append((selector, name))
    return found


def _stacks(provider: Provider, found: Mapping[str, Found]) -> list[Stack]:
    """The demo's stacks on this engine, with a new one for each namespace that has none yet.

    One is named after the engine, the others `kubernetes-<namespace>`.
    """
    ours = Q(slug=provider.kind) | Q(slug__startswith=f"{provider.kind}-")
    stacks = list(provider.stacks.filter(ours))
    taken = set(provider.organization.stacks.values_list("slug", flat=True))
    covered = {stack.namespace for stack in stacks}
    namespaces = sorted(found.keys() - covered)
    if provider.kind not in taken:
        main = _main_namespace(provider, found)
        namespaces = [main, *(namespace for namespace in namespaces if namespace != main)]
    for namespace in namespaces:
        slug = _free_slug(provider.kind if provider.kind not in taken else f"{provider.kind}-{namespace}", taken)
        stacks.append(actions.create_stack(actor=PORTAL, provider=provider, slug=slug, name=slug, namespace=namespace))
    return stacks


def _main_namespace(provider: Provider, found: Mapping[str, Found]) -> str:
    """The namespace of the stack that is named after the engine: `default` if anything runs there, else the fullest."""
    home = "default" if provider.kind == ProviderKind.KUBERNETES else ""
    if home in found or not found:
        return home
    return min(found, key=lambda namespace: (namespace in CLUSTERS_OWN, -len(found[namespace]), namespace))


def _add_services(stack: Stack, found: Found) -> None:
    """A service for each thing that no service of the stack selects yet."""
    selected = set(stack.services.values_list("selector_kind", "selector"))
    taken = set(stack.services.values_list("slug", flat=True))
    for selector, name in found:
        if (selector.kind, selector.value) in selected:
            continue
        # An engine allows some names that no service can select by: those are left out.
        with suppress(ValidationError):
            actions.create_service(
                actor=PORTAL,
                stack=stack,
                slug=_free_slug(name, taken),
                name=name[:MAX_NAME],
                selector_kind=selector.kind,
                selector=selector.value,
                container_name=selector.container_name,
            )


def _drop_services(stack: Stack, running: Collection[str]) -> None:
    """Take away the services of what is gone, unless somebody used or changed them."""
    for service in stack.services.exclude(selector__in=running).filter(sessions=None, grants=None):
        if _only_ours(service):
            actions.delete_service(actor=PORTAL, service=service)


def _free_slug(name: str, taken: set[str]) -> str:
    """A slug after `name` that is not in `taken`, to which it is added."""
    base = slugify(name.replace("/", " ").replace(".", "-"))[: MAX_SLUG - 4] or "service"
    slug = next(slug for slug in chain([base], (f"{base}-{number}" for number in count(2))) if slug not in taken)
    taken.add(slug)
    return slug
