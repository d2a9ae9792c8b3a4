"""The page that opens a console, and where other pages offer one."""

from typing import Any, cast

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.access import access_service, permissions_on
from portal.models import ProviderKind, Service
from portal.permissions import Permission
from portal.policy import policy_of
from portal.querysets import AnyUser
from portal.requests import actor_of
from sessions_app import actions
from sessions_app.backends.base import BackendError
from sessions_app.console_opening import open_console
from sessions_app.forms import ConsoleForm
from sessions_app.words import Via


@never_cache
@require_http_methods(["GET", "POST"])
def new_console(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks what the console shall be, and opens it. The address may name a container, and never a command: a link must
    not run anything. Nor may it lead in a circle: who comes from an image without a shell chooses another."""
    service = access_service(request.user, pk, Permission.CONSOLE)
    if service.stack.provider.kind == ProviderKind.LOCAL:
        raise Http404("The local provider has no containers, so it has no consoles.")
    target = {"pod_name": request.GET.get("pod", ""), "container_name": request.GET.get("container", "")}
    form = ConsoleForm(
        policy_of(service).console,
        request.POST or None,
        command=service.default_command,
        target=target,
        shell_missing=request.GET.get("shell") == "missing",
    )
    if request.method == "POST" and form.is_valid() and (uid := _opened(request, service, form)):
        return redirect("terminal", uid)
    context = {
        "nav": "stacks",
        "service": service,
        "form": form,
        "crumbs": [
            ("Stacks", reverse("stack_list")),
            (service.stack.name, reverse("stack", args=[service.stack_id])),
            (f"Console of {service.name}", ""),
        ],
    }
    return render(request, "sessions_app/new_console.html", context)


def _opened(request: HttpRequest, service: Service, form: ConsoleForm) -> str:
    """The session's uid; empty where it could not be opened, and the form says why."""
    user = cast(User, request.user)
    try:
        session = open_console(user=user, service=service, via=Via.WEB, actor=actor_of(request), wish=form.wish())
    except ValidationError as error:
        for name, sentences in error.message_dict.items():
            form.add_error(name if name in form.fields else None, sentences)
    except (BackendError, actions.LimitReached) as error:
        form.add_error(None, str(error))
    else:
        return session.uid
    return ""


def console_offer(user: AnyUser, service: Service) -> dict[str, Any] | None:
    """What a terminal's page is told of consoles where a container has no shell: None where there are none for this
    user, `image` where one click is enough, as the service names one, else what may be chosen."""
    if Permission.CONSOLE not in permissions_on(user, service):
        return None
    return offer_of(service)


def offer_of(service: Service) -> dict[str, Any] | None:
    """The same for a user who may open consoles of the service."""
    if service.stack.provider.kind == ProviderKind.LOCAL:
        return None
    url = reverse("new_console", args=[service.pk])
    choices = {"tag": service.console_allow_tag, "image": service.console_allow_image}
    return {
        "url": url,
        "elsewhere": f"{url}?shell=missing",
        "choices": [word for word, allowed in choices.items() if allowed],
        "image": service.console_image,
    }
