"""The API of sessions: look, open, attach, resize, detach, end."""

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.access import access_service
from portal.api.permissions import Scopes, require_scope
from portal.models import ApiToken
from portal.permissions import Permission
from portal.requests import actor_of
from sessions_app import actions, tickets
from sessions_app.access import access_session, access_session_for
from sessions_app.api.serializers import (
    CONSOLE_PARAMETERS,
    ContainerSerializer,
    DetachSerializer,
    NewSessionSerializer,
    OpenedSessionSerializer,
    ResizeSerializer,
    SessionSerializer,
    StreamSerializer,
    TerminateSerializer,
    TicketSerializer,
)
from sessions_app.console_opening import ConsoleWish, open_console
from sessions_app.detaching import DetachRefused, NotDetachable, detach_ttl
from sessions_app.models import Session
from sessions_app.opening import live_containers, open_in_container
from sessions_app.querysets import PERMISSION_OF_KIND, SessionQuerySet
from sessions_app.streams import STREAM_FIELDS, parse_sort, rows_of, sorted_by
from sessions_app.words import EndReason, Kind, State, Via

CLIENT_HEADER = "X-Porthole-Client"
"""By which a client of the API names itself; the command says cli."""


def websocket_url(request: Request, session: Session) -> str:
    """Where to connect to a session, by the name under which the client reached the portal."""
    return request.build_absolute_uri(f"/ws/sessions/{session.uid}/").replace("http", "ws", 1)


def user_of(request: Request) -> User:
    """The signed-in user: every view here asks for one."""
    return cast(User, request.user)


def ticket_for(request: Request, session: Session) -> str:
    """A ticket that is worth no more than the login or token it was asked for with."""
    token = request.auth if isinstance(request.auth, ApiToken) else None
    return tickets.issue(
        session_uid=session.uid, user_id=user_of(request).pk, token_id=token.pk if token is not None else None
    )


def via_of(request: Request) -> Via:
    """What a request came with: a page's login, or a token of the command line or an integration."""
    if request.auth is None:
        return Via.WEB
    return Via.CLI if request.headers.get(CLIENT_HEADER) == Via.CLI else Via.API


class SessionList(ListAPIView[Session]):
    """Sessions: the caller's own, and those of services the caller audits, watches or may end."""

    serializer_class = SessionSerializer
    # What opening takes of a token depends on the kind: `post` asks for that.
    scopes: Scopes = {"GET": Permission.VIEW, "POST": Permission.VIEW}

    def get_queryset(self) -> SessionQuerySet:
        wanted = self.request.query_params
        return Session.objects.visible_to(user_of(self.request)).matching(
            states=_words(wanted["state"], "state", State) if "state" in wanted else (),
            kinds=_words(wanted["kind"], "kind", Kind) if "kind" in wanted else (),
            user=wanted.get("user", ""),
            service=_number(wanted["service"], "service") if "service" in wanted else "",
        )

    @extend_schema(
        parameters=[
            OpenApiParameter("state", description="One or more states, with commas."),
            OpenApiParameter("kind", description="One or more kinds, with commas."),
            OpenApiParameter("user", description="A user name."),
            OpenApiParameter("service", OpenApiTypes.INT, description="A service's id."),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=NewSessionSerializer, responses={201: OpenedSessionSerializer})
    def post(self, request: Request) -> Response:
        """Take a place of a service: for a shell or a command in one of its containers, or for a console, a fresh
        container with the service's environment for this session alone. Connect within 60 seconds; a console is made
        then."""
        asked = NewSessionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = dict(asked.validated_data)
        user = user_of(request)
        kind = Kind(wanted.pop("kind"))
        service = access_service(user, wanted.pop("service"), PERMISSION_OF_KIND[kind])
        require_scope(request.auth, PERMISSION_OF_KIND[kind])
        token = request.auth if isinstance(request.auth, ApiToken) else None
        via, actor = via_of(request), actor_of(request)
        if kind is Kind.CONSOLE:
            wish = ConsoleWish(**wanted)
            session = open_console(user=user, service=service, via=via, actor=actor, api_token=token, wish=wish)
        else:
            target = {name: value for name, value in wanted.items() if name not in CONSOLE_PARAMETERS}
            session = open_in_container(
                user=user, service=service, kind=kind, via=via, actor=actor, api_token=token, **target
            )
        session.websocket_url = websocket_url(request, session)  # type: ignore[attr-defined]
        session.ticket = ticket_for(request, session)  # type: ignore[attr-defined]
        return Response(OpenedSessionSerializer(session).data, status=status.HTTP_201_CREATED)


class SessionDetail(RetrieveAPIView[Session]):
    """One session."""

    serializer_class = SessionSerializer
    scopes: Scopes = {"GET": Permission.VIEW}

    def get_object(self) -> Session:
        return access_session(user_of(self.request), self.kwargs["uid"])


class SessionAct(GenericAPIView[Session]):
    """Something that is done to one session; answers with the session as it is then."""

    # Whose session it is decides which scope a token must have: `session` asks for that one.
    scopes: Scopes = {"POST": Permission.VIEW}
    permission = Permission.TERMINATE

    def session(self) -> Session:
        """For its own user, or whoever holds the view's permission on its service; an API token needs it as a scope,
        too."""
        session, needed = access_session_for(user_of(self.request), self.kwargs["uid"], self.permission)
        require_scope(self.request.auth, needed)
        return session

    def asked(self) -> dict[str, Any]:
        """The body, checked."""
        body = self.get_serializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)

    def answer(self, session: Session) -> Response:
        session.refresh_from_db()
        return Response(SessionSerializer(session).data)


