"""Who may connect to a session: from a WebSocket's handshake to a session, a user and what the user may do there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone

from audit.events import Actor
from portal.access import preferences_of
from portal.models import ApiToken, Preferences
from portal.permissions import Permission
from portal.requests import actor_of_scope
from sessions_app import actions, tickets
from sessions_app.access import session_and_rights
from sessions_app.backends.base import BackendError
from sessions_app.database import in_database
from sessions_app.liveness import is_dead
from sessions_app.models import Session
from sessions_app.origins import origin_is_ours
from sessions_app.providers import ProviderSpec, spec_of
from sessions_app.tickets import Ticket, TicketError
from sessions_app.words import LIVE, State

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Turned(Exception):
    """The handshake is refused before it is accepted. The text is for the log; a client learns no more than 403."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A socket that may speak to a session."""

    session: Session
    user: "User"
    actor: Actor
    token_id: int | None
    may_control: bool
    """May type; whoever is here at all may watch."""
    may_read: bool
    """May read the record of what is past."""
    spec: ProviderSpec | None
    """None if the session is over, or its provider cannot be used: then `trouble` says why."""
    trouble: BackendError | None
    preferences: Preferences
    """How the user wants the terminal."""
    http_host: str
    """The Host header, as the client sent it."""
    elsewhere: str = ""
    """The address of the other web process that owns the session, or empty."""

    @property
    def over(self) -> bool:
        """Nothing lives there any more."""
        return self.session.state not in LIVE


async def admit(scope: Mapping[str, Any], own_host: str) -> Connection:
    """Check origin, ticket, user and permission; use the ticket up. Raises `Turned`."""
    if not origin_is_ours(scope):
        raise Turned("its origin is not the portal's")
    uid = scope["url_route"]["kwargs"]["uid"]
    try:
        ticket = tickets.read(tickets.from_subprotocols(scope.get("subprotocols", [])), session_uid=uid)
        return await in_database(_connection, ticket, scope, own_host)
    except TicketError as error:
        raise Turned(f"its ticket {error}") from error
    except (Http404, PermissionDenied) as error:
        raise Turned(str(error)) from error


def _connection(ticket: Ticket, scope: Mapping[str, Any], own_host: str) -> Connection:
    user = get_user_model().objects.filter(pk=ticket.user_id, is_active=True).first()
    if user is None:
        raise TicketError("is for nobody who may sign in")
    session, rights = session_and_rights(user, ticket.session_uid)
    may_control = rights.own and rights.allow(session, Permission.SHELL)
    if not (may_control or Permission.WATCH in rights.held):
        raise TicketError("is for somebody who may neither use nor watch this session")
    elsewhere = _elsewhere(session, own_host)
    if elsewhere and ticket.relayed:
        # Two processes with one PORTHOLE_HOST_ADDRESS would pass it on to each other, or to themselves, for ever.
        raise TicketError("was relayed to a process that does not own the session")
    if ticket.token_id is not None and not ApiToken.objects.filter(pk=ticket.token_id).usable().exists():
        raise TicketError("was asked for with an API token that is not valid any more")
    actions.redeem_ticket(ticket)
    spec, trouble = _spec(session)
    actor = actor_of_scope(scope, user)
    if ticket.relayed:
        actor = Actor(actor.id, actor.name, ticket.address, ticket.agent)
    return Connection(
        session=session,
        user=user,
        actor=actor,
        token_id=ticket.token_id,
        may_control=may_control,
        may_read=rights.own or Permission.AUDIT in rights.held,
        spec=spec,
        trouble=trouble,
        preferences=preferences_of(user),
        http_host=_http_host(scope),
        elsewhere=elsewhere,
    )


def _http_host(scope: Mapping[str, Any]) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"), "")


def _spec(session: Session) -> tuple[ProviderSpec | None, BackendError | None]:
    if session.service is None or session.state not in LIVE:
        return None, None
    try:
        return spec_of(session.service.stack.provider), None
    except BackendError as error:
        return None, error


def _elsewhere(session: Session, own_host: str) -> str:
    host = session.host
    if host is None or host.uid == own_host or session.state not in LIVE - {State.REQUESTED}:
        return ""
    return "" if is_dead(host, timezone.now()) else host.address
