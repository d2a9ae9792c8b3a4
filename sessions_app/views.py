"""The pages of sessions: the live table, one session, and the terminal."""

from collections.abc import Callable
from typing import Any

from csp.constants import WASM_UNSAFE_EVAL
from csp.decorators import csp_update
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from audit.models import Recording
from portal.access import access_service, permissions_on, preferences_of
from portal.models import Service
from portal.pages import page_of, several_organizations, stack_context
from portal.permissions import Permission
from portal.querysets import AnyUser
from sessions_app.access import access_audited_session, access_recorded_session, access_session
from sessions_app.models import Session
from sessions_app.page_texts import ENDINGS, Ending, ending_of, endings_of
from sessions_app.querysets import PERMISSION_OF_KIND
from sessions_app.streams import SORTS, parse_sort, sorted_by
from sessions_app.views_console import console_offer, offer_of
from sessions_app.words import LIVE, OVER, TERMINALS, EndReason, Kind, State

ROWS_A_PAGE = 50
NEWEST_FIRST = "-created"

COLUMNS = [
    ("id", "Session"),
    ("user", "Who"),
    ("service", "Service"),
    ("status", "Status"),
    ("created", "Started"),
    ("duration", "Duration"),
    ("activity", "Last activity"),
    ("bytes_in", "In"),
    ("bytes_out", "Out"),
]

ORDERS = {
    "-created": "newest first",
    "created": "oldest first",
    "-duration": "longest first",
    "params": "detached that end soonest",
    "-activity": "last used first",
    "-bytes_out": "most output first",
}
"""What a narrow window chooses from, which has no headings to click."""

STATES = [("", "live"), *((word, word) for word in ("over", "any", *State))]


@require_GET
def session_list(request: HttpRequest) -> HttpResponse:
    """The live table of sessions, or those that the filters name; its rows update by themselves."""
    context = _rows(request)
    orders = ORDERS | ({} if context["sort"] in ORDERS else {context["sort"]: "as chosen"})
    context |= {
        "nav": "sessions",
        "states": STATES,
        "kinds": [Kind.SHELL, Kind.CONSOLE, Kind.EXEC],
        "audits": Service.objects.allowing(request.user, Permission.AUDIT).exists(),
        "orders": [("" if word == NEWEST_FIRST else word, label) for word, label in orders.items()],
        "filters": {name: request.GET.get(name, "") for name in ("state", "service", "user", "kind")},
    }
    return render(request, "sessions_app/session_list.html", context)


@require_GET
def session_rows(request: HttpRequest) -> HttpResponse:
    """The table alone, as the page fetches it again every two seconds."""
    return render(request, "sessions_app/_session_rows.html", _rows(request))


