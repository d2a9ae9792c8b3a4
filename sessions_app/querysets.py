"""Reads of sessions and session hosts."""

import functools
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from audit.models import Recording
from portal.models import Membership
from portal.permissions import Permission
from portal.querysets import AnyUser, reaches
from sessions_app.words import LIVE, Kind

if TYPE_CHECKING:
    from portal.models import Service
    from sessions_app.models import Session, SessionHost  # noqa: F401

PERMISSION_OF_KIND: dict[Kind, Permission] = {
    Kind.SHELL: Permission.SHELL,
    Kind.CONSOLE: Permission.CONSOLE,
    Kind.EXEC: Permission.EXEC,
    Kind.PORT_FORWARD: Permission.FORWARD,
    Kind.UNIX_SOCKET: Permission.FORWARD,
    Kind.REVERSE_PROXY: Permission.FORWARD,
}
"""What it takes to open a session of each kind, and to keep it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a live session's row asks of its host."""

    state: str
    end_requested: str
    end_detail: str
    end_requested_by: str
    end_requested_by_id: str
    cols: int
    rows: int
    detach_cause: str
    detached_at: datetime | None
    detach_expires_at: datetime | None
    allowed: bool


def _own(user: AnyUser) -> Q:
    """Somebody who left the organization leaves the sessions there, too."""
    memberships = Membership.objects.filter(organization=OuterRef("organization"), user=user.pk)
    return Q(user=user.pk) & Q(Exists(memberships))


class SessionQuerySet(models.QuerySet["Session"]):
    """Sessions, newest first."""

    def visible_to(self, user: AnyUser) -> Self:
        """The user's own, and those of services that the user audits, may watch or may end."""
        return self.filter(
            _own(user)
            | Q(reaches(Permission.AUDIT, user=user.pk, stack="service__stack", service="service"))
            | Q(reaches(Permission.WATCH, user=user.pk, stack="service__stack", service="service"))
            | Q(reaches(Permission.TERMINATE, user=user.pk, stack="service__stack", service="service"))
        )

    def recorded_for(self, user: AnyUser) -> Self:
        """Those whose record the user may read: the user's own, and all that the user audits."""
        return self.filter(
            _own(user) | Q(reaches(Permission.AUDIT, user=user.pk, stack="service__stack", service="service"))
        )

    def allowing(self, user: AnyUser, permission: Permission) -> Self:
        """Those on whose service the user holds the permission."""
        return self.filter(reaches(permission, user=user.pk, stack="service__stack", service="service"))

    def watchable_by(self, user: AnyUser) -> Self:
        """The user's own, and those of services on which the user holds `watch`."""
        return self.filter(
            _own(user) | Q(reaches(Permission.WATCH, user=user.pk, stack="service__stack", service="service"))
        )

    def live(self) -> Self:
        """Neither stopped nor failed."""
        return self.filter(state__in=LIVE)

    def own(self, user: AnyUser) -> Self:
        """The user's own."""
        return self.filter(_own(user))

    def over(self) -> Self:
        """Stopped or failed."""
        return self.exclude(state__in=LIVE)

    def matching(
        self, *, states: Iterable[str] = (), kinds: Iterable[str] = (), user: str = "", service: int | str = ""
    ) -> Self:
        """Those that a list asks for, in a page or over the API: in one of these states (`over` stands for
        several), of one of these kinds, of the user of this name, of the service of this key or name. What is empty
        filters nothing."""
        found, several, named = self, {"over": ~Q(state__in=LIVE)}, list(states)
        if named:
            found = found.filter(functools.reduce(Q.__or__, (several.get(word, Q(state=word)) for word in named)))
        if wanted := list(kinds):
            found = found.filter(kind__in=wanted)
        if user:
            found = found.filter(user_name=user)
        if service != "":
            found = found.filter(service=service) if isinstance(service, int) else found.filter(service_name=service)
        return found

    def with_controls(self, user: AnyUser) -> Self:
        """Adds `is_own`, `may_watch` and `may_terminate` to each row, for a list's buttons."""

        def here(permission: Permission) -> Exists:
            return reaches(permission, user=user.pk, stack="service__stack", service="service")

        return self.annotate(
            is_own=Q(user=user.pk), may_watch=here(Permission.WATCH), may_terminate=here(Permission.TERMINATE)
        )

    def with_recording_health(self) -> Self:
        """Adds `recording_health`, None where nothing was recorded."""
        recording = Recording.objects.filter(session_uid=OuterRef("uid"))
        return self.annotate(recording_health=Subquery(recording.values("health")[:1]))

    def with_output_on_record(self) -> Self:
        """Those of which there is something to see: a recording that holds output."""
        return self.filter(Exists(Recording.objects.filter(session_uid=OuterRef("uid"), output_bytes__gt=0)))

    def streaming(self, now: datetime) -> Self:
        """What the live table shows: what lives, and for a minute what stopped."""
        return self.filter(Q(state__in=LIVE) | Q(ended_at__gt=now - timedelta(minutes=1)))

    def without_access(self, kinds: Collection[Kind] = tuple(Kind)) -> Self:
        """Those whose user may no longer do what the session does: the grant, membership, user or token is gone, or the
        service. Only sessions of these `kinds` are looked at: each permission more makes a larger question."""
        now = timezone.now()
        allowed = Q(pk__in=[])
        for permission in {PERMISSION_OF_KIND[kind] for kind in kinds}:
            needing = [kind for kind in kinds if PERMISSION_OF_KIND[kind] == permission]
            reached = reaches(permission, user="user", stack="service__stack", service="service")
            allowed |= Q(kind__in=needing) & Q(reached)
        token_over = Q(api_token__revoked_at__isnull=False) | Q(api_token__expires_at__lte=now)
        return self.filter(~allowed | token_over | Q(service__isnull=True), kind__in=kinds)

    def verdicts(self, host: "SessionHost") -> "dict[str, Verdict]":
        """What the rows of a host's live sessions ask of it, by uid: two queries, however many there are."""
        mine = self.live().filter(host=host)
        rows = mine.values_list(
            "kind",
            "uid",
            "state",
            "end_requested",
            "end_detail",
            "end_requested_by",
            "end_requested_by_id",
            "cols",
            "rows",
            "detach_cause",
            "detached_at",
            "detach_expires_at",
        )
        kinds = {Kind(row[0]) for row in rows}
        refused = set(mine.without_access(kinds).values_list("uid", flat=True)) if kinds else set()
        return {row[1]: Verdict(*row[2:], allowed=row[1] not in refused) for row in rows}

    def uncleaned(self, now: datetime) -> Self:
        """Those that are over and whose processes are still to be looked for."""
        return self.filter(cleanup_until__gt=now, provider__isnull=False)

    def with_uids(self, uids: Iterable[str]) -> Self:
        """Those of these uids."""
        return self.filter(uid__in=list(uids))

    def of_hosts(self, hosts: "Iterable[SessionHost]") -> Self:
        """Those that these processes own."""
        return self.filter(host__in=list(hosts))

    def holding(self, service: "Service") -> Self:
        """The sessions that hold a place of the service, oldest first."""
        return self.filter(slot__service=service).order_by("pk")


class SessionHostQuerySet(models.QuerySet["SessionHost"]):
    """Processes that own sessions."""

    def owning_live_sessions(self) -> Self:
        """Those that have sessions which are not over."""
        from sessions_app.models import Session

        return self.filter(Exists(Session.objects.live().filter(host=OuterRef("pk"))))
