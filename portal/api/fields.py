"""Fields and a base for the API's serializers."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.permissions import PERMISSIONS, Permission
from portal.querysets import AnyUser

M = TypeVar("M", bound=Model)

Access = Callable[[AnyUser, int, Permission], Model]


@extend_schema_field(OpenApiTypes.INT)
class AccessField(serializers.IntegerField):
    """The key of another row. It is fetched by an `access_*` function, so a row of another tenant is a 404."""

    def __init__(self, access: Access, permission: Permission = Permission.VIEW, **kwargs: Any) -> None:
        super().__init__(min_value=1, **kwargs)
        self._access = access
        self._permission = permission

    def get_attribute(self, instance: Model) -> Any:
        return getattr(instance, f"{self.source}_id")

    def run_validation(self, data: Any = serializers.empty) -> Any:
        key = super().run_validation(data)
        return self._access(self.context["request"].user, key, self._permission) if isinstance(key, int) else key


class PermissionsField(serializers.ListField):
    """A set of permissions, as a sorted list."""

    child = serializers.ChoiceField(choices=PERMISSIONS)

    def to_internal_value(self, data: Any) -> Any:
        return frozenset(Permission(word) for word in super().to_internal_value(data))

    def to_representation(self, data: Any) -> list[str]:
        return sorted(data)


class TenantSerializer(serializers.ModelSerializer[M]):
    """Strict: an unknown field is refused, and so is another value for one that never changes (`Meta.fixed`).

    It checks forms, not rules: those are the actions', in one place for API, pages and admin.
    """

    def get_validators(self) -> list[Any]:
        return []

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), "There is no such field."))
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None:
            for name in getattr(self.Meta, "fixed", ()):
                if name in attrs and attrs.pop(name) != getattr(self.instance, name):
                    raise serializers.ValidationError({name: "This never changes. Make a new one instead."})
        return attrs
