"""One form for every error of the API: `{"code", "detail"}`, and `"fields"` where the body was wrong."""

import logging
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import IntegrityError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import exception_handler, set_rollback

from portal.access import Refused
from portal.refusals import record_refusal

logger = logging.getLogger(__name__)

_statuses: dict[type[Exception], int] = {}

CODES = {
    "parse_error": "invalid",
    "not_found": "not_found",
    "permission_denied": "permission_denied",
}


def answer_with(exception: type[Exception], code: int) -> None:
    """Let a room's own exception become an answer: the HTTP status here, its `code` and its text from the exception.

    A room that portal must not import registers its own when it starts (`AppConfig.ready`).
    """
    _statuses[exception] = code


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. What it does not know is a 500, logged by Django."""
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error.detail)
    if isinstance(error, ModelValidationError):
        return _invalid(as_serializer_error(error))
    if isinstance(error, IntegrityError):
        set_rollback()
        return _answer(status.HTTP_409_CONFLICT, "conflict", "Somebody changed this meanwhile. Look again.")
    if isinstance(error, Refused):
        record_refusal(context["request"], error)
    if isinstance(error, (Http404, PermissionDenied)):
        missing = isinstance(error, Http404)
        default = "No such thing." if missing else "You may not do this."
        set_rollback()
        return _answer(404 if missing else 403, "not_found" if missing else "permission_denied", str(error) or default)
    for kind, code in _statuses.items():
        if isinstance(error, kind):
            set_rollback()
            return _answer(code, getattr(error, "code", "error"), str(error))
    answer = exception_handler(error, context)
    if answer is not None and isinstance(error, exceptions.APIException):
        answer.data = {"code": _code(error), "detail": _first(error.detail)}
    return answer


def _code(error: exceptions.APIException) -> str:
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    return CODES.get(code, code)


def _answer(code: int, word: str, detail: str) -> Response:
    return Response({"code": word, "detail": detail}, status=code)


def _invalid(detail: Any) -> Response:
    set_rollback()
    fields = _fields(detail)
    return Response({"code": "invalid", "detail": _first(fields), "fields": fields}, status=status.HTTP_400_BAD_REQUEST)


def _fields(detail: Any) -> dict[str, Any]:
    """`{"field": ["sentence", …]}`; what concerns no single field stands under "body"."""
    named = detail if isinstance(detail, dict) else {NON_FIELD_ERRORS: detail}
    general = {NON_FIELD_ERRORS, "non_field_errors"}
    return {"body" if name in general else str(name): value for name, value in named.items()}


def _first(detail: Any) -> str:
    """The first sentence in a nest of errors."""
    while isinstance(detail, (dict, list)) and detail:
        if isinstance(detail, dict):
            name, detail = next(iter(detail.items()))
            if name != "body" and isinstance(detail, list) and detail and isinstance(detail[0], str):
                return f"{name}: {detail[0]}"
        else:
            detail = detail[0]
    return str(detail)
