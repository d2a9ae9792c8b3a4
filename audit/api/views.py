"""The API of the record: events, and recordings in the forms that other tools read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import APIException
from rest_framework.generics import ListAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit import exports
from audit.actions import record
from audit.api.serializers import (
    ChainSerializer,
    EventFilterSerializer,
    EventSerializer,
    OrganizationFilterSerializer,
    RecordingSerializer,
)
from audit.api.streaming import download
from audit.events import Action
from audit.journal import JournalError, JournalMissingError
from audit.models import Chain, ChainHead, Event, Health, Recording
from audit.querysets import ChainQuerySet, EventQuerySet
from audit.recordings import folder_of, thing_of
from portal.access import access_organization
from portal.api.permissions import Scopes
from portal.models import ApiToken, Organization
from portal.permissions import Permission
from portal.requests import actor_of
from sessions_app.access import access_audited_session, access_recorded_session
from sessions_app.models import Session


class RecordingUnavailable(APIException):
    """The recording exists and cannot be read here and now."""

    status_code = 503
    default_code = "recording_unavailable"


class RecordingLost(APIException):
    """The recording's files are gone for good."""

    status_code = 410
    default_code = "recording_lost"
    default_detail = "The recording is lost."


class RecordingDeleted(APIException):
    """Retention has deleted the recording's files."""

    status_code = 410
    default_code = "recording_deleted"
    default_detail = "The recording was deleted."


class EventPagination(CursorPagination):
    """Newest first, `?limit=50`, at most 500; pages stay as they are while new events come."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500


class Events(ListAPIView[Event]):
    """The audit log of the organizations in which the caller holds `audit`."""

    serializer_class = EventSerializer
    pagination_class = EventPagination
    scopes: Scopes = {"GET": Permission.AUDIT}

    @extend_schema(parameters=[EventFilterSerializer])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> EventQuerySet:
        asked = EventFilterSerializer(data=self.request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        events = Event.objects.between(wanted.get("since"), wanted.get("until"))
        columns = {"action": "action__in", "actor": "actor_name", "session": "session_uid"}
        events = events.filter(**{columns[name]: wanted[name] for name in columns if name in wanted})
        return events.in_organizations(_audited(self.request, wanted.get("organization")))


class Chains(ListAPIView[Chain]):
    """Where the hash chains of those organizations stand in which the caller holds `audit`: worth keeping elsewhere."""

    serializer_class = ChainSerializer
    scopes: Scopes = {"GET": Permission.AUDIT}

    @extend_schema(parameters=[OrganizationFilterSerializer])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> ChainQuerySet:
        asked = OrganizationFilterSerializer(data=self.request.query_params)
        asked.is_valid(raise_exception=True)
        chains = Chain.objects.in_organizations(_audited(self.request, asked.validated_data.get("organization")))
        return chains.with_last_head().order_by("organization_id")

    def paginate_queryset(self, queryset: Any) -> Any:
        """One page of chains; the serializer finds their heads in `heads`, from one query."""
        page = super().paginate_queryset(queryset)
        self.heads = ChainHead.objects.in_bulk([chain.last_head_id for chain in page or ()])
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "heads": getattr(self, "heads", {})}


def _audited(request: Request, wanted: int | None) -> Any:
    user = cast(User, request.user)
    if wanted is not None:
        return [access_organization(user, wanted, Permission.AUDIT)]
    audited = Organization.objects.allowing(user, Permission.AUDIT)
    if not audited.exists():
        raise PermissionDenied("You need the permission audit in an organization to read its audit log.")
    return audited


def _recording_for(request: Request, uid: str) -> tuple[Session, Recording]:
    """The recording of the caller's own session or of one that the caller audits; else 404."""
    user = cast(User, request.user)
    session = access_recorded_session(user, uid)
    token = request.auth
    if isinstance(token, ApiToken) and session.user_id != user.pk and Permission.AUDIT not in token.scopes:
        raise PermissionDenied('This API token lacks the scope "audit". Make one that has it.')
    recording = Recording.objects.select_related("organization").of_session(session.uid)
    if recording is None:
        raise Http404("This session has no recording: it never became active.")
    return session, recording


