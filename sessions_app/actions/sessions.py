"""The life of a session as rows: each function is one transaction, the row, its slot and its event together.

Every change of state is a conditional update, so that two processes that try the same thing have one winner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import actions as audit
from audit.events import PORTAL, Action, Actor, Thing
from portal.actions import nudge_hosts
from portal.models import Service
from portal.policy import policy_of
from sessions_app.actions.counters import Counters
from sessions_app.backends.base import CleanupReport, Container
from sessions_app.models import Session, SessionHost, SessionSlot
from sessions_app.words import LIVE, OVER, Detachment, EndReason, Kind, State, Via, new_uid

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from portal.models import ApiToken

REVOCABLE = frozenset(
    {EndReason.IDLE_TIMEOUT, EndReason.DISCONNECTED, EndReason.DETACH_EXPIRED, EndReason.CLOSED_BY_USER}
)
"""Reasons of an end that the session's user can still call off if the portal by itself asked for it (nobody's id stands
at it), until its host has begun with it."""


CLEAN_UP_FOR = timedelta(days=1)
"""How long the processes of a session are looked for whose container could not be reached at its end."""


class LimitReached(Exception):
    """All places of a service are taken. `holders` says by whom: uid, user and since when of each."""

    code = "session_limit"

    def __init__(self, service: Service, limit: int, holders: Sequence[dict[str, str]]) -> None:
        names = ", ".join(sorted({holder["user"] for holder in holders}))
        super().__init__(
            f"All {limit} sessions of {service.name} are in use (by {names}). "
            "End one of them, or ask for a higher limit."
        )
        self.limit, self.holders = limit, holders


@dataclass(frozen=True, slots=True)
class NewSession:
    """What is asked for when a session is opened."""

    service: Service
    container: Container
    kind: Kind
    via: Via
    command: Sequence[str] = ()
    title: str = ""
    cols: int = 80
    rows: int = 24
    console: Mapping[str, Any] = field(default_factory=dict)
    """Of a console: its parameters, as they stand in the row."""
    max_duration: int | None = None
    """Seconds, where less is asked for than the service allows."""


def thing(session: Session) -> Thing:
    """The session as an event names it."""
    return Thing("session", session.uid, f"{session.service_name} by {session.user_name}")


def _event(session: Session, action: Action, actor: Actor, **detail: Any) -> None:
    audit.record(
        action=action,
        actor=actor,
        organization=session.organization,
        thing=thing(session),
        session_uid=session.uid,
        detail=detail,
    )


def open_session(*, user: "User", wanted: NewSession, actor: Actor, api_token: "ApiToken | None" = None) -> Session:
    """Take a place of the service and write the row of a requested session. Raises `LimitReached`."""
    service, container = wanted.service, wanted.container
    policy = policy_of(service)
    with transaction.atomic():
        # The service's row lock makes parallel opens take their places one after the other.
        Service.objects.select_for_update().only("pk").get(pk=service.pk)
        taken = set(SessionSlot.objects.filter(service=service).values_list("number", flat=True))
        full = len(taken) >= policy.session_limit
        if not full:
            now = timezone.now()
            session = Session.objects.create(
                uid=new_uid(wanted.kind, wanted.via),
                organization=service.organization,
                service=service,
                provider=service.stack.provider,
                user=user,
                api_token=api_token,
                kind=wanted.kind,
                via=wanted.via,
                title=wanted.title,
                command=list(wanted.command),
                console=dict(wanted.console),
                user_name=user.get_username(),
                organization_name=service.organization.name,
                stack_name=service.stack.name,
                service_name=service.name,
                namespace=container.namespace or service.stack.namespace,
                deployment_name=container.deployment_name,
                pod_name=container.pod_name,
                container_name=container.container_name,
                container_id=container.id,
                client_address=actor.address,
                client_agent=actor.agent,
                cols=wanted.cols,
                rows=wanted.rows,
                session_limit=policy.session_limit,
                idle_timeout=policy.idle_timeout,
                max_duration=wanted.max_duration or policy.max_duration,
                reconnect_grace=policy.reconnect_grace,
                detach_ttl_max=policy.detach_ttl_max,
                detach_without_end=policy.detach_without_end,
                recording_mode=policy.recording_mode,
                record_input=policy.record_input,
                attach_by=now + timedelta(seconds=settings.PORTHOLE_ATTACH_TIMEOUT),
            )
            number = next(number for number in range(len(taken) + 1) if number not in taken)
            SessionSlot.objects.create(service=service, number=number, session=session)
            _event(
                session,
                Action.SESSION_REQUESTED,
                actor,
                kind=session.kind,
                via=session.via,
                command=session.command,
                container=session.pod_name or session.container_name,
                **({"console": session.console} if session.console else {}),
            )
    if full:
        holders = list(Session.objects.holding(service).values("uid", "user_name", "created_at"))
        audit.record(
            action=Action.LIMIT_REFUSED,
            actor=actor,
            organization=service.organization,
            thing=Thing("service", str(service.pk), service.name),
            detail={"limit": policy.session_limit},
        )
        raise LimitReached(
            service,
            policy.session_limit,
            [{"uid": h["uid"], "user": h["user_name"], "since": h["created_at"].isoformat()} for h in holders],
        )
    return session


def claim(*, uid: str, host: SessionHost, cols: int, rows: int) -> bool:
    """Make a requested session this host's own, to be provisioned. False if another host was first or it is over."""
    return bool(
        Session.objects.filter(uid=uid, state=State.REQUESTED, host=None, end_requested="").update(
            state=State.PROVISIONING, host=host, cols=cols, rows=rows
        )
    )


