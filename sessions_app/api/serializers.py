"""Sessions in JSON."""

import shlex
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from sessions_app.backends import names
from sessions_app.backends.base import InvalidTarget
from sessions_app.models import Session
from sessions_app.protocol import MAX_COLS, MAX_ROWS
from sessions_app.ttl import parse_ttl
from sessions_app.words import Kind

MAX_WORDS = 256
MAX_WORD = 8192
CONSOLE_PARAMETERS = ("memory", "cpu", "max_hours", "docker_tag", "image", "user")
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$"
"""What a pod's or container's name can look like at any provider; their own grammars are narrower."""


class ConsoleSerializer(serializers.Serializer[Any]):
    """What a console was opened with."""

    memory = serializers.FloatField(help_text="GB.")
    cpu = serializers.FloatField()
    max_hours = serializers.FloatField()
    image = serializers.CharField(help_text="Empty: the image of the service's container.")
    docker_tag = serializers.CharField()
    user = serializers.CharField()


class SessionSerializer(serializers.ModelSerializer[Session]):
    """A session as a caller sees it."""

    user = serializers.CharField(source="user_name")
    organization = serializers.CharField(source="organization_name")
    console = serializers.SerializerMethodField(help_text="What a console was opened with; null for any other.")

    class Meta:
        model = Session
        fields = [
            "uid", "kind", "via", "state", "title", "command", "user", "organization", "stack_name", "service",
            "service_name", "namespace", "deployment_name", "pod_name", "container_name", "cols", "rows", "bytes_in",
            "bytes_out", "created_at", "started_at", "last_activity_at", "detach_expires_at", "detach_ttl_max",
            "detach_without_end", "ended_at", "end_reason", "end_detail", "exit_code", "cleanup", "console",
            "max_duration",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(ConsoleSerializer(allow_null=True))
    def get_console(self, session: Session) -> dict[str, Any] | None:
        return dict(ConsoleSerializer(session.console).data) if session.console else None


class OpenedSessionSerializer(SessionSerializer):
    """A session that was just requested, and how to connect to it."""

    websocket_url = serializers.CharField(read_only=True)
    ticket = serializers.CharField(read_only=True)

    class Meta(SessionSerializer.Meta):
        fields = [*SessionSerializer.Meta.fields, "websocket_url", "ticket"]
        read_only_fields = fields


class CommandField(serializers.ListField):
    """An argument vector. A string is split into words as a shell would, and nothing in it is run by one."""

    child = serializers.CharField(max_length=MAX_WORD, trim_whitespace=False, allow_blank=True)

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, str):
            try:
                data = shlex.split(data)
            except ValueError as error:
                raise serializers.ValidationError(f"The command cannot be split into words: {error}.") from error
        words: list[str] = super().to_internal_value(data)
        try:
            names.argv(words)
        except InvalidTarget as error:
            raise serializers.ValidationError(str(error)) from error
        return words


class NewSessionSerializer(serializers.Serializer[Any]):
    """What `POST sessions/` takes."""

    service = serializers.IntegerField(help_text="The service's id.")
    kind = serializers.ChoiceField(
        choices=[Kind.SHELL.value, Kind.EXEC.value, Kind.CONSOLE.value],
        required=False,
        default=Kind.SHELL.value,
        help_text="shell: in a running container. exec: a command there without a terminal, stdin, stdout and stderr "
        "apart. console: in a fresh container with its environment, gone afterwards.",
    )
    pod_name = serializers.RegexField(NAME, required=False, allow_blank=True)
    container_name = serializers.RegexField(NAME, required=False, allow_blank=True)
    command = CommandField(
        required=False,
        max_length=MAX_WORDS,
        help_text="Argument vector; empty: the best shell found. `exec` needs one.",
    )
    memory = serializers.FloatField(required=False, allow_null=True, help_text="Of a console: GB.")
    cpu = serializers.FloatField(required=False, allow_null=True, help_text="Of a console: CPUs, fractions too.")
    max_hours = serializers.FloatField(required=False, allow_null=True, help_text="Of a console: fractions too.")
    docker_tag = serializers.CharField(
        required=False, allow_blank=True, max_length=128, help_text="Of a console: another tag of its image."
    )
    image = serializers.CharField(
        required=False, allow_blank=True, max_length=500, help_text="Of a console: another image."
    )
    user = serializers.CharField(
        required=False, allow_blank=True, max_length=130, help_text="Of a console: a user of its image, or a number."
    )
    title = serializers.CharField(required=False, allow_blank=True, max_length=255)
    cols = serializers.IntegerField(required=False, min_value=1, max_value=MAX_COLS, default=80)
    rows = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ROWS, default=24)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = {name for name in CONSOLE_PARAMETERS if attrs.get(name) not in (None, "")}
        if attrs["kind"] != Kind.CONSOLE and given:
            raise serializers.ValidationError(dict.fromkeys(given, "Only a console takes this: say kind=console."))
        if attrs["kind"] == Kind.EXEC and not attrs.get("command"):
            raise serializers.ValidationError({"command": ["Say which command to run: an exec has no default one."]})
        return attrs


class ResizeSerializer(serializers.Serializer[Any]):
    """What `POST sessions/{uid}/resize/` takes."""

    cols = serializers.IntegerField(min_value=1, max_value=MAX_COLS)
    rows = serializers.IntegerField(min_value=1, max_value=MAX_ROWS)


@extend_schema_field({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "example": "30m"}]})
class TtlField(serializers.Field[int, Any, int, Any]):
    """A time to stay detached, as the protocol's `detach` takes it."""

    def to_internal_value(self, data: Any) -> int:
        try:
            return parse_ttl(data)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: int) -> int:
        return value


class DetachSerializer(serializers.Serializer[Any]):
    """What `POST sessions/{uid}/detach/` takes."""

    ttl = TtlField(
        required=False,
        allow_null=True,
        default=None,
        help_text="30m, 1h or seconds; 0 for no end, where the service allows it. Empty: the default, an hour.",
    )


class TerminateSerializer(serializers.Serializer[Any]):
    """What `POST sessions/{uid}/terminate/` takes."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=400, default="")


class TicketSerializer(serializers.Serializer[Any]):
    """A fresh ticket and where to present it."""

    ticket = serializers.CharField()
    websocket_url = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")


class ContainerSerializer(serializers.Serializer[Any]):
    """A container found live at the provider."""

    container_name = serializers.CharField()
    pod_name = serializers.CharField()
    namespace = serializers.CharField()
    deployment_name = serializers.CharField()
    image = serializers.CharField()
    state = serializers.CharField()
    ready = serializers.BooleanField()
    started_at = serializers.CharField()
    node = serializers.CharField()
    default = serializers.BooleanField()


class StreamSerializer(serializers.Serializer[Any]):
    """One row of the live table. `params`: `ttl` of a detached session, in seconds or null for no end; `state` of one
    that is starting or ending."""

    id = serializers.CharField()
    created = serializers.DateTimeField()
    duration = serializers.IntegerField(help_text="Seconds.")
    status = serializers.ChoiceField(choices=["ACTIVE", "DETACHED", "STOPPED"])
    bytes_in = serializers.IntegerField()
    bytes_out = serializers.IntegerField()
    params = serializers.DictField()
