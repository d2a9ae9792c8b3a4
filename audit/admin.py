"""The record in the Django admin: to look at, for staff who hold `audit`; nothing here can be changed."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse

from audit.events import Action
from audit.models import Chain, ChainHead, Event, Recording
from portal.admin_base import ReadOnlyAdmin
from portal.models import Organization
from portal.permissions import Permission

BY_ORGANIZATION = ("organization", admin.RelatedOnlyFieldListFilter)


def _name_of_organization() -> Subquery:
    """For rows that outlive the organization: its name while it is there."""
    return Subquery(Organization.objects.filter(pk=OuterRef("organization")).values("name")[:1])


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
    change_list_template = "admin/audit/event/change_list.html"
    list_display = [
        "at",
        "sequence",
        "action",
        "actor_name",
        "target_type",
        "target_name",
        "session_uid",
        "organization_name",
    ]
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
        "sequence",
        "previous_hash",
        "hash",
    ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under a line on the chains of the organizations that the staff user sees."""
        chains = ChainAdmin(Chain, self.admin_site).get_queryset(request)
        heads = ChainHeadAdmin(ChainHead, self.admin_site).get_queryset(request)
        status = chains.aggregate(chains=Count("pk"), events=Sum("length"))
        status |= heads.aggregate(signed_at=Max("signed_at"))
        return super().changelist_view(request, (extra_context or {}) | {"chain_status": status})


@admin.register(Chain)
class ChainAdmin(ReadOnlyAdmin):
    """How far each organization's events go, and how much of it is signed."""

    permission = Permission.AUDIT
    list_display = ["organization_name", "length", "head", "signed"]
    fields = ["organization_name", "length", "head", "signed"]
    readonly_fields = ["organization_name", "signed"]
    ordering = ["id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = ChainHead.objects.newest_of(OuterRef("organization")).values("sequence")[:1]
        extra = {"organization_name": _name_of_organization(), "signed": Subquery(newest)}
        rows: QuerySet[Any] = super().get_queryset(request).annotate(**extra)
        return rows

    @admin.display(description="organization")
    def organization_name(self, chain: Any) -> str:
        """From the list's own query; the chain of events without organization has none."""
        return chain.organization_name or "-"

    @admin.display(description="signed up to")
    def signed(self, chain: Any) -> int:
        """The last event that a signed head covers."""
        return chain.signed or 0


@admin.register(ChainHead)
class ChainHeadAdmin(ReadOnlyAdmin):
    """What was signed, and when."""

    permission = Permission.AUDIT
    list_display = ["signed_at", "organization_name", "sequence", "hash"]
    list_filter = [BY_ORGANIZATION]
    date_hierarchy = "signed_at"
    ordering = ["-id"]
    show_full_result_count = False
    fields = ["organization_name", "sequence", "hash", "signed_at", "public_key", "signature"]
    readonly_fields = ["organization_name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(organization_name=_name_of_organization())
        return rows

    @admin.display(description="organization")
    def organization_name(self, head: Any) -> str:
        """From the list's own query."""
        return head.organization_name or "-"


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
        "reviewed_by",
        "flagged_by",
        "held_by",
    ]
    list_filter = [
        "health",
        ("reviewed_at", admin.EmptyFieldListFilter),
        ("flagged_at", admin.EmptyFieldListFilter),
        ("held_at", admin.EmptyFieldListFilter),
        BY_ORGANIZATION,
    ]
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
        "deleted_at",
        "retention_days",
        "held_at",
        "held_by",
        "hold_reason",
        "reviewed_at",
        "reviewed_by",
        "review_note",
        "flagged_at",
        "flagged_by",
        "flag_note",
        "node",
        "path",
    ]
    readonly_fields = ["organization_name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(organization_name=_name_of_organization())
        return rows

    @admin.display(description="organization")
    def organization_name(self, recording: Any) -> str:
        """From the list's own query; empty once the organization is deleted."""
        return recording.organization_name or ""