@transaction.atomic
def mark_active(*, session: Session, actor: Actor) -> None:
    """The shell runs."""
    now = timezone.now()
    changed = Session.objects.filter(pk=session.pk, state=State.PROVISIONING).update(
        state=State.ACTIVE, started_at=now, last_activity_at=now
    )
    if changed:
        _event(session, Action.SESSION_OPENED, actor, container=session.pod_name or session.container_name)


@transaction.atomic
def note_attached(*, session: Session, actor: Actor, mode: str, took_over: bool) -> None:
    """A viewer is attached; a controller makes a detached session active again."""
    if mode == "control":
        Session.objects.filter(pk=session.pk, state=State.DETACHED).update(
            state=State.ACTIVE, detached_at=None, detach_expires_at=None, detach_cause=""
        )
        Session.objects.filter(pk=session.pk, state__in=LIVE).update(last_activity_at=timezone.now())
    action = Action.SESSION_WATCHED if mode == "watch" else Action.SESSION_ATTACHED
    _event(session, Action.SESSION_TAKEN_OVER if took_over else action, actor)


@transaction.atomic
def note_detached(*, session: Session, actor: Actor, ttl: int | None, cause: Detachment, wished: bool = False) -> None:
    """The controller is gone, by its wish or with its connection; the session lives `ttl` seconds more, or without end.

    What somebody asked for stands until somebody wishes for something else, whatever becomes of the window meanwhile.

    However often that is said, without an attach in between it stays detached no longer than its service allows.
    """
    now = timezone.now()
    row = (
        Session.objects.select_for_update()
        .filter(pk=session.pk, state__in=[State.ACTIVE, State.DETACHED])
        .only("state", "detached_at", "detach_cause", "detach_ttl_max", "detach_without_end")
        .first()
    )
    if row is None or (row.state == State.DETACHED and row.detach_cause == Detachment.ASKED and not wished):
        return
    since = row.detached_at if row.state == State.DETACHED and row.detached_at is not None else now
    until = None if ttl is None else now + timedelta(seconds=ttl)
    if not row.detach_without_end:
        latest = since + timedelta(seconds=row.detach_ttl_max)
        until = latest if until is None else min(until, latest)
    Session.objects.filter(pk=session.pk).update(
        state=State.DETACHED, detached_at=since, detach_expires_at=until, detach_cause=cause
    )
    left = None if until is None else round((until - now).total_seconds())
    _event(session, Action.SESSION_DETACHED, actor, cause=cause, ttl=left)


@transaction.atomic
def request_resize(*, session: Session, cols: int, rows: int, actor: Actor) -> None:
    """Ask a session's host to set the terminal's size."""
    if Session.objects.filter(pk=session.pk, state__in=LIVE).update(cols=cols, rows=rows):
        _event(session, Action.SESSION_RESIZED, actor, cols=cols, rows=rows)
        transaction.on_commit(nudge_hosts)


