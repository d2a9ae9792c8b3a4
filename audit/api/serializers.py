"""How events and recordings look over the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from audit.events import Action
from audit.models import Event, Recording


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
        ]
        read_only_fields = fields


class EventFilterSerializer(serializers.Serializer[Any]):
    """What a list of events can be narrowed by."""

    organization = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
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