class RecordingDetail(APIView):
    """What is known of a session's recording: health, size, hashes, and where to fetch it."""

    scopes: Scopes = {"GET": Permission.VIEW}

    @extend_schema(responses=RecordingSerializer)
    def get(self, request: Request, uid: str) -> Response:
        session, recording = _recording_for(request, uid)
        context = {"request": request, "audits": _audits(request, session)}
        return Response(RecordingSerializer(recording, context=context).data)


def _audits(request: Request, session: Session) -> bool:
    """Whether the caller, and the token it may come with, may know what was decided about the recording."""
    token = request.auth
    if isinstance(token, ApiToken) and Permission.AUDIT not in token.scopes:
        return False
    try:
        access_audited_session(cast(User, request.user), session.uid)
    except PermissionDenied:
        return False
    return True


class AnyAccepted(BaseContentNegotiation):
    """A file has one form, whatever the client says it would take; errors are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class Export(APIView):
    """One form of a recording, streamed. A live one ends with what is written by then. Each leaves an event."""

    scopes: Scopes = {"GET": Permission.VIEW}
    content_negotiation_class = AnyAccepted
    form: ClassVar[str]
    """The file's ending, and what the event calls it."""
    content_type: ClassVar[str]

    def chunks(self, folder: Path) -> Iterator[bytes]:
        """The journal in this form. Raises `JournalError` before the first byte."""
        raise NotImplementedError

    def get(self, request: Request, uid: str) -> StreamingHttpResponse:
        return self.export(request, uid, Action.RECORDING_EXPORTED, inline=False)

    def export(self, request: Request, uid: str, action: Action, *, inline: bool) -> StreamingHttpResponse:
        session, recording = _recording_for(request, uid)
        if recording.health == Health.LOST:
            raise RecordingLost(recording.health_detail or None)
        if recording.health == Health.DELETED:
            raise RecordingDeleted(recording.health_detail)
        try:
            chunks = self.chunks(folder_of(recording))
        except JournalMissingError as error:
            raise RecordingLost(str(error)) from error
        except JournalError as error:
            raise RecordingUnavailable(str(error)) from error
        record(
            action=action,
            actor=actor_of(request),
            organization=session.organization,
            thing=thing_of(recording),
            session_uid=session.uid,
            detail={"form": self.form, "health": recording.health},
        )
        return download(
            request._request, chunks, name=f"{session.uid}.{self.form}", content_type=self.content_type, inline=inline
        )


class Cast(Export):
    """The recording as asciicast v2, for asciinema's player and command line."""

    form = "cast"
    content_type = "application/x-asciicast"

    def chunks(self, folder: Path) -> Iterator[bytes]:
        return exports.cast(folder)

    @extend_schema(
        operation_id="sessions_recording_cast",
        parameters=[OpenApiParameter("play", OpenApiTypes.BOOL, description="To be played in a page, not saved.")],
        responses={(200, "application/x-asciicast"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, uid: str) -> StreamingHttpResponse:
        if "play" in request.query_params:
            return self.export(request, uid, Action.RECORDING_VIEWED, inline=True)
        return super().get(request, uid)


@extend_schema_view(
    get=extend_schema(operation_id="sessions_transcript", responses={(200, "text/plain"): OpenApiTypes.STR})
)
class TextTranscript(Export):
    """What was on the screen, as plain text."""

    form = "txt"
    content_type = "text/plain; charset=utf-8"

    def chunks(self, folder: Path) -> Iterator[bytes]:
        return exports.transcript(folder)


@extend_schema_view(
    get=extend_schema(
        operation_id="sessions_recording_output", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}
    )
)
class RawOutput(Export):
    """The exact bytes that the container sent; bytes that could not be recorded are zero."""

    form = "bin"
    content_type = "application/octet-stream"

    def chunks(self, folder: Path) -> Iterator[bytes]:
        return exports.raw_output(folder)
