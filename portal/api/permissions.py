"""What a personal API token may be used for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from portal.models import ApiToken
from portal.permissions import Permission

if TYPE_CHECKING:  # DRF's views import this file by the settings' word for it
    from rest_framework.views import APIView

Scopes = Mapping[str, Permission]
"""What each HTTP method of a view takes from a token. A method that is not named is closed to tokens."""

READ: Scopes = {"GET": Permission.VIEW}
MANAGE: Scopes = {
    "GET": Permission.VIEW,
    "POST": Permission.MANAGE,
    "PATCH": Permission.MANAGE,
    "DELETE": Permission.MANAGE,
}
PEOPLE_ONLY: Scopes = {}
"""Closed to API tokens: a token must not make another."""


class TokenHasScope(BasePermission):
    """Each view declares `scopes`. A token without the one needed is refused; so is any where none is declared.

    Any scope implies `view`, as any grant does. Scopes narrow: what the token's owner may not do, it may not either.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        token: Any = request.auth
        if not isinstance(token, ApiToken):
            return True
        scopes: Scopes = getattr(view, "scopes", PEOPLE_ONLY)
        needed = scopes.get("GET" if request.method == "HEAD" else request.method or "")
        if needed is None:
            raise PermissionDenied("This cannot be done with an API token. Sign in instead.")
        require_scope(token, needed)
        return True


def require_scope(auth: Any, needed: Permission) -> None:
    """Raise `PermissionDenied` if `auth` (a request's) is an API token without this scope."""
    if isinstance(auth, ApiToken) and needed is not Permission.VIEW and needed not in auth.scopes:
        raise PermissionDenied(f'This API token lacks the scope "{needed}". Make one that has it.')