@transaction.atomic
def request_detach(*, session: Session, ttl: int | None, actor: Actor) -> bool:
    """Ask a session's host to let its controller go. False if there is nothing to detach from."""
    changed = Session.objects.filter(pk=session.pk, state__in=[State.ACTIVE, State.DETACHED]).exists()
    if changed:
        note_detached(session=session, actor=actor, ttl=ttl, cause=Detachment.ASKED, wished=True)
        transaction.on_commit(nudge_hosts)
    return changed


@transaction.atomic
def request_end(
    *, session: Session, reason: EndReason, actor: Actor, detail: str = "", only_in: State | None = None
) -> bool:
    """Ask a session's host to end it; one that no host has taken yet ends here and now.

    `only_in`: the state on which the request rests, for whoever read the row a while ago. The first request counts,
    but for those that a keystroke or a returning window calls off: they give way. False if nothing was asked for.
    """
    live = Session.objects.filter(pk=session.pk, state__in=LIVE if only_in is None else [only_in])
    if live.filter(state=State.REQUESTED, host=None).update(state=State.ENDING):
        return finish(session=session, reason=reason, detail=detail, actor=actor)
    open_to = Q(end_requested="")
    if actor.id or reason not in REVOCABLE:
        open_to |= Q(end_requested__in=REVOCABLE, end_requested_by_id="")
    changed = live.filter(open_to).update(
        end_requested=reason,
        end_requested_by=actor.name,
        end_requested_by_id=actor.id,
        end_requested_at=timezone.now(),
        end_detail=detail[:500],
    )
    if changed:
        _event(session, Action.SESSION_END_REQUESTED, actor, reason=reason, detail=detail)
        transaction.on_commit(nudge_hosts)
    return bool(changed)


def mark_ending(*, session: Session) -> None:
    """The shell is being ended."""
    Session.objects.filter(pk=session.pk, state__in=LIVE).update(state=State.ENDING)


@transaction.atomic
def finish(
    *,
    session: Session,
    reason: EndReason,
    detail: str = "",
    exit_code: int | None = None,
    cleanup: CleanupReport | None = None,
    actor: Actor = PORTAL,
    counters: Counters | None = None,
) -> bool:
    """The shell is gone: free the place, say why. False if somebody did before."""
    row = Session.objects.select_for_update().filter(pk=session.pk).exclude(state__in=OVER).first()
    if row is None:
        return False
    row.state = State.STOPPED if row.started_at else State.FAILED
    row.end_reason, row.end_detail, row.exit_code = reason, detail[:500], exit_code
    row.ended_at = timezone.now()
    row.detach_expires_at = None
    if counters is not None:
        row.bytes_in, row.bytes_out = counters.bytes_in, counters.bytes_out
        row.last_activity_at = counters.last_activity_at
        row.cols, row.rows = counters.cols, counters.rows
    row.cleanup = _as_json(cleanup)
    row.cleanup_until = row.ended_at + CLEAN_UP_FOR if cleanup is not None and cleanup.unfinished else None
    row.save()
    SessionSlot.objects.filter(session=row).delete()
    action = Action.SESSION_ENDED if row.state == State.STOPPED else Action.SESSION_FAILED
    _event(row, action, actor, reason=reason, detail=detail, exit_code=exit_code, cleanup=row.cleanup)
    return True


@transaction.atomic
def finish_cleanup(*, session: Session, report: CleanupReport) -> None:
    """The container of a session that is over was reached after all."""
    found = _as_json(report)
    if Session.objects.filter(pk=session.pk, cleanup_until__isnull=False).update(cleanup=found, cleanup_until=None):
        _event(session, Action.SESSION_CLEANED_UP, PORTAL, cleanup=found)


def _as_json(report: CleanupReport | None) -> dict[str, Any]:
    if report is None:
        return {}
    return {
        "container_gone": report.container_gone,
        "container_removed": report.container_removed,
        "note": report.note,
        "processes": [
            {"pid": process.pid, "command": process.command, "outcome": process.outcome} for process in report.processes
        ],
    }
