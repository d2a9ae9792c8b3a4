"""Live sessions as rows. The row is the truth that every process reads; `sessions_app.actions` alone writes it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from sessions_app.querysets import SessionHostQuerySet, SessionQuerySet
from sessions_app.words import Detachment, EndReason, Kind, State, Via


class SessionHost(models.Model):
    """A process that owns live sessions. It renews `lease_expires_at`; once that is past, the process is gone."""

    uid = models.CharField(max_length=40, unique=True)
    node = models.CharField(max_length=255, help_text="The machine, whose disk holds the journals.")
    pid = models.PositiveIntegerField()
    address = models.CharField(max_length=255, blank=True, help_text="Where other web processes reach its sockets.")
    started_at = models.DateTimeField(auto_now_add=True)
    lease_expires_at = models.DateTimeField(db_index=True)
    stopped_at = models.DateTimeField(null=True)

    objects: ClassVar[SessionHostQuerySet] = SessionHostQuerySet.as_manager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.node}:{self.pid}"


class Session(models.Model):
    """One recorded stay in one container. Names are snapshots, so that the row outlives what it describes."""

    uid = models.CharField(max_length=32, unique=True)
    organization = models.ForeignKey("portal.Organization", on_delete=models.CASCADE, related_name="sessions")
    service = models.ForeignKey("portal.Service", null=True, on_delete=models.SET_NULL, related_name="sessions")
    provider = models.ForeignKey(
        "portal.Provider",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Where its container is, also once the service is deleted.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="shell_sessions"
    )
    api_token = models.ForeignKey("portal.ApiToken", null=True, on_delete=models.SET_NULL, related_name="+")
    host = models.ForeignKey(SessionHost, null=True, on_delete=models.SET_NULL, related_name="sessions")
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in Kind])
    via = models.CharField(max_length=8, choices=[(via.value, via.value) for via in Via])
    state = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in State], default=State.REQUESTED, db_index=True
    )
    title = models.CharField(max_length=255, blank=True)
    command = models.JSONField(default=list, blank=True, help_text="Argument vector; empty means a detected shell.")
    console = models.JSONField(
        default=dict, blank=True, help_text="Of a console: what was asked for, and the container it is made like."
    )

    user_name = models.CharField(max_length=150)
    organization_name = models.CharField(max_length=120)
    stack_name = models.CharField(max_length=120)
    service_name = models.CharField(max_length=120)
    namespace = models.CharField(max_length=253, blank=True)
    deployment_name = models.CharField(max_length=253, blank=True)
    pod_name = models.CharField(max_length=253, blank=True)
    container_name = models.CharField(max_length=253, blank=True)
    container_id = models.CharField(max_length=128, blank=True)
    client_address = models.CharField(max_length=64, blank=True)
    client_agent = models.CharField(max_length=255, blank=True)

    cols = models.PositiveIntegerField(default=80)
    rows = models.PositiveIntegerField(default=24)
    bytes_in = models.PositiveBigIntegerField(default=0)
    bytes_out = models.PositiveBigIntegerField(default=0)

    session_limit = models.PositiveIntegerField()
    idle_timeout = models.PositiveIntegerField(help_text="Seconds.")
    max_duration = models.PositiveIntegerField(null=True, help_text="Seconds; empty for no limit.")
    reconnect_grace = models.PositiveIntegerField(help_text="Seconds.")
    detach_ttl_max = models.PositiveIntegerField(help_text="Seconds.")
    detach_without_end = models.BooleanField(default=False)
    recording_mode = models.CharField(max_length=16)
    record_input = models.BooleanField()

    created_at = models.DateTimeField(auto_now_add=True)
    attach_by = models.DateTimeField(help_text="The first attach comes before this, or never.")
    started_at = models.DateTimeField(null=True)
    last_activity_at = models.DateTimeField(null=True)
    detached_at = models.DateTimeField(null=True)
    detach_expires_at = models.DateTimeField(null=True, help_text="Empty while detached: without end.")
    detach_cause = models.CharField(
        max_length=8, blank=True, choices=[(cause.value, cause.value) for cause in Detachment]
    )
    ended_at = models.DateTimeField(null=True)

    end_requested = models.CharField(max_length=24, blank=True, help_text="A reason its host has yet to carry out.")
    end_requested_by = models.CharField(max_length=150, blank=True)
    end_requested_by_id = models.CharField(max_length=64, blank=True)
    end_requested_at = models.DateTimeField(null=True)
    end_reason = models.CharField(
        max_length=24, blank=True, choices=[(reason.value, reason.value) for reason in EndReason]
    )
    end_detail = models.CharField(max_length=500, blank=True)
    exit_code = models.IntegerField(null=True)
    cleanup = models.JSONField(
        default=dict, blank=True, help_text="Processes found at the end, and what became of them."
    )
    cleanup_until = models.DateTimeField(
        null=True, help_text="The provider did not answer: its processes are looked for again until then."
    )

    objects: ClassVar[SessionQuerySet] = SessionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "-id"], name="session_of_organization"),
            models.Index(fields=["user", "-id"], name="session_of_user"),
            # The sweep asks every half minute where there were consoles of late.
            models.Index(fields=["kind", "created_at"], name="session_of_kind"),
            models.Index(
                fields=["cleanup_until"], condition=Q(cleanup_until__isnull=False), name="session_to_clean_up"
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=[state.value for state in State]), name="session_state"),
            models.CheckConstraint(
                condition=~Q(state=State.STOPPED) | Q(end_reason__in=[reason.value for reason in EndReason]),
                name="session_stopped_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.uid


class Installation(models.Model):
    """This portal, as the containers that it makes name it: on one engine each portal removes its own only."""

    uid = models.CharField(max_length=32, unique=True)

    def __str__(self) -> str:
        return self.uid


class SessionSlot(models.Model):
    """One of a service's places, taken by a session until its shell is gone: the lease behind the session limit."""

    service = models.ForeignKey("portal.Service", on_delete=models.CASCADE, related_name="slots")
    number = models.PositiveIntegerField()
    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="slot")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["service", "number"], name="slot_once")]

    def __str__(self) -> str:
        return f"slot {self.number} of {self.service}"


class UsedTicket(models.Model):
    """A connection ticket that was presented. Its unique id makes each ticket single-use across processes."""

    jti = models.CharField(max_length=40, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.jti