class Ticket(SessionAct):
    """A fresh ticket, for one connection within 60 seconds."""

    permission = Permission.WATCH
    serializer_class = TicketSerializer

    @extend_schema(request=None, responses=TicketSerializer)
    def post(self, request: Request, uid: str) -> Response:
        session = self.session()
        ticket = ticket_for(request, session)
        lifetime = settings.PORTHOLE_TICKET_LIFETIME
        return Response({"ticket": ticket, "websocket_url": websocket_url(request, session), "expires_in": lifetime})


class Resize(SessionAct):
    """Set the terminal's size."""

    serializer_class = ResizeSerializer

    @extend_schema(responses=SessionSerializer)
    def post(self, request: Request, uid: str) -> Response:
        session = self.session()
        actions.request_resize(session=session, actor=actor_of(request), **self.asked())
        return self.answer(session)


class Detach(SessionAct):
    """Let the session run on without a window."""

    serializer_class = DetachSerializer

    @extend_schema(responses=SessionSerializer)
    def post(self, request: Request, uid: str) -> Response:
        session = self.session()
        try:
            ttl = detach_ttl(session, self.asked()["ttl"])
        except DetachRefused as refusal:
            raise ValidationError({"ttl": [str(refusal)]}) from refusal
        if not actions.request_detach(session=session, ttl=ttl, actor=actor_of(request)):
            session.refresh_from_db()
            raise NotDetachable(session)
        return self.answer(session)


class Terminate(SessionAct):
    """End the session and every process it started."""

    serializer_class = TerminateSerializer

    @extend_schema(responses=SessionSerializer)
    def post(self, request: Request, uid: str) -> Response:
        session = self.session()
        own = session.user_id == user_of(request).pk
        reason = EndReason.CLOSED_BY_USER if own else EndReason.TERMINATED
        detail = self.asked()["reason"] or ("" if own else f"{user_of(request).get_username()} ended it.")
        actions.request_end(session=session, reason=reason, actor=actor_of(request), detail=detail)
        return self.answer(session)


class Containers(APIView):
    """The containers of a service, found live at its provider."""

    scopes: Scopes = {"GET": Permission.VIEW}

    @extend_schema(responses=ContainerSerializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        containers = live_containers(access_service(user_of(request), pk))
        return Response(ContainerSerializer(containers, many=True).data)


class Streams(APIView):
    """The live table: sessions that run, and for a minute those that stopped."""

    scopes: Scopes = {"GET": Permission.VIEW}

    @extend_schema(
        parameters=[
            OpenApiParameter("sort", description=f"Fields with commas, - for descending: {', '.join(STREAM_FIELDS)}")
        ],
        responses=StreamSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        try:
            sort = parse_sort(request.query_params.get("sort", "-created"), STREAM_FIELDS)
        except ValueError as error:
            raise ValidationError({"sort": [str(error)]}) from error
        now = timezone.now()
        sessions = sorted_by(Session.objects.visible_to(user_of(request)).streaming(now), sort, now)
        return Response(StreamSerializer(rows_of(sessions, now), many=True).data)


def _words(text: str, name: str, known: type[State] | type[Kind]) -> list[str]:
    words = [word for word in text.split(",") if word]
    if unknown := [word for word in words if word not in list(known)]:
        raise serializers.ValidationError({name: [f"{unknown[0]!r} is not known. Known: {', '.join(known)}."]})
    return words


def _number(text: str, name: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise serializers.ValidationError({name: ["This is a whole number."]})
    return int(text)
