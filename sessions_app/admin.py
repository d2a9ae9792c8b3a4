"""Sessions in the Django admin: to look at, and to end; nothing can be added, changed or deleted."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from portal.admin_base import TenantAdmin
from portal.permissions import Permission
from portal.requests import actor_of
from sessions_app import actions
from sessions_app.models import Session
from sessions_app.querysets import SessionQuerySet
from sessions_app.words import EndReason


@admin.register(Session)
class SessionAdmin(TenantAdmin):
    """Sessions of the organizations that the staff user audits; all of them for a superuser. To look at, and to end."""

    permission = Permission.AUDIT
    list_display = ["uid", "page", "user_name", "organization_name", "service_name", "kind", "state", "created_at",
                    "ended_at", "end_reason", "bytes_in", "bytes_out"]  # fmt: skip
    list_filter = ["state", "kind", "via", "end_reason", ("organization", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["uid", "user_name", "service_name", "pod_name", "container_name", "title"]
    date_hierarchy = "created_at"
    list_select_related = ["organization"]
    actions = ["end_sessions"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="record")
    def page(self, session: Session) -> str:
        """A link to the session's page with its player."""
        return format_html('<a href="{}">open</a>', reverse("session_detail", args=[session.uid]))

    @admin.action(description="End the selected sessions", permissions=["view"])
    def end_sessions(self, request: HttpRequest, queryset: SessionQuerySet) -> None:
        """Ends those on whose service the staff user holds `terminate`, and says how many that were."""
        chosen = queryset.live()
        allowed = chosen.allowing(cast(User, request.user), Permission.TERMINATE).select_related("organization")
        ended = sum(
            actions.request_end(
                session=session,
                reason=EndReason.TERMINATED,
                actor=actor_of(request),
                detail=f"{request.user.get_username()} ended it.",
            )
            for session in allowed
        )
        refused = chosen.count() - ended
        self.message_user(request, f"{ended} sessions are being ended.", messages.SUCCESS)
        if refused > 0:
            detail = f"{refused} were left: they are ending already, or you lack the permission to terminate there."
            self.message_user(request, detail, messages.WARNING)