def _rows(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    words = {name: request.GET.get(name, "")[:200] for name in ("state", "service", "user", "kind")}
    if words["state"] == "live":
        words["state"] = ""  # what the table shows anyway
    sort = _sort(request)
    state = words["state"]
    sessions = (
        Session.objects.visible_to(request.user)
        .with_controls(request.user)
        .matching(
            states=[state] if state not in ("", "any") else (),
            kinds=[words["kind"]] if words["kind"] else (),
            user=words["user"],
            service=words["service"],
        )
    )
    if not state:
        sessions = sessions.streaming(now)
    return {
        "page": page_of(request, sorted_by(sessions, sort, now), ROWS_A_PAGE),
        "filtered": any(words.values()),
        "sort": ",".join(sort),
        "query": request.GET.urlencode(),
        "filter_query": _query_without(request, "page", "sort"),
        "page_query": _query_without(request, "page"),
        "columns": [_column(name, label, sort[0]) for name, label in COLUMNS],
        "several_organizations": several_organizations(request),
    }


def _sort(request: HttpRequest) -> list[str]:
    """What the address asks for; newest first where that is nothing known."""
    try:
        return parse_sort(request.GET.get("sort", ""), SORTS) or [NEWEST_FIRST]
    except ValueError:
        return [NEWEST_FIRST]


def _query_without(request: HttpRequest, *names: str) -> str:
    query = request.GET.copy()
    for name in names:
        query.pop(name, None)
    return query.urlencode()


def _column(name: str, label: str, sort: str) -> dict[str, str]:
    """A column's heading: what a click sorts by, and how it is sorted now."""
    turned = name if sort == f"-{name}" else f"-{name}"
    now = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
    return {"name": name, "label": label, "sort": turned, "now": now}


# The player's terminal is WebAssembly: compiling it is allowed on this page, evaluating script on none.
@csp_update({"script-src": [WASM_UNSAFE_EVAL]})  # type: ignore[arg-type]
@require_GET
def session_detail(request: HttpRequest, uid: str) -> HttpResponse:
    """What, who, when, where, why it ended, what was found, and the recording."""
    session = access_session(request.user, uid)
    readable = _allowed(access_recorded_session, request.user, uid)
    context = {
        "nav": "sessions",
        "session": session,
        "live": session.state in LIVE,
        "own": session.user_id == request.user.pk,
        "ending": ending_of(session),
        "may_open": _may_open(request, session),
        "may_watch": _allowed(access_session, request.user, uid, Permission.WATCH),
        "may_end": session.state in LIVE and _allowed(access_session, request.user, uid, Permission.TERMINATE),
        "readable": readable,
        "recording": Recording.objects.select_related("organization").of_session(uid) if readable else None,
        "audits": _allowed(access_audited_session, request.user, uid),
        "start_at": request.GET.get("t", ""),
        "crumbs": [("Sessions", reverse("session_list")), (session.uid, "")],
        "several_organizations": several_organizations(request),
    }
    return render(request, "sessions_app/session_detail.html", context)


def _may_open(request: HttpRequest, session: Session) -> bool:
    """Whether the user may open such a session again."""
    needed = PERMISSION_OF_KIND[Kind(session.kind)]
    return session.service is not None and needed in permissions_on(request.user, session.service)


def _allowed(access: Callable[..., Session], *arguments: object) -> bool:
    try:
        access(*arguments)
    except (Http404, PermissionDenied):
        return False
    return True


@require_GET
def terminal(request: HttpRequest, uid: str) -> HttpResponse:
    """One session's terminal: a reload of this address attaches it again."""
    session = access_session(request.user, uid)
    config = terminal_config(
        request.user,
        stack_url=reverse("stack", args=[session.service.stack_id]) if session.service else "",
        service={"id": session.service_id, "name": session.service_name},
    )
    piped = session.kind not in TERMINALS
    # What reads a program's input is its client: a page that took control would take that away from it.
    watch = piped or session.user_id != request.user.pk or "watch" in request.GET
    config |= {"session": session.uid, "mode": "watch" if watch else "control", "piped": piped}
    config["endings"] = _told(endings_of(session))
    config["mayOpen"] = not piped and _may_open(request, session)
    config["console"] = console_offer(request.user, session.service) if session.service else None
    config["mayEnd"] = _allowed(access_session, request.user, uid, Permission.TERMINATE)
    return render(request, "sessions_app/terminal.html", {"terminal": config, "over": session.state in OVER})


@require_GET
def open_shell(request: HttpRequest, pk: int) -> HttpResponse:
    """Opens a new shell of a service: the page asks the API for a session, then takes the session's own address.

    The address may name a pod and a container. It never names a command: a link must not run anything.
    """
    service = access_service(request.user, pk, Permission.SHELL)
    config = terminal_config(
        request.user,
        stack_url=reverse("stack", args=[service.stack_id]),
        service={"id": service.pk, "name": service.name},
    )
    wanted = {"pod_name": request.GET.get("pod", ""), "container_name": request.GET.get("container", "")}
    config["target"] = {name: value for name, value in wanted.items() if value}
    config["console"] = console_offer(request.user, service)
    return render(request, "sessions_app/terminal.html", {"terminal": config})


@require_GET
def stack_shell(request: HttpRequest, pk: int) -> HttpResponse:
    """A stack's Shell tab: choose a service and a container, and it connects by itself."""
    context = stack_context(request, pk, "shell")
    usable = [service for service in context["services"] if service.may_shell]
    asked = request.GET.get("service", "")
    chosen = next((service for service in usable if str(service.pk) == asked), usable[0] if usable else None)
    config = terminal_config(request.user, stack_url=reverse("stack", args=[pk]))
    config["consoles"] = {service.pk: offer_of(service) for service in usable if service.may_console}
    return render(
        request, "sessions_app/stack_shell.html", context | {"usable": usable, "chosen": chosen, "terminal": config}
    )


def terminal_config(user: AnyUser, *, stack_url: str, service: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a page's terminal is told: preferences, how ends are worded, where its buttons lead (`UID` is filled in)."""
    preferences = preferences_of(user)
    return {
        "service": service or {"id": None, "name": ""},
        "session": None,
        "mode": "control",
        "piped": False,
        "mayOpen": True,
        "target": {},
        "preferences": {"scrollback": preferences.scrollback, "fontSize": preferences.font_size},
        "detachFor": settings.PORTHOLE_DETACH_TTL,
        "endings": _told(ENDINGS),
        "links": {
            "home": reverse("home"),
            "stack": stack_url,
            "sessions": reverse("session_list"),
            "login": reverse("account_login"),
            "session": reverse("session_detail", args=["UID"]),
            "terminal": reverse("terminal", args=["UID"]),
        },
    }


def _told(endings: dict[EndReason, Ending]) -> dict[str, dict[str, str]]:
    return {reason.value: {"title": told.title, "text": told.text} for reason, told in endings.items()}
