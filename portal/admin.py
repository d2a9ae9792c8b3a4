"""The tenants' world in the Django admin. Writes go through `portal.actions`, as everywhere."""

from typing import Any

import allauth.account.admin  # noqa: F401 - registers what is unregistered below
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from audit.events import Action, Actor
from portal import actions
from portal.actions.accounts import record_account_event
from portal.admin_base import ReadOnlyAdmin, TenantAdmin
from portal.admin_forms import ProviderForm, ServiceForm, StackForm
from portal.models import (
    ApiToken,
    Grant,
    Membership,
    Organization,
    Preferences,
    Provider,
    Service,
    Stack,
    Team,
    TeamMember,
)
from portal.permissions import Role
from portal.requests import actor_of

BY_ORGANIZATION = ("organization", admin.RelatedOnlyFieldListFilter)


@admin.register(Organization)
class OrganizationAdmin(TenantAdmin):
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    organization_path = "pk"
    superusers_only = ("add", "delete")

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        return actions.create_organization(actor=actor, **fields)

    def change_row(self, request: HttpRequest, actor: Actor, row: Any, changes: dict[str, Any]) -> None:
        actions.change_organization(actor=actor, organization=row, **changes)

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.delete_organization(actor=actor, organization=row)


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    """To be looked at here. Who may raise whom is a rule of the API; a superuser stands above it."""

    list_display = ["user", "organization", "role", "created_at"]
    list_filter = [BY_ORGANIZATION, "role"]
    list_select_related = ["organization", "user"]
    search_fields = ["user__username", "organization__name"]
    superusers_only = ("add", "change", "delete")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["organization", "user"] if obj else []

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        return actions.add_member(actor=actor, **(fields | {"role": Role(fields["role"])}))

    def change_row(self, request: HttpRequest, actor: Actor, row: Any, changes: dict[str, Any]) -> None:
        if "role" in changes:
            actions.change_member(actor=actor, membership=row, role=Role(changes["role"]))

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.remove_member(actor=actor, membership=row)


