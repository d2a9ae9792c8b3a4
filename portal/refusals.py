"""What is answered where a page or an address is refused, missing or broken; and the event that a refusal leaves."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework.request import Request

from audit import actions as audit
from audit.events import Action
from portal.access import Refused
from portal.actions.rows import organization_of, thing
from portal.requests import actor_of

API = "/api/"


def record_refusal(request: HttpRequest | Request, refusal: Refused) -> None:
    """Append the event of one `Refused`: somebody tries doors."""
    audit.record(
        action=Action.PERMISSION_REFUSED,
        actor=actor_of(request),
        organization=organization_of(refusal.thing),
        thing=thing(refusal.thing),
        detail={"permission": str(refusal.permission)},
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403 of a page. The API's views answer for themselves."""
    if isinstance(exception, Refused):
        record_refusal(request, exception)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404 of an address that no view has, or of a page."""
    if request.path.startswith(API):
        return JsonResponse({"code": "not_found", "detail": "No such address."}, status=404)
    return defaults.page_not_found(request, exception)


def broken(request: HttpRequest) -> HttpResponseBase:
    """500: what happened stands in the log, and nowhere else."""
    if request.path.startswith(API):
        return JsonResponse({"code": "error", "detail": "Something broke on our side. It is in the log."}, status=500)
    return defaults.server_error(request)
