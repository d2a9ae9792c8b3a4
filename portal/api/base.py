"""What the API's views of the tenants' world share."""

from typing import Any, TypeVar, cast

from django.contrib.auth.models import User
from django.db.models import Model
from rest_framework import mixins, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from audit.events import Actor
from portal.api.permissions import MANAGE, Scopes
from portal.requests import actor_of

M = TypeVar("M", bound=Model)


class TenantViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[M]):
    """Lists what is visible, fetches by `access_*`, writes by actions.

    A subclass has `get_queryset` (visible rows, in a stable order), `fetch` (one row or 404 or 403), and `create_row`,
    `change_row`, `delete_row` for what it lets be written.
    """

    scopes: Scopes = MANAGE
    http_method_names = ["get", "head", "post", "patch", "delete"]
    lookup_value_converter = "int"

    @property
    def user(self) -> User:
        return cast(User, self.request.user)

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)

    def shown(self, row: M) -> dict[str, Any]:
        """The row as a list shows it, with what `get_queryset` adds to it."""
        return dict(self.get_serializer(self.get_queryset().get(pk=row.pk)).data)

    def checked(self, request: Request, row: M | None = None) -> dict[str, Any]:
        """The body, valid in form."""
        serializer: BaseSerializer[M] = self.get_serializer(row, data=request.data, partial=row is not None)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class Retrieve(TenantViewSet[M]):
    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(self.shown(self.fetch(pk)))

    def fetch(self, pk: int, *, manage: bool = False) -> M:
        """The row, by its `access_*`; to change it where `manage` is asked."""
        raise NotImplementedError


class Create(TenantViewSet[M]):
    def create(self, request: Request) -> Response:
        return Response(self.shown(self.create_row(**self.checked(request))), status=status.HTTP_201_CREATED)

    def create_row(self, **fields: Any) -> M:
        """Make the row by an action."""
        raise NotImplementedError


class Change(Retrieve[M]):
    def partial_update(self, request: Request, pk: int) -> Response:
        row = self.fetch(pk, manage=True)
        return Response(self.shown(self.change_row(row, self.checked(request, row))))

    def change_row(self, row: M, changes: dict[str, Any]) -> M:
        """Change the row by an action."""
        raise NotImplementedError


class Delete(Retrieve[M]):
    def destroy(self, request: Request, pk: int) -> Response:
        self.delete_row(self.fetch(pk, manage=True))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def delete_row(self, row: M) -> None:
        """Delete the row by an action."""
        raise NotImplementedError
