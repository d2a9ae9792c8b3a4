"""`auth/token/` and `auth/token/refresh/`: JWTs for programs, under the same limits as the sign-in page."""

from allauth.account.adapter import get_adapter
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from portal.api.authentication import CHALLENGE, LOGIN_CLAIM, REFUSED, refresh_token_for, refuse_odd_header, user_of
from portal.api.permissions import PEOPLE_ONLY, READ, Scopes
from portal.signin import record_signed_in


class CredentialsSerializer(serializers.Serializer[User]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True)


class RefreshSerializer(serializers.Serializer[User]):
    refresh = serializers.CharField(max_length=4096)


class TokensSerializer(serializers.Serializer[User]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class AccessSerializer(serializers.Serializer[User]):
    access = serializers.CharField()


class MeSerializer(serializers.Serializer[User]):
    username = serializers.CharField()


class OpenView(APIView):
    """Asks nobody who they are, and still says 401 where what they bring is no good."""

    authentication_classes = []
    permission_classes = [AllowAny]
    scopes = PEOPLE_ONLY

    def get_authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class TokenView(OpenView):
    """A name and a password for an access token (15 minutes) and a refresh token (12 hours)."""

    @extend_schema(request=CredentialsSerializer, responses=TokensSerializer, operation_id="sign_in")
    def post(self, request: Request) -> Response:
        credentials = CredentialsSerializer(data=request.data)
        credentials.is_valid(raise_exception=True)
        plain = request._request
        try:
            user = get_adapter(plain).authenticate(plain, **credentials.validated_data)
        except ValidationError as error:
            raise Throttled(detail="Too many failed sign-ins. Wait five minutes and try again.") from error
        if user is None:
            raise AuthenticationFailed("The name or the password is wrong.")
        record_signed_in(request, user, via="api")
        refresh = refresh_token_for(user)
        return Response({"access": str(refresh.access_token), "refresh": str(refresh)})


class RefreshView(OpenView):
    """A refresh token for another access token, while the account is active and its password the same."""

    @extend_schema(request=RefreshSerializer, responses=AccessSerializer, operation_id="refresh_sign_in")
    def post(self, request: Request) -> Response:
        body = RefreshSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        raw = body.validated_data["refresh"]
        refuse_odd_header(raw)
        try:
            refresh = RefreshToken(raw)
        except TokenError as error:
            raise AuthenticationFailed(REFUSED) from error
        access = refresh.access_token
        access[LOGIN_CLAIM] = user_of(refresh).get_session_auth_hash()
        return Response({"access": str(access)})


class MeView(APIView):
    """Who the caller is."""

    scopes: Scopes = READ

    @extend_schema(responses=MeSerializer, operation_id="who_am_i")
    def get(self, request: Request) -> Response:
        return Response({"username": request.user.get_username()})