@admin.register(Team)
class TeamAdmin(TenantAdmin):
    list_display = ["name", "slug", "organization"]
    list_filter = [BY_ORGANIZATION]
    list_select_related = ["organization"]
    search_fields = ["name", "slug", "organization__name"]
    fields = ["organization", "slug", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["organization"] if obj else []

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        return actions.create_team(actor=actor, **fields)

    def change_row(self, request: HttpRequest, actor: Actor, row: Any, changes: dict[str, Any]) -> None:
        actions.change_team(actor=actor, team=row, **changes)

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.delete_team(actor=actor, team=row)


@admin.register(TeamMember)
class TeamMemberAdmin(TenantAdmin):
    list_display = ["membership", "team", "organization"]
    list_filter = [BY_ORGANIZATION, ("team", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["organization", "team", "membership__user", "membership__organization"]
    search_fields = ["team__name", "membership__user__username"]
    fields = ["team", "membership"]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        return actions.add_team_member(actor=actor, **fields)

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.remove_team_member(actor=actor, member=row)


@admin.register(Provider)
class ProviderAdmin(TenantAdmin):
    form = ProviderForm
    list_display = ["name", "slug", "kind", "organization", "changed_at"]
    list_filter = [BY_ORGANIZATION, "kind"]
    list_select_related = ["organization"]
    search_fields = ["name", "slug", "organization__name"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.operator = request.user.is_superuser  # type: ignore[attr-defined]
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["organization", "kind"] if obj else []

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        del fields["remove_credentials"]
        return actions.create_provider(actor=actor, operator=request.user.is_superuser, **fields)

    def change_row(self, request: HttpRequest, actor: Actor, row: Any, changes: dict[str, Any]) -> None:
        credentials = {} if changes.pop("remove_credentials", False) else changes.pop("credentials", None) or None
        changes.pop("credentials", None)
        operator = request.user.is_superuser
        actions.change_provider(actor=actor, provider=row, operator=operator, credentials=credentials, **changes)

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.delete_provider(actor=actor, provider=row)


@admin.register(Stack)
class StackAdmin(TenantAdmin):
    form = StackForm
    list_display = ["name", "slug", "namespace", "provider", "organization"]
    list_filter = [BY_ORGANIZATION, ("provider", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["organization", "provider"]
    search_fields = ["name", "slug", "namespace", "organization__name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["provider"] if obj else []

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        return actions.create_stack(actor=actor, **fields)

    def change_row(self, request: HttpRequest, actor: Actor, row: Any, changes: dict[str, Any]) -> None:
        actions.change_stack(actor=actor, stack=row, **changes)

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.delete_stack(actor=actor, stack=row)


@admin.register(Service)
class ServiceAdmin(TenantAdmin):
    form = ServiceForm
    list_display = ["name", "slug", "stack", "selector_kind", "selector", "organization"]
    list_filter = [BY_ORGANIZATION, "selector_kind"]
    list_select_related = ["organization", "stack__provider"]
    search_fields = ["name", "slug", "selector", "stack__name", "organization__name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["stack"] if obj else []

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        return actions.create_service(actor=actor, **fields)

    def change_row(self, request: HttpRequest, actor: Actor, row: Any, changes: dict[str, Any]) -> None:
        actions.change_service(actor=actor, service=row, **changes)

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.delete_service(actor=actor, service=row)


@admin.register(Grant)
class GrantAdmin(TenantAdmin):
    list_display = ["__str__", "organization", "expires_at", "created_at"]
    list_filter = [BY_ORGANIZATION, "role", "expires_at"]
    list_select_related = [
        "organization", "membership__user", "membership__organization", "team", "stack", "service", "created_by",
    ]  # fmt: skip
    search_fields = ["membership__user__username", "team__name", "stack__name", "service__name", "reason"]
    fixed = ("organization", "membership", "team", "role", "stack", "service")
    fields = (*fixed, "permissions", "reason", "expires_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return list(self.fixed) if obj else []

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        role = Role(fields["role"]) if fields["role"] else None
        return actions.grant(actor=actor, **(fields | {"role": role}))

    def change_row(self, request: HttpRequest, actor: Actor, row: Any, changes: dict[str, Any]) -> None:
        actions.change_grant(actor=actor, grant=row, **changes)

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.revoke(actor=actor, grant=row)


class _AccountsThings(ReadOnlyAdmin):
    """What belongs to an account and to no organization: superusers only."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.model._default_manager.all()
        return rows if self._allows(request) else rows.none()

    def _allows(self, request: HttpRequest, obj: Model | None = None, *, act: str = "view") -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False))


@admin.register(ApiToken)
class ApiTokenAdmin(_AccountsThings):
    """Deleting a token here revokes it; its row stays."""

    list_display = ["name", "prefix", "user", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username"]
    fields = ["user", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allows(request, obj)

    def delete_row(self, actor: Actor, row: Any) -> None:
        actions.revoke_api_token(actor=actor, token=row)


@admin.register(Preferences)
class PreferencesAdmin(_AccountsThings):
    list_display = ["user", "scrollback", "font_size"]
    list_select_related = ["user"]
    search_fields = ["user__username"]


# Registered by their own modules when these were imported above; nothing of ours uses groups or second addresses.
admin.site.unregister([Group, User, EmailAddress])


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]
    """Accounts: superusers only. Nobody is deleted, so that the record keeps meaning somebody: deactivate instead."""

    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("What the account may do", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    filter_horizontal = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        actor = actor_of(request)
        if not change:
            password = form.cleaned_data["password1"]
            created = actions.create_user(actor=actor, username=obj.username, password=password)
            obj.pk = created.pk
            return
        changed = {name: form.cleaned_data[name] for name in form.changed_data if name != "password"}
        active = changed.pop("is_active", None)
        actions.change_user(actor=actor, user=obj, **changed)
        if active is not None:
            (actions.reactivate_user if active else actions.deactivate_user)(actor=actor, user=obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Accounts have no groups here."""

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Django's own form, with the event that every change leaves."""
        with transaction.atomic():
            before = dict(User.objects.filter(pk=id).values_list("pk", "password"))
            response = super().user_change_password(request, id, form_url)
            for user in User.objects.filter(pk__in=before):
                if user.password != before[user.pk]:
                    detail = {"after": {"sign_in": "password changed"}}
                    record_account_event(user=user, action=Action.CHANGED, actor=actor_of(request), detail=detail)
        return response
