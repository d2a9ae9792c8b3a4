"""What several pages share: the services a user sees, grouped or of one stack, and the frame around them."""

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from portal.access import access_stack
from portal.models import Organization, Service, Stack
from portal.permissions import Permission
from portal.querysets import ServiceQuerySet


def visible_services(request: HttpRequest) -> ServiceQuerySet:
    """What the user sees, each with `may_shell` and `may_console`, its stack, provider and organization at hand."""
    permissions = (Permission.SHELL, Permission.CONSOLE)
    services = Service.objects.visible_to(request.user).with_permissions(request.user, *permissions)
    return services.select_related("organization", "stack__provider").order_by("stack__name", "name")


def with_services(request: HttpRequest, stacks: Iterable[Stack]) -> list[tuple[Stack, list[Service]]]:
    """Each stack with its services, in one query for all."""
    of_stack: dict[int, list[Service]] = {}
    stacks = list(stacks)
    for service in visible_services(request).of_stacks(stacks):
        of_stack.setdefault(service.stack_id, []).append(service)
    return [(stack, of_stack.get(stack.pk, [])) for stack in stacks]


def several_organizations(request: HttpRequest) -> bool:
    """Whether a page must say which organization it speaks of."""
    return Organization.objects.visible_to(request.user).count() > 1


def page_of(request: HttpRequest, rows: QuerySet[Any], size: int) -> Page[Any]:
    """The page that the address asks for; the first or the last where it asks for none that exists."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def stack_context(request: HttpRequest, pk: int, tab: str) -> dict[str, Any]:
    """What each tab of a stack's page shows. `Http404` where the user does not see the stack."""
    stack = access_stack(request.user, pk)
    services = list(visible_services(request).of_stacks([stack]))
    return {
        "nav": "stacks",
        "tab": tab,
        "stack": stack,
        "services": services,
        "any_shell": any(service.may_shell for service in services),  # type: ignore[attr-defined] # annotated
        "crumbs": [("Stacks", reverse("stack_list")), (stack.name, "")],
        "several_organizations": several_organizations(request),
    }
