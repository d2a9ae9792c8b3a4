"""How events and recordings look over the API."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from audit.actions_review import MAX_NOTE
from audit.events import Action
from audit.models import Chain, ChainHead, Event, Recording
from audit.querysets import SHOWN


class EventSerializer(serializers.ModelSerializer[Event]):
    """One event, with names as they were when it happened."""

    organization = serializers.IntegerField(source="organization_id", read_only=True)
    session = serializers.CharField(source="session_uid", read_only=True)

    class Meta:
        model = Event
        fields = [
            "id",
            "at",
            "organization",
            "organization_name",
            "action",
            "actor_id",
            "actor_name",
            "target_type",
            "target_id",
            "target_name",
            "session",
            "client_address",
            "client_agent",
            "detail",
            "sequence",
            "previous_hash",
            "hash",
        ]
        read_only_fields = fields


class OrganizationFilterSerializer(serializers.Serializer[Any]):
    """What every list of the record can be narrowed by."""

    organization = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class EventFilterSerializer(OrganizationFilterSerializer):
    """What a list of events can be narrowed by."""

    action = serializers.CharField(required=False, help_text="One or more actions, with commas.")
    actor = serializers.CharField(required=False, max_length=150, help_text="A user name, as it was then.")
    session = serializers.CharField(required=False, max_length=32, help_text="A session's uid.")
    since = serializers.DateTimeField(required=False, help_text="At or after this moment.")
    until = serializers.DateTimeField(required=False, help_text="Before this moment.")

    def validate_action(self, value: str) -> list[str]:
        """The actions' words."""
        words = [word for word in value.split(",") if word]
        if unknown := [word for word in words if word not in list(Action)]:
            raise serializers.ValidationError(f"There is no action {unknown[0][:64]!r}.")
        return words


class ChainHeadSerializer(serializers.ModelSerializer[ChainHead]):
    """What was signed of a chain, by which key; `docs/decisions` says over which bytes."""

    class Meta:
        model = ChainHead
        fields = ["sequence", "hash", "signed_at", "public_key", "signature"]
        read_only_fields = fields


class ChainSerializer(serializers.ModelSerializer[Chain]):
    """Where the hash chain of one organization's events stands, and what was signed of it last."""

    organization = serializers.IntegerField(source="organization_id", read_only=True)
    last_signed_head = serializers.SerializerMethodField()

    class Meta:
        model = Chain
        fields = ["organization", "length", "head", "last_signed_head"]
        read_only_fields = fields

    @extend_schema_field(ChainHeadSerializer(allow_null=True))
    def get_last_signed_head(self, chain: Any) -> dict[str, Any] | None:
        """Null until the first is signed."""
        head = self.context.get("heads", {}).get(chain.last_head_id)
        return None if head is None else dict(ChainHeadSerializer(head).data)


class LinksSerializer(serializers.Serializer[Any]):
    """Where a recording can be fetched."""

    cast = serializers.URLField()
    transcript = serializers.URLField()
    output = serializers.URLField()


class NotedSerializer(serializers.Serializer[Any]):
    """Who decided something about a recording, when, and what they said."""

    by = serializers.CharField()
    at = serializers.DateTimeField()
    note = serializers.CharField()


class RecordingSerializer(serializers.ModelSerializer[Recording]):
    """What became of a session's recording: its health, its size and the hashes it was sealed with.

    `kept_until`, `hold`, `review` and `flag` are there for those who hold `audit`.
    """

    session = serializers.CharField(source="session_uid", read_only=True)
    links = serializers.SerializerMethodField()
    kept_until = serializers.DateTimeField(read_only=True, allow_null=True, help_text="Null where nothing deletes it.")
    hold = serializers.SerializerMethodField()
    review = serializers.SerializerMethodField()
    flag = serializers.SerializerMethodField()

    class Meta:
        model = Recording
        fields = [
            "session",
            "health",
            "health_detail",
            "started_at",
            "sealed_at",
            "duration",
            "output_bytes",
            "gap_bytes",
            "output_sha256",
            "timeline_sha256",
            "kept_until",
            "deleted_at",
            "retention_days",
            "hold",
            "review",
            "flag",
            "links",
        ]
        read_only_fields = fields

    def to_representation(self, instance: Recording) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if not self.context.get("audits"):
            for name in ("kept_until", "hold", "review", "flag"):
                shown.pop(name)
        return shown

    @extend_schema_field(NotedSerializer(allow_null=True))
    def get_hold(self, recording: Recording) -> dict[str, Any] | None:
        """Null where there is none."""
        return _noted(recording.held_by, recording.held_at, recording.hold_reason)

    @extend_schema_field(NotedSerializer(allow_null=True))
    def get_review(self, recording: Recording) -> dict[str, Any] | None:
        """Null until somebody has looked at it."""
        return _noted(recording.reviewed_by, recording.reviewed_at, recording.review_note)

    @extend_schema_field(NotedSerializer(allow_null=True))
    def get_flag(self, recording: Recording) -> dict[str, Any] | None:
        """Null where there is none."""
        return _noted(recording.flagged_by, recording.flagged_at, recording.flag_note)

    @extend_schema_field(LinksSerializer(allow_null=True))
    def get_links(self, recording: Recording) -> dict[str, str] | None:
        """Absolute addresses of the exports; null once the files are deleted."""
        if recording.deleted_at is not None:
            return None
        request = self.context.get("request")
        kwargs = {"uid": recording.session_uid}
        names = {"cast": "recording-cast", "transcript": "recording-transcript", "output": "recording-output"}
        return {key: reverse(name, kwargs=kwargs, request=request) for key, name in names.items()}


def _noted(by: str, at: datetime | None, note: str) -> dict[str, Any] | None:
    return None if at is None else dict(NotedSerializer({"by": by, "at": at, "note": note}).data)


class ListedRecordingSerializer(RecordingSerializer):
    """A recording in a list, with whose it is."""

    organization = serializers.IntegerField(source="organization_id", read_only=True)
    user = serializers.CharField(source="user_name", read_only=True)
    service = serializers.CharField(source="service_name", read_only=True)

    class Meta(RecordingSerializer.Meta):
        fields = [*RecordingSerializer.Meta.fields, "organization", "user", "service", "title"]
        read_only_fields = fields


class RecordingFilterSerializer(OrganizationFilterSerializer):
    """What a list of recordings can be narrowed by."""

    show = serializers.ChoiceField(choices=list(SHOWN), default="any", help_text="`unreviewed` is the queue.")
    user = serializers.CharField(required=False, max_length=150, help_text="A user name, as it was then.")
    service = serializers.CharField(required=False, max_length=255, help_text="A service's name, as it was then.")


class NoteSerializer(serializers.Serializer[Any]):
    """What is said of a recording."""

    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=MAX_NOTE)


class ReasonSerializer(serializers.Serializer[Any]):
    """Why something is done to a recording."""

    note = serializers.CharField(max_length=MAX_NOTE)
