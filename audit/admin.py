"""The record in the Django admin: to look at, for staff who hold `audit`; nothing here can be changed."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from audit.events import Action
from audit.models import Event, Recording
from portal.admin_base import ReadOnlyAdmin
from portal.models import Organization
from portal.permissions import Permission

BY_ORGANIZATION = ("organization", admin.RelatedOnlyFieldListFilter)


class ActionFilter(admin.SimpleListFilter):
    """By action, from the closed set: no scan of the table to find which there are."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [(action.value, action.value) for action in Action]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    permission = Permission.AUDIT
    list_display = ["at", "action", "actor_name", "target_type", "target_name", "session_uid", "organization_name"]
    list_filter = [ActionFilter, BY_ORGANIZATION]
    search_fields = ["actor_name", "target_name", "target_id", "session_uid", "client_address"]
    date_hierarchy = "at"
    ordering = ["-id"]
    show_full_result_count = False
    # Not `organization`: the row outlives the organization it names.
    fields = [
        "at",
        "action",
        "organization_name",
        "actor_id",
        "actor_name",
        "client_address",
        "client_agent",
        "target_type",
        "target_id",
        "target_name",
        "session_uid",
        "detail",
    ]


@admin.register(Recording)
class RecordingAdmin(ReadOnlyAdmin):
    permission = Permission.AUDIT
    list_display = [
        "session_uid",
        "health",
        "service_name",
        "user_name",
        "organization_name",
        "started_at",
        "duration",
        "output_bytes",
    ]
    list_filter = ["health", BY_ORGANIZATION]
    search_fields = ["session_uid", "title", "user_name", "service_name"]
    date_hierarchy = "started_at"
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "session_uid",
        "organization_name",
        "title",
        "user_name",
        "service_name",
        "health",
        "health_detail",
        "started_at",
        "sealed_at",
        "duration",
        "output_bytes",
        "gap_bytes",
        "output_sha256",
        "timeline_sha256",
        "node",
        "path",
    ]
    readonly_fields = ["organization_name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        name = Organization.objects.filter(pk=OuterRef("organization")).values("name")[:1]
        rows: QuerySet[Any] = super().get_queryset(request).annotate(organization_name=Subquery(name))
        return rows

    @admin.display(description="organization")
    def organization_name(self, recording: Any) -> str:
        """From the list's own query; empty once the organization is deleted."""
        return recording.organization_name or ""
