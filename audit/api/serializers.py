"""How events and recordings look over the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from audit.events import Action
from audit.models import Chain, ChainHead, Event, Recording


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


class RecordingSerializer(serializers.ModelSerializer[Recording]):
    """What became of a session's recording: its health, its size and the hashes it was sealed with."""

    session = serializers.CharField(source="session_uid", read_only=True)
    links = serializers.SerializerMethodField()

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
            "links",
        ]
        read_only_fields = fields

    @extend_schema_field(LinksSerializer)
    def get_links(self, recording: Recording) -> dict[str, str]:
        """Absolute addresses of the exports."""
        request = self.context.get("request")
        kwargs = {"uid": recording.session_uid}
        names = {"cast": "recording-cast", "transcript": "recording-transcript", "output": "recording-output"}
        return {key: reverse(name, kwargs=kwargs, request=request) for key, name in names.items()}
