"""The record: what happened, and what was on the screen. The floor of the house: it imports nothing of ours.

It knows the organization by a lazy foreign key, and everything else by uid and by a snapshot of its name, so that a
row outlives what it describes. Only `audit.actions` writes these rows; an event is never changed or deleted.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar, NoReturn

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from audit.chain import GENESIS
from audit.querysets import (
    AppendOnlyError,
    ChainHeadQuerySet,
    ChainQuerySet,
    EventQuerySet,
    RecordingQuerySet,
    TranscriptIndexQuerySet,
    TranscriptLineQuerySet,
)


class Event(models.Model):
    """One row of the audit log: who did what to which thing. Append-only.

    `sequence`, `previous_hash` and `hash` are its place in the chain of its organization: see `audit.chain`. The
    database refuses every UPDATE and DELETE of these rows: see the triggers in the migrations.
    """

    organization = models.ForeignKey(
        "portal.Organization",
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="Empty for what concerns no organization, such as a failed sign-in.",
    )
    organization_name = models.CharField(max_length=120, blank=True)
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=64, db_index=True, help_text="Such as session.opened or grant.revoked.")
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(max_length=150, blank=True, help_text="Empty for the portal itself.")
    target_type = models.CharField(max_length=32, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_name = models.CharField(max_length=255, blank=True)
    session_uid = models.CharField(max_length=32, blank=True, db_index=True)
    client_address = models.CharField(max_length=64, blank=True)
    client_agent = models.CharField(max_length=255, blank=True)
    detail = models.JSONField(default=dict, help_text="What changed, before and after, and why. No secrets.")
    sequence = models.PositiveBigIntegerField(editable=False, help_text="The place in its chain, from 1 on.")
    previous_hash = models.CharField(max_length=64, editable=False)
    hash = models.CharField(max_length=64, editable=False)

    objects: ClassVar[EventQuerySet] = EventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "-id"], name="event_of_organization"),
            models.Index(fields=["organization", "actor_id", "-id"], name="event_of_actor"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "sequence"], name="event_sequence_once"),
            models.UniqueConstraint(
                fields=["sequence"], condition=Q(organization=None), name="event_sequence_once_in_none"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_name}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert. A row that is in the database already is refused: force_insert keeps a given key from updating."""
        if not self._state.adding:
            raise AppendOnlyError
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError


class Chain(models.Model):
    """How far one organization's events go; one row has none, for the events without organization.

    `audit.actions.record` locks the row until its transaction ends: that is what gives each event its place.
    """

    organization = models.ForeignKey(
        "portal.Organization", null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    length = models.PositiveBigIntegerField(default=0)
    head = models.CharField(max_length=64, default=GENESIS, help_text="The last event's hash.")

    objects: ClassVar[ChainQuerySet] = ChainQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(Coalesce("organization", 0), name="chain_once")]

    def __str__(self) -> str:
        return f"chain of organization {self.organization_id}" if self.organization_id else "chain of the portal"


class ChainHead(models.Model):
    """What a chain's length and last hash were at some moment, signed. Append-only, as events are."""

    organization = models.ForeignKey(
        "portal.Organization",
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    sequence = models.PositiveBigIntegerField(help_text="The number of events.")
    hash = models.CharField(max_length=64, help_text="Of the last of them.")
    signed_at = models.DateTimeField()
    public_key = models.CharField(max_length=64, help_text="The Ed25519 key that signed, in base64.")
    signature = models.CharField(max_length=128)

    objects: ClassVar[ChainHeadQuerySet] = ChainHeadQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["organization", "-sequence"], name="head_of_organization")]
        constraints = [models.UniqueConstraint(Coalesce("organization", 0), "sequence", name="head_once")]

    def __str__(self) -> str:
        return f"head {self.sequence} of organization {self.organization_id or 'none'}"


class Health(models.TextChoices):
    """What became of a recording."""

    RECORDING = "recording", "Recording"
    UPLOADING = "uploading", "Uploading"
    COMPLETE = "complete", "Complete"
    GAP = "gap", "Gap"
    LOST = "lost", "Lost"
    DELETED = "deleted", "Deleted"


