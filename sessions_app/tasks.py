"""What Celery does for sessions. Every task may run twice, late, or at the same time as its twin."""

from asgiref.sync import async_to_sync
from celery import shared_task
from django.utils import timezone

from audit.events import PORTAL
from sessions_app import actions, console_sweep
from sessions_app.deadlines import overdue
from sessions_app.models import Session
from sessions_app.orphans import end_orphans
from sessions_app.unfinished import finish_cleanups
from sessions_app.vanished import end_vanished
from sessions_app.words import EndReason, State

WITHDRAWN = "Access to this service was withdrawn."


@shared_task(ignore_result=True)
def reap() -> None:
    """End what is idle, over its time, detached for too long, without access, without host or without container; and
    what sessions left behind a provider that did not answer."""
    now = timezone.now()
    for session in Session.objects.live().filter(end_requested="").select_related("organization"):
        if (verdict := overdue(session, now)) is not None:
            reason, detail = verdict
            state = State(session.state)
            actions.request_end(session=session, reason=reason, detail=detail, actor=PORTAL, only_in=state)
    for session in Session.objects.live().filter(end_requested="").without_access().select_related("organization"):
        actions.request_end(session=session, reason=EndReason.ACCESS_REVOKED, detail=WITHDRAWN, actor=PORTAL)
    async_to_sync(end_orphans)()
    async_to_sync(end_vanished)()
    async_to_sync(finish_cleanups)()


@shared_task(ignore_result=True)
def sweep_consoles() -> None:
    """Remove the consoles that a crash left."""
    async_to_sync(console_sweep.sweep_consoles)()


@shared_task(ignore_result=True)
def clean_up() -> None:
    """Forget what is no longer needed."""
    actions.sweep()
