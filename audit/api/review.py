"""The API of review: the queue, and what is decided about one recording."""

from typing import Any, cast

from django.contrib.auth.models import User
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.actions_review import DecisionRefused
from audit.api.serializers import (
    ListedRecordingSerializer,
    NoteSerializer,
    ReasonSerializer,
    RecordingFilterSerializer,
    RecordingSerializer,
)
from audit.api.views import EventPagination
from audit.decisions import DECISIONS, Decision
from audit.models import Recording
from audit.querysets import RecordingQuerySet
from portal.access import access_organization
from portal.api.permissions import Scopes
from portal.permissions import Permission
from portal.requests import actor_of
from sessions_app.access import access_audited_session
from sessions_app.models import Session


class Recordings(ListAPIView[Recording]):
    """The recordings of those sessions that the caller audits; `?show=unreviewed` is the queue of a review."""

    serializer_class = ListedRecordingSerializer
    pagination_class = EventPagination
    scopes: Scopes = {"GET": Permission.AUDIT}

    @extend_schema(parameters=[RecordingFilterSerializer])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> RecordingQuerySet:
        asked = RecordingFilterSerializer(data=self.request.query_params)
        asked.is_valid(raise_exception=True)
        wanted, user = asked.validated_data, cast(User, self.request.user)
        audited = Session.objects.allowing(user, Permission.AUDIT)
        recordings = Recording.objects.of_sessions(audited).where(wanted["show"]).select_related("organization")
        if "organization" in wanted:
            recordings = recordings.in_organizations([access_organization(user, wanted["organization"])])
        columns = {"user": "user_name", "service": "service_name"}
        return recordings.filter(**{columns[name]: wanted[name] for name in columns if name in wanted})

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "audits": True}


class Undecidable(APIException):
    """The recording is not in a state for this."""

    status_code = 409


class Decide(APIView):
    """One decision about a recording: a review, a flag, a legal hold, or the end of one. Each leaves an event."""

    scopes: Scopes = {"POST": Permission.AUDIT}
    decision: Decision = DECISIONS["review"]

    @extend_schema(request=ReasonSerializer, responses=RecordingSerializer)
    def post(self, request: Request, uid: str) -> Response:
        session = access_audited_session(cast(User, request.user), uid)
        body = (ReasonSerializer if self.decision.needs_note else NoteSerializer)(data=request.data)
        body.is_valid(raise_exception=True)
        if Recording.objects.of_session(session.uid) is None:
            raise Http404("This session has no recording: it never became active.")
        try:
            recording = self.decision.act(session_uid=session.uid, actor=actor_of(request), **body.validated_data)
        except DecisionRefused as refused:
            raise Undecidable(str(refused), refused.code) from refused
        return Response(RecordingSerializer(recording, context={"request": request, "audits": True}).data)
