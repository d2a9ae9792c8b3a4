"""The page that searches in transcripts."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from rest_framework.views import APIView

from audit.api.search import SearchThrottle, lines_for, readable_sessions
from audit.hits import segments, with_context
from audit.search import MAX_QUERY, SearchTooLong, bounded, terms_of
from portal.pages import several_organizations

HITS_A_PAGE = 25
TOO_MANY = "You have searched very often in the last minute. Wait a little, then try again."


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Text across all transcripts that the user may read: each hit in its context, with a link to that moment."""
    asked = {name: request.GET.get(name, "").replace("\x00", "").strip() for name in ("q", "session", "before")}
    query = asked["q"][:MAX_QUERY]
    context: dict[str, Any] = {"nav": "search", "q": query, "session": asked["session"][:32], "limit": MAX_QUERY}
    status = 200
    if any(terms_of(query)):
        if SearchThrottle().allow_request(request, APIView()):  # type: ignore[arg-type] # it reads the user alone
            try:
                context |= _found(request, query, context["session"], asked["before"])
            except SearchTooLong as error:
                context["problem"], status = str(error), 503
        else:
            context["problem"], status = TOO_MANY, 429
        context["several_organizations"] = several_organizations(request)
    return render(request, "audit/search.html", context, status=status)


def _found(request: HttpRequest, query: str, session: str, before: str) -> dict[str, Any]:
    with bounded():
        # `place` is an annotation of `audit.search.matching`, which the type checker does not see.
        lines = lines_for(readable_sessions(request.user, None), query, session).order_by("-place")  # type: ignore[misc]
        if before.isdecimal() and len(before) <= 18:
            lines = lines.filter(place__lt=int(before))  # type: ignore[misc]
        page = list(lines[: HITS_A_PAGE + 1])
        hits = with_context(page[:HITS_A_PAGE])
    terms = [term for kind in terms_of(query) for term in kind]
    shown = [
        {
            "line": hit.line,
            "recording": hit.line.recording,
            "before": hit.before,
            "after": hit.after,
            "segments": segments(hit.line.text, terms),
            "moment": f"{hit.line.at:.3f}",
        }
        for hit in hits
    ]
    return {"hits": shown, "older": page[HITS_A_PAGE - 1].pk if len(page) > HITS_A_PAGE else None, "first": not before}
