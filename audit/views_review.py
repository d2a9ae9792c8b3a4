"""The pages of review: the recordings that one audits, and what is decided about one of them."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from audit.actions_review import DecisionRefused
from audit.decisions import DECISIONS
from audit.forms import NoteForm
from audit.models import Recording
from audit.querysets import SHOWN
from portal.pages import page_of, several_organizations
from portal.permissions import Permission
from portal.requests import actor_of
from sessions_app.access import access_audited_session
from sessions_app.models import Session

ROWS_A_PAGE = 50
QUEUE = "unreviewed"

LABELS = {
    "unreviewed": "to review",
    "flagged": "flagged",
    "held": "on legal hold",
    "reviewed": "reviewed",
    "deleted": "deleted by retention",
    "any": "any",
}


@require_GET
def recording_list(request: HttpRequest) -> HttpResponse:
    """The recordings of the sessions that the user audits: at first those that nobody has reviewed."""
    asked = {name: request.GET.get(name, "")[:200] for name in ("show", "user", "service")}
    shown = asked["show"] if asked["show"] in SHOWN else QUEUE
    audited = Session.objects.allowing(request.user, Permission.AUDIT)
    recordings = Recording.objects.of_sessions(audited).where(shown).select_related("organization")
    columns = {"user": "user_name", "service": "service_name"}
    recordings = recordings.filter(**{columns[name]: asked[name] for name in columns if asked[name]})
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "nav": "sessions",
        "page": page_of(request, recordings, ROWS_A_PAGE),
        "page_query": query.urlencode(),
        "shown": shown,
        "labels": LABELS.items(),
        "filters": asked,
        "narrowed": bool(asked["user"] or asked["service"]),
        "several_organizations": several_organizations(request),
        "crumbs": [("Sessions", reverse("session_list")), ("Recordings", "")],
    }
    return render(request, "audit/recording_list.html", context)


@require_POST
def decide(request: HttpRequest, uid: str, word: str) -> HttpResponse:
    """One decision about a recording, from the session's page and back to it."""
    session = access_audited_session(request.user, uid)
    if Recording.objects.of_session(session.uid) is None:
        raise Http404("This session has no recording.")
    decision = DECISIONS[word]
    form = NoteForm(request.POST, needed=decision.needs_note)
    if not form.is_valid():
        messages.error(request, " ".join(str(sentence) for sentence in form.errors["note"]))
        return redirect("session_detail", session.uid)
    try:
        decision.act(session_uid=session.uid, actor=actor_of(request), note=form.cleaned_data["note"])
    except DecisionRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, decision.done)
    return redirect("session_detail", session.uid)
