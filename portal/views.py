"""The portal's own pages: home, stacks, settings, and what the command palette finds."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import actions, devices
from portal.access import access_api_token, preferences_of
from portal.forms import ApiTokenForm, PreferencesForm
from portal.models import ApiToken, Service, Stack
from portal.pages import page_of, several_organizations, stack_context, visible_services, with_services
from portal.requests import actor_of, client_address, signed_in
from sessions_app.models import Session

STACKS_ON_HOME = 12
ROWS_ON_HOME = 8
STACKS_A_PAGE = 50
MATCHES = 8
OFFERS = 500
"""Services that the palette filters by itself; with more of them it asks again."""


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """My stacks with a shell button for each service, my live sessions, recent recordings."""
    visible = Stack.objects.visible_to(request.user).select_related("organization", "provider")
    stacks = list(visible[: STACKS_ON_HOME + 1])
    recorded = Session.objects.recorded_for(request.user).over().with_output_on_record().with_recording_health()
    return render(
        request,
        "portal/home.html",
        {
            "nav": "home",
            "stacks": with_services(request, stacks[:STACKS_ON_HOME]),
            "more_stacks": len(stacks) > STACKS_ON_HOME,
            "live": _own_live(request),
            "recent": recorded[:ROWS_ON_HOME],
            "several_organizations": several_organizations(request),
        },
    )


@require_GET
def home_live(request: HttpRequest) -> HttpResponse:
    """My live sessions alone, as home fetches them again every few seconds."""
    return render(request, "portal/_home_live.html", {"live": _own_live(request)})


def _own_live(request: HttpRequest) -> QuerySet[Session]:
    return Session.objects.own(request.user).live()[:ROWS_ON_HOME]


@require_GET
def stack_list(request: HttpRequest) -> HttpResponse:
    """Every stack that the user sees."""
    stacks = Stack.objects.visible_to(request.user).select_related("organization", "provider")
    page = page_of(request, stacks, STACKS_A_PAGE)
    return render(
        request,
        "portal/stack_list.html",
        {
            "nav": "stacks",
            "page": page,
            "stacks": with_services(request, list(page)),
            "several_organizations": several_organizations(request),
        },
    )


@require_GET
def stack_services(request: HttpRequest, pk: int) -> HttpResponse:
    """A stack's services; their containers are fetched by the page, so that no provider can hold it up."""
    return render(request, "portal/stack_services.html", stack_context(request, pk, "services"))


@require_GET
def palette(request: HttpRequest) -> JsonResponse:
    """What the command palette offers: for a typed text, or without one all of it, as far as one answer holds."""
    text = request.GET.get("q", "").strip()[:100]
    limit = MATCHES if text else OFFERS
    services = list(visible_services(request).named(text)[: limit + 1])
    pages = [
        ("Home", "home"),
        ("Stacks", "stack_list"),
        ("Sessions", "session_list"),
        ("Search", "search"),
        ("Settings", "settings"),
    ]
    matches = [_match(service) for service in services[:limit]]
    matches += [
        {"label": label, "hint": "page", "action": "Go", "url": reverse(name), "find": label}
        for label, name in pages
        if label.lower().startswith(text.lower())
    ]
    return JsonResponse({"matches": matches, "more": len(services) > limit})


def _match(service: Service) -> dict[str, str]:
    shell = service.may_shell  # type: ignore[attr-defined] # annotated by with_permissions
    url = reverse("open_shell", args=[service.pk]) if shell else reverse("stack", args=[service.stack_id])
    return {
        "label": service.name,
        "hint": f"{service.stack.name} · {service.organization.name}",
        "action": "Shell" if shell else "View",
        "url": url,
        "find": "\n".join((service.name, service.slug, service.stack.name)),
    }


@never_cache
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """Terminal preferences and API tokens."""
    user = signed_in(request)
    form = PreferencesForm(request.POST or None, instance=preferences_of(user))
    if request.method == "POST" and form.is_valid():
        actions.change_preferences(actor=actor_of(request), user=user, **form.cleaned_data)
        messages.success(request, "Saved. New terminals use it.")
        return redirect("settings")
    return _settings_page(request, preferences=form)


@never_cache
@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a personal API token and show its secret, this once."""
    form = ApiTokenForm(request.POST)
    if not form.is_valid():
        return _settings_page(request, token=form)
    try:
        token, secret = actions.create_api_token(
            actor=actor_of(request),
            user=signed_in(request),
            name=form.cleaned_data["name"],
            scopes=form.chosen_scopes(),
            expires_at=form.expires_at(),
        )
    except ValidationError as error:
        form.add_error(None, error.messages)
        return _settings_page(request, token=form)
    return _settings_page(request, created=token, secret=secret)


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of the user's own API tokens, and the sessions opened with it."""
    token = access_api_token(request.user, pk)
    actions.revoke_api_token(actor=actor_of(request), token=token)
    messages.success(request, f"The token “{token.name}” is revoked. Sessions opened with it end within seconds.")
    return redirect("settings")


@never_cache
@require_http_methods(["GET", "POST"])
def device(request: HttpRequest) -> HttpResponse:
    """Confirm the code that a program shows, and with it sign the program in."""
    user, address = signed_in(request), client_address(request)
    typed, linked = request.POST.get("code", ""), request.GET.get("code", "")
    try:
        devices.check_tries(user.pk)
        if request.method == "POST":
            asking = devices.find(typed, user_id=user.pk)
        else:
            asking = devices.find_linked(linked, address=address)
    except devices.TooManyTries:
        return render(request, "portal/device.html", {"too_many": True})
    if asking is None:
        return render(request, "portal/device.html", {"wrong": bool(typed), "linked": bool(linked)})
    if request.method == "GET" or not {"allow", "refuse"} & request.POST.keys():
        return _device_question(request, asking, address)
    return _device_decision(request, asking, address)


def _device_question(request: HttpRequest, asking: devices.Asking, address: str) -> HttpResponse:
    context = {
        "asking": asking,
        "code": devices.shown(asking.code),
        "asked_at": datetime.fromtimestamp(asking.asked_at, UTC),
        "elsewhere": not address or asking.address != address,
        "address": address,
        "days": devices.TOKEN_LIFETIME.days,
        "scopes": sorted(devices.SCOPES),
    }
    return render(request, "portal/device.html", context)


def _device_decision(request: HttpRequest, asking: devices.Asking, address: str) -> HttpResponse:
    user, allowed = signed_in(request), "allow" in request.POST
    if not devices.decide(asking, user_id=user.pk if allowed else 0, address=address):
        return render(request, "portal/device.html", {"wrong": True})
    if not allowed:
        actions.refuse_program(actor=actor_of(request), user=user, name=asking.name, address=asking.address)
    decided = "allowed" if allowed else "refused"
    return render(request, "portal/device.html", {"asking": asking, "decided": decided})


def _settings_page(request: HttpRequest, **given: Any) -> HttpResponse:
    context = {
        "preferences": given.get("preferences") or PreferencesForm(instance=preferences_of(request.user)),
        "token": given.get("token") or ApiTokenForm(),
        "created": given.get("created"),
        "secret": given.get("secret"),
        "tokens": ApiToken.objects.visible_to(request.user),
        "crumbs": [("Home", reverse("home")), ("Settings", "")],
    }
    return render(request, "portal/settings.html", context)
