"""Session hosts and used tickets as rows."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from sessions_app.models import SessionHost, UsedTicket
from sessions_app.tickets import Ticket, TicketError
from sessions_app.words import LIVE

LEASE = timedelta(seconds=30)
"""How long a session host is believed to live after it last said so."""


def redeem_ticket(ticket: Ticket) -> None:
    """Use a ticket up. Raises `TicketError` if somebody did before, in whatever process."""
    try:
        with transaction.atomic():
            UsedTicket.objects.create(jti=ticket.jti, expires_at=ticket.expires_at)
    except IntegrityError as error:
        raise TicketError("was used before") from error


def register_host(*, uid: str, node: str, pid: int, address: str) -> SessionHost:
    """A process begins to own sessions."""
    return SessionHost.objects.create(
        uid=uid, node=node, pid=pid, address=address, lease_expires_at=timezone.now() + LEASE
    )


def renew_lease(host: SessionHost) -> None:
    """The process is still there."""
    SessionHost.objects.filter(pk=host.pk).update(lease_expires_at=timezone.now() + LEASE)


def stop_host(host: SessionHost) -> None:
    """The process owns no session any more and ends."""
    SessionHost.objects.filter(pk=host.pk).update(stopped_at=timezone.now(), lease_expires_at=timezone.now())


def sweep() -> None:
    """Forget used tickets that could not be used again anyway, and hosts that are gone and own nothing."""
    now = timezone.now()
    UsedTicket.objects.filter(expires_at__lt=now - timedelta(minutes=1)).delete()
    SessionHost.objects.filter(~Q(sessions__state__in=LIVE), lease_expires_at__lt=now - timedelta(days=1)).delete()
