"""The Django admin's shape of the tenants' world: scoped to what the staff user manages, written by actions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from audit.events import Actor
from portal.actions.rows import organization_of
from portal.models import Organization
from portal.permissions import Permission
from portal.requests import actor_of

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin  # generic for the type checker only


def managed_by(user: Any, permission: Permission = Permission.MANAGE) -> QuerySet[Organization]:
    """The organizations that a staff user sees in the admin; a superuser sees all of them there."""
    return Organization.objects.all() if user.is_superuser else Organization.objects.allowing(user, permission)


class TenantAdmin(_ModelAdmin):
    """Rows of the organizations that the staff user manages.

    Django's own model permissions are not asked: who may manage an organization is one question with one answer. A
    subclass writes by `create_row`, `change_row` and `delete_row`, which call actions.
    """

    organization_path = "organization"
    permission = Permission.MANAGE
    superusers_only: Sequence[str] = ()
    """Of "add", "change" and "delete": what is not for staff who manage an organization."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if cast(User, request.user).is_superuser:
            return rows
        return rows.filter(**{f"{self.organization_path}__in": managed_by(request.user, self.permission)})

    def formfield_for_foreignkey(self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        related = self.admin_site._registry.get(db_field.related_model)
        if isinstance(related, TenantAdmin):
            rows = related.get_queryset(request)
            kwargs["queryset"] = rows.select_related(*related.list_select_related or ())  # type: ignore[misc]
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._allows(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allows(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._allows(request, act="add")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allows(request, obj, act="change")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allows(request, obj, act="delete")

    def _allows(self, request: HttpRequest, obj: Model | None = None, *, act: str = "view") -> bool:
        user = request.user
        if not isinstance(user, User) or not user.is_active or not user.is_staff:
            return False
        if user.is_superuser:
            return True
        if act in self.superusers_only:
            return False
        organizations = managed_by(user, self.permission)
        organization = organization_of(obj) if obj is not None else None
        if organization is not None and organization.pk is not None:
            organizations = organizations.filter(pk=organization.pk)
        return organizations.exists()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """An action that refuses says why, above the form, and nothing is written."""
        try:
            with transaction.atomic():
                return super().changeform_view(request, *args, **kwargs)
        except ValidationError as error:
            return self._refused(request, error)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().delete_view(request, *args, **kwargs)
        except ValidationError as error:
            return self._refused(request, error)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Each row of a bulk action stands for itself: one transaction of several acts would lock the audit chain and
        then more rows, and could wait for somebody who waits for the chain.
        """
        try:
            return super().changelist_view(request, *args, **kwargs)
        except ValidationError as error:
            return self._refused(request, error)

    def _refused(self, request: HttpRequest, error: ValidationError) -> HttpResponse:
        for sentence in error.messages:
            self.message_user(request, sentence, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Model, form: "ModelForm[Any]", change: bool) -> None:
        actor = actor_of(request)
        given = {name: form.cleaned_data[name] for name in form.fields if name in form.cleaned_data}
        if change:
            current = self.get_queryset(request).get(pk=obj.pk)
            changed = {name: value for name, value in given.items() if name in form.changed_data}
            self.change_row(request, actor, current, changed)
        else:
            obj.pk = self.create_row(request, actor, given).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing hangs on a form here: each model has a page of its own."""

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self.delete_row(actor_of(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_row(actor_of(request), row)

    def create_row(self, request: HttpRequest, actor: Actor, fields: dict[str, Any]) -> Model:
        """Make the row by an action."""
        raise NotImplementedError

    def change_row(self, request: HttpRequest, actor: Actor, row: Any, changes: dict[str, Any]) -> None:
        """Change the row by an action."""
        raise NotImplementedError

    def delete_row(self, actor: Actor, row: Any) -> None:
        """Delete the row by an action."""
        raise NotImplementedError


class ReadOnlyAdmin(TenantAdmin):
    """Rows that are looked at here and changed elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
