"""The tenants' world as JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.access import (
    access_membership,
    access_organization,
    access_provider,
    access_service,
    access_stack,
    access_team,
)
from portal.api.fields import AccessField, PermissionsField, TenantSerializer
from portal.models import ApiToken, Grant, Membership, Organization, Provider, Service, Stack, Team, TeamMember
from portal.permissions import PERMISSIONS, Permission, Role

POLICY = (
    "session_limit",
    "idle_timeout",
    "max_duration",
    "reconnect_grace",
    "detach_ttl_max",
    "detach_without_end",
    "recording_mode",
    "record_input",
)
CONSOLES = (
    "console_memory",
    "console_memory_max",
    "console_cpu",
    "console_cpu_max",
    "console_hours",
    "console_hours_max",
    "console_image",
    "console_allow_tag",
    "console_allow_image",
    "console_allow_user",
)
ROLES = [role.value for role in Role]


class OrganizationSerializer(TenantSerializer[Organization]):
    class Meta:
        model = Organization
        fields = ("id", "slug", "name", "created_at", *POLICY, "retention_days", "redaction_patterns")
        read_only_fields = ("created_at",)


class ProviderSerializer(TenantSerializer[Provider]):
    """`options` is shown to those with `manage` alone; credentials go in and never come out."""

    organization = AccessField(access_organization, Permission.MANAGE)
    options = serializers.DictField(required=False)
    credentials = serializers.DictField(
        write_only=True,
        required=False,
        help_text="Replaces all credentials. Docker: ca, cert, key. Kubernetes: kubeconfig, or token and ca.",
    )
    has_credentials = serializers.SerializerMethodField()

    class Meta:
        model = Provider
        fields = (
            "id", "organization", "slug", "name", "kind", "options", "credentials", "has_credentials", "changed_at",
        )  # fmt: skip
        read_only_fields = ("changed_at",)
        fixed = ("organization", "kind")

    def get_has_credentials(self, provider: Provider) -> bool:
        return bool(provider.sealed_credentials)

    def to_representation(self, instance: Provider) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if not getattr(instance, "may_manage", False):
            for name in ("options", "has_credentials", "changed_at"):
                shown.pop(name)
        return shown


class StackSerializer(TenantSerializer[Stack]):
    organization = serializers.PrimaryKeyRelatedField[Organization](read_only=True)
    provider = AccessField(access_provider, Permission.MANAGE)
    provider_kind = serializers.CharField(source="provider.kind", read_only=True)

    class Meta:
        model = Stack
        fields = ("id", "organization", "provider", "provider_kind", "slug", "name", "namespace")
        fixed = ("provider",)


class ServiceSerializer(TenantSerializer[Service]):
    organization = serializers.PrimaryKeyRelatedField[Organization](read_only=True)
    stack = AccessField(access_stack, Permission.MANAGE)
    stack_slug = serializers.CharField(source="stack.slug", read_only=True)
    stack_name = serializers.CharField(source="stack.name", read_only=True)
    default_command = serializers.ListField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False), required=False
    )
    permissions = serializers.SerializerMethodField(help_text="What the caller may do here.")

    class Meta:
        model = Service
        fields = (
            "id", "organization", "stack", "stack_slug", "stack_name", "slug", "name", "selector_kind", "selector",
            "container_name", "default_command", "permissions", *POLICY, *CONSOLES,
        )  # fmt: skip
        fixed = ("stack",)

    @extend_schema_field(PermissionsField)
    def get_permissions(self, service: Service) -> list[str]:
        return sorted(word for word in PERMISSIONS if getattr(service, f"may_{word}", False))


class MembershipSerializer(TenantSerializer[Membership]):
    organization = AccessField(access_organization, Permission.MANAGE)
    username = serializers.CharField(source="user.username", max_length=150)
    role = serializers.ChoiceField(choices=ROLES)

    class Meta:
        model = Membership
        fields = ("id", "organization", "username", "role", "created_at")
        read_only_fields = ("created_at",)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None and set(attrs) - {"role"}:
            raise serializers.ValidationError("Only the role of a member changes.")
        return attrs


class TeamSerializer(TenantSerializer[Team]):
    organization = AccessField(access_organization, Permission.MANAGE)

    class Meta:
        model = Team
        fields = ("id", "organization", "slug", "name")
        fixed = ("organization",)


class TeamMemberSerializer(TenantSerializer[TeamMember]):
    membership = AccessField(access_membership)
    username = serializers.CharField(source="membership.user.username", read_only=True)

    class Meta:
        model = TeamMember
        fields = ("membership", "username")


class GrantSerializer(TenantSerializer[Grant]):
    organization = AccessField(access_organization, Permission.MANAGE)
    membership = AccessField(access_membership, required=False, allow_null=True)
    team = AccessField(access_team, required=False, allow_null=True)
    role = serializers.ChoiceField(choices=ROLES, required=False, allow_blank=True)
    stack = AccessField(access_stack, required=False, allow_null=True)
    service = AccessField(access_service, required=False, allow_null=True)
    permissions = PermissionsField(allow_empty=False)
    created_by = serializers.CharField(source="created_by.username", read_only=True, default="")

    class Meta:
        model = Grant
        fields = (
            "id", "organization", "membership", "team", "role", "stack", "service", "permissions", "reason",
            "expires_at", "created_at", "created_by",
        )  # fmt: skip
        read_only_fields = ("created_at",)
        fixed = ("organization", "membership", "team", "role", "stack", "service")


class ApiTokenSerializer(TenantSerializer[ApiToken]):
    scopes = PermissionsField(allow_empty=False)

    class Meta:
        model = ApiToken
        fields = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
        read_only_fields = ("prefix", "created_at", "last_used_at", "revoked_at")


class NewApiTokenSerializer(ApiTokenSerializer):
    """A token as it is shown this once."""

    token = serializers.CharField(read_only=True)

    class Meta(ApiTokenSerializer.Meta):
        fields = (*ApiTokenSerializer.Meta.fields, "token")  # type: ignore[assignment]
