"""Organizations, providers, stacks and services over the API."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from portal import actions
from portal.access import access_organization, access_provider, access_service, access_stack
from portal.actions.places import SELECTION_FIELDS
from portal.api.base import Change, Create, Delete
from portal.api.serializers import OrganizationSerializer, ProviderSerializer, ServiceSerializer, StackSerializer
from portal.models import Organization, Provider, Service, Stack
from portal.permissions import Permission


def _needed(manage: bool) -> Permission:
    return Permission.MANAGE if manage else Permission.VIEW


class OrganizationViewSet(Change[Organization]):
    """The caller's organizations. They are made and deleted by whoever runs the installation."""

    serializer_class = OrganizationSerializer

    def get_queryset(self) -> QuerySet[Organization]:
        return Organization.objects.visible_to(self.request.user).order_by("name", "pk")

    def fetch(self, pk: int, *, manage: bool = False) -> Organization:
        return access_organization(self.request.user, pk, _needed(manage))

    def change_row(self, row: Organization, changes: dict[str, Any]) -> Organization:
        return actions.change_organization(actor=self.actor, organization=row, **changes)


class ProviderViewSet(Create[Provider], Change[Provider], Delete[Provider]):
    """Places where containers run. Addresses are shown to those with `manage`; credentials to nobody."""

    serializer_class = ProviderSerializer

    def get_queryset(self) -> QuerySet[Provider]:
        user = self.request.user
        rows = Provider.objects.visible_to(user).with_permissions(user, Permission.MANAGE)
        return rows.order_by("organization__name", "name", "pk")

    def fetch(self, pk: int, *, manage: bool = False) -> Provider:
        return access_provider(self.request.user, pk, _needed(manage))

    def create_row(self, **fields: Any) -> Provider:
        return actions.create_provider(actor=self.actor, **fields)

    def change_row(self, row: Provider, changes: dict[str, Any]) -> Provider:
        credentials = changes.pop("credentials", None)
        return actions.change_provider(actor=self.actor, provider=row, credentials=credentials, **changes)

    def delete_row(self, row: Provider) -> None:
        actions.delete_provider(actor=self.actor, provider=row)


class StackViewSet(Create[Stack], Change[Stack], Delete[Stack]):
    """Deployed applications. To make, move or delete one takes `manage` on the organization."""

    serializer_class = StackSerializer
    filterset = ("organization",)

    def get_queryset(self) -> QuerySet[Stack]:
        rows = Stack.objects.visible_to(self.request.user).select_related("provider")
        return rows.order_by("organization__name", "name", "pk")

    def fetch(self, pk: int, *, manage: bool = False) -> Stack:
        stack = access_stack(self.request.user, pk)
        if manage:
            access_organization(self.request.user, stack.organization_id, Permission.MANAGE)
        return stack

    def create_row(self, **fields: Any) -> Stack:
        return actions.create_stack(actor=self.actor, **fields)

    def change_row(self, row: Stack, changes: dict[str, Any]) -> Stack:
        return actions.change_stack(actor=self.actor, stack=row, **changes)

    def delete_row(self, row: Stack) -> None:
        actions.delete_stack(actor=self.actor, stack=row)


class ServiceViewSet(Create[Service], Change[Service], Delete[Service]):
    """Parts of a stack. Who manages one service may change its policy; what it selects takes `manage` on the stack."""

    serializer_class = ServiceSerializer

    def get_queryset(self) -> QuerySet[Service]:
        user = self.request.user
        rows = Service.objects.visible_to(user).with_permissions(user, *Permission).select_related("stack")
        if stack := self.request.query_params.get("stack"):
            if not stack.isdecimal():
                raise serializers.ValidationError({"stack": "Give the stack's number."})
            rows = rows.filter(stack=int(stack))
        return rows.order_by("stack__name", "name", "pk")

    def fetch(self, pk: int, *, manage: bool = False) -> Service:
        return access_service(self.request.user, pk, _needed(manage))

    def create_row(self, **fields: Any) -> Service:
        return actions.create_service(actor=self.actor, **fields)

    def change_row(self, row: Service, changes: dict[str, Any]) -> Service:
        if SELECTION_FIELDS & set(changes):
            access_stack(self.request.user, row.stack_id, Permission.MANAGE)
        return actions.change_service(actor=self.actor, service=row, **changes)

    def delete_row(self, row: Service) -> None:
        access_stack(self.request.user, row.stack_id, Permission.MANAGE)
        actions.delete_service(actor=self.actor, service=row)