class Recording(models.Model):
    """One session's journal, from its first byte on. Its files stand under the data directory at `path`.

    What people decided about it stands beside: a legal hold, a review, a flag. Once retention has deleted the files,
    the row stays and says so.
    """

    session_uid = models.CharField(max_length=32, unique=True)
    organization = models.ForeignKey(
        "portal.Organization", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    health = models.CharField(max_length=16, choices=Health, default=Health.RECORDING)
    health_detail = models.CharField(max_length=500, blank=True)
    node = models.CharField(max_length=255, help_text="The machine whose disk holds the journal.")
    path = models.CharField(
        max_length=255, blank=True, help_text="Relative to the journal folder; empty once the files are deleted."
    )
    title = models.CharField(max_length=255, blank=True)
    user_name = models.CharField(max_length=150)
    service_name = models.CharField(max_length=255)
    started_at = models.DateTimeField()
    sealed_at = models.DateTimeField(null=True)
    duration = models.FloatField(default=0, help_text="Seconds.")
    output_bytes = models.PositiveBigIntegerField(default=0)
    gap_bytes = models.PositiveBigIntegerField(default=0, help_text="Output that was forwarded and not recorded.")
    output_sha256 = models.CharField(max_length=64, blank=True)
    timeline_sha256 = models.CharField(max_length=64, blank=True)

    deleted_at = models.DateTimeField(null=True, help_text="When retention deleted its files.")
    retention_days = models.PositiveIntegerField(null=True, help_text="The policy under which they were deleted.")
    held_at = models.DateTimeField(null=True, help_text="Since when it is on legal hold: retention leaves it alone.")
    held_by = models.CharField(max_length=150, blank=True)
    hold_reason = models.CharField(max_length=500, blank=True)
    reviewed_at = models.DateTimeField(null=True)
    reviewed_by = models.CharField(max_length=150, blank=True)
    review_note = models.CharField(max_length=500, blank=True)
    flagged_at = models.DateTimeField(null=True)
    flagged_by = models.CharField(max_length=150, blank=True)
    flag_note = models.CharField(max_length=500, blank=True)

    objects: ClassVar[RecordingQuerySet] = RecordingQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["organization", "sealed_at"],
                condition=Q(deleted_at__isnull=True, held_at__isnull=True),
                name="recording_to_expire",
            ),
            models.Index(fields=["-id"], condition=Q(reviewed_at__isnull=True), name="recording_unreviewed"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(health__in=Health.values), name="recording_health"),
            models.CheckConstraint(
                condition=(Q(deleted_at__isnull=True) & ~Q(health=Health.DELETED))
                | Q(
                    deleted_at__isnull=False,
                    health=Health.DELETED,
                    retention_days__isnull=False,
                    sealed_at__isnull=False,
                    held_at__isnull=True,
                ),
                name="recording_deleted",
            ),
        ]

    def __str__(self) -> str:
        return f"recording of {self.session_uid}"

    @property
    def kept_until(self) -> datetime | None:
        """When retention may delete its files, as things stand; None where nothing will.

        It is the rule of `RecordingQuerySet.expired` for one row. Have its `organization` at hand (`select_related`),
        or this costs a query.
        """
        days = self.organization.retention_days
        if days is None or self.sealed_at is None or self.held_at is not None or self.deleted_at is not None:
            return None
        return self.sealed_at + timedelta(days=days)


class TranscriptIndex(models.Model):
    """How far a recording's transcript is indexed for search. It goes with its recording, as the lines do."""

    recording = models.OneToOneField(Recording, on_delete=models.CASCADE, related_name="transcript_index")
    organization = models.ForeignKey(
        "portal.Organization", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    position = models.PositiveBigIntegerField(default=0, help_text="In the timeline's file, where an event begins.")
    offset = models.PositiveBigIntegerField(default=0, help_text="The session's offset before that event.")
    rendered = models.PositiveBigIntegerField(default=0, help_text="The session's offset up to which it is rendered.")
    at = models.FloatField(default=0, help_text="The time of the last event: seconds since the session's start.")
    state = models.JSONField(null=True, help_text="The terminal's screen there; empty before the start and once done.")
    lines = models.PositiveIntegerField(default=0, help_text="Lines that do not change any more.")
    done = models.BooleanField(default=False)
    problem = models.CharField(max_length=500, blank=True, help_text="Why it ends before the recording does.")
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[TranscriptIndexQuerySet] = TranscriptIndexQuerySet.as_manager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"transcript index of {self.recording_id}"


class TranscriptLine(models.Model):
    """One line as it was seen on a session's screen, without what has the form of a secret. `audit.search` finds it."""

    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, db_index=False, related_name="transcript_lines")
    organization = models.ForeignKey(
        "portal.Organization", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    number = models.PositiveIntegerField(help_text="The line's place in its transcript, from 0 on.")
    at = models.FloatField(help_text="Seconds since the session's start.")
    text = models.TextField()
    settled = models.BooleanField(default=True, help_text="False while it stands on a live screen and may change.")

    objects: ClassVar[TranscriptLineQuerySet] = TranscriptLineQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["recording", "number"], name="transcript_line_once")]

    def __str__(self) -> str:
        return f"line {self.number} of the transcript of {self.recording_id}"
