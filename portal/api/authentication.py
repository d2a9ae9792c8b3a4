"""Who calls the API: a personal API token, a JWT, or a signed-in page. Only headers count, never the address."""

from typing import Any

import jwt
from django.contrib.auth.models import User
from django.utils.crypto import constant_time_compare
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import RefreshToken, Token

from portal.actions import touch_api_token
from portal.actions.accounts import TOKEN_PREFIX, digest_of
from portal.models import ApiToken

LOGIN_CLAIM = "login"
"""Holds a keyed hash of the password's hash: a new password ends every token made before it."""

CHALLENGE = 'Bearer realm="api"'
REFUSED = "The token is not valid. It may have expired or been revoked: sign in again or make a new one."


def refresh_token_for(user: User) -> RefreshToken:
    """A refresh token; its `access_token` carries the same claims."""
    token = RefreshToken.for_user(user)
    token[LOGIN_CLAIM] = user.get_session_auth_hash()
    return token


def user_of(token: Token) -> User:
    """The token's user, if the account is active and has the password it had. Raises `AuthenticationFailed`."""
    subject = str(token.get("sub", ""))
    user = User.objects.filter(pk=int(subject), is_active=True).first() if subject.isdecimal() else None
    if user is None or not constant_time_compare(str(token.get(LOGIN_CLAIM, "")), user.get_session_auth_hash()):
        raise AuthenticationFailed(REFUSED)
    return user


def refuse_odd_header(raw: bytes | str) -> None:
    """Refuse a JWT whose header says more than ours do: another algorithm, or where to find a key."""
    try:
        header = jwt.get_unverified_header(raw)
    except jwt.InvalidTokenError as error:
        raise AuthenticationFailed(REFUSED) from error
    if header.get("alg") != "HS256" or not set(header) <= {"alg", "typ"}:
        raise AuthenticationFailed(REFUSED)


class ApiTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer pht_…`"""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).split()
        if len(words) != 2 or words[0].lower() != b"bearer" or not words[1].startswith(TOKEN_PREFIX.encode()):
            return None
        digest = digest_of(words[1].decode("latin-1"))
        token = ApiToken.objects.usable().select_related("user").filter(digest=digest).first()
        if token is None:
            raise AuthenticationFailed(REFUSED)
        touch_api_token(token=token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class AccessTokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <JWT from auth/token/>`"""

    def get_validated_token(self, raw_token: bytes) -> Token:
        refuse_odd_header(raw_token)
        try:
            return super().get_validated_token(raw_token)
        except InvalidToken as error:
            raise AuthenticationFailed(REFUSED) from error

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        return user_of(validated_token)


class PageAuthentication(SessionAuthentication):
    """The cookie of a signed-in page, with its CSRF token for anything that changes."""


class _ApiTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = ApiTokenAuthentication
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "pht_…", "description": "A personal API token."}


class _AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = AccessTokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From `auth/token/`."}


class _PageScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = PageAuthentication
    name = "page"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "porthole_session"}
