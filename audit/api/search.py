"""Search in the transcripts that the caller may read."""

from typing import Any, cast

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.throttling import UserRateThrottle

from audit.hits import Hit, with_context
from audit.models import Recording, TranscriptLine
from audit.querysets import TranscriptLineQuerySet
from audit.search import MAX_QUERY, SearchTooLong, bounded, matching, terms_of
from portal.api.permissions import Scopes
from portal.models import ApiToken
from portal.permissions import Permission
from portal.querysets import AnyUser
from sessions_app.models import Session
from sessions_app.querysets import SessionQuerySet


class SearchUnavailable(APIException):
    """The search took longer than the portal gives it."""

    status_code = 503
    default_code = "search_too_long"


class SearchThrottle(UserRateThrottle):
    """Searches are dearer than other calls: each user has a limit for them, over API and page together."""

    scope = "search"


class SearchPagination(CursorPagination):
    """Newest first, `?limit=25`, at most 100."""

    ordering = "-place"
    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100


class SearchFilterSerializer(serializers.Serializer[Any]):
    """What is searched for, and where."""

    q = serializers.CharField(
        max_length=MAX_QUERY, help_text='Words that must all stand in a line; a text with spaces "in double quotes".'
    )
    session = serializers.CharField(required=False, max_length=32, help_text="A session's uid: search in it alone.")

    def validate_q(self, value: str) -> str:
        """Something to look for."""
        if not any(terms_of(value)):
            raise serializers.ValidationError("Say what to search for.")
        return value


class LineSerializer(serializers.ModelSerializer[TranscriptLine]):
    """A line of a transcript. `at`: seconds since the session's start when it was seen last."""

    class Meta:
        model = TranscriptLine
        fields = ["number", "at", "text"]
        read_only_fields = fields


class HitSerializer(serializers.Serializer[Hit]):
    """A line that was found, in which session, when in it, and the lines around it."""

    session = serializers.CharField(source="line.recording.session_uid")
    organization = serializers.IntegerField(source="line.organization_id")
    title = serializers.CharField(source="line.recording.title")
    user_name = serializers.CharField(source="line.recording.user_name")
    service_name = serializers.CharField(source="line.recording.service_name")
    started_at = serializers.DateTimeField(source="line.recording.started_at")
    number = serializers.IntegerField(source="line.number")
    at = serializers.FloatField(source="line.at", help_text="Seconds since the session's start.")
    text = serializers.CharField(source="line.text")
    settled = serializers.BooleanField(
        source="line.settled", help_text="False while the line stands on a live screen and may still change."
    )
    before = LineSerializer(many=True)
    after = LineSerializer(many=True)
    player = serializers.SerializerMethodField()

    @extend_schema_field(serializers.URLField())
    def get_player(self, hit: Hit) -> str:
        """The page that plays the recording from that moment on."""
        page = reverse("session_detail", args=[hit.line.recording.session_uid], request=self.context.get("request"))
        return f"{page}?t={hit.line.at:.3f}"


def readable_sessions(user: AnyUser, auth: object) -> SessionQuerySet:
    """The sessions whose transcripts may be searched: the user's own, and all that the user audits. An API token
    without the scope `audit` shows the user's own alone."""
    if isinstance(auth, ApiToken) and Permission.AUDIT not in auth.scopes:
        return Session.objects.own(user)
    return Session.objects.recorded_for(user)


def lines_for(sessions: SessionQuerySet, query: str, session: str = "") -> TranscriptLineQuerySet:
    """The lines that the query finds in these sessions, or in one of them."""
    within = sessions.with_uids([session]) if session else sessions
    recordings = Recording.objects.of_sessions(within.order_by())
    lines = TranscriptLine.objects.of_recordings(recordings)
    return matching(lines.select_related("recording"), query)


class Search(ListAPIView[Any]):
    """Lines of the transcripts of the caller's own sessions, and of those that the caller audits."""

    serializer_class = HitSerializer
    pagination_class = SearchPagination
    throttle_classes = (SearchThrottle,)
    scopes: Scopes = {"GET": Permission.VIEW}

    @extend_schema(parameters=[SearchFilterSerializer])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            with bounded():
                return super().get(request, *args, **kwargs)
        except SearchTooLong as error:
            raise SearchUnavailable(str(error)) from error

    def get_queryset(self) -> TranscriptLineQuerySet:
        asked = SearchFilterSerializer(data=self.request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        sessions = readable_sessions(cast(User, self.request.user), self.request.auth)
        return lines_for(sessions, wanted["q"], wanted.get("session", ""))

    def paginate_queryset(self, queryset: Any) -> Any:
        """One page of hits."""
        page = super().paginate_queryset(queryset)
        return None if page is None else with_context(page)
