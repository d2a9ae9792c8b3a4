"""`auth/device/`: a program is signed in by a browser, without ever seeing a password."""

from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

from audit.events import Actor
from portal import actions, devices
from portal.api.permissions import Scopes
from portal.api.signin import OpenView
from portal.models import ApiToken
from portal.permissions import Permission
from portal.requests import AGENT_LENGTH, actor_of, client_address


class NewDeviceSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60, help_text="What asks, and on which machine: the person sees it.")


class DeviceSerializer(serializers.Serializer[Any]):
    device_code = serializers.CharField(help_text="The program's secret: by it alone it asks for the token.")
    user_code = serializers.CharField(help_text="What the person confirms.")
    verification_uri = serializers.CharField()
    verification_uri_complete = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
    interval = serializers.IntegerField(help_text="Seconds to wait between two questions.")


class DeviceCodeSerializer(serializers.Serializer[Any]):
    device_code = serializers.CharField(max_length=100)


class DeviceTokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField()
    username = serializers.CharField()
    expires_at = serializers.DateTimeField()


class DeviceThrottle(AnonRateThrottle):
    """Each begins something that a person is to look at."""

    scope = "device"
    rate = "20/min"


class DeviceView(OpenView):
    """Ask for a code to show to the person; it is good for ten minutes."""

    throttle_classes = [DeviceThrottle]

    @extend_schema(request=NewDeviceSerializer, responses=DeviceSerializer, operation_id="device_begin")
    def post(self, request: Request) -> Response:
        asked = NewDeviceSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        secret, asking = devices.begin(name=asked.validated_data["name"], address=client_address(request))
        page = request.build_absolute_uri(reverse("device"))
        code = devices.shown(asking.code)
        return Response(
            {
                "device_code": secret,
                "user_code": code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?code={code}",
                "expires_in": devices.LIFETIME,
                "interval": devices.INTERVAL,
            }
        )


class DeviceTokenView(OpenView):
    """Ask for the token: a personal API token of the account that confirmed. 400 `authorization_pending` until then."""

    @extend_schema(request=DeviceCodeSerializer, responses=DeviceTokenSerializer, operation_id="device_token")
    def post(self, request: Request) -> Response:
        asked = DeviceCodeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with devices.taking(asked.validated_data["device_code"]) as (decision, asking):
            user = User.objects.filter(pk=decision.user_id, is_active=True).first()
            if user is None:
                raise devices.NotGiven
            agent = request.META.get("HTTP_USER_AGENT", "")[:AGENT_LENGTH]
            actor = Actor(str(user.pk), user.get_username(), client_address(request), agent)
            token, secret = actions.create_api_token(
                actor=actor, user=user, name=asking.name, scopes=devices.SCOPES,
                expires_at=timezone.now() + devices.TOKEN_LIFETIME, confirmed_from=decision.address,
            )  # fmt: skip
        return Response({"token": secret, "username": user.get_username(), "expires_at": token.expires_at})


class RevokeView(APIView):
    """End the API token that this request is made with."""

    scopes: Scopes = {"POST": Permission.VIEW}

    @extend_schema(request=None, responses={204: None}, operation_id="token_revoke")
    def post(self, request: Request) -> Response:
        if not isinstance(request.auth, ApiToken):
            raise ValidationError({"token": ["Only a personal API token can be revoked so. Send the request with it."]})
        actions.revoke_api_token(actor=actor_of(request), token=request.auth)
        return Response(status=status.HTTP_204_NO_CONTENT)
