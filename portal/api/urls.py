"""Addresses of the tenants' world under /api/v1/."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from portal.api import people, places
from portal.api.devices import DeviceTokenView, DeviceView, RevokeView
from portal.api.docs import DocsView, SchemaView
from portal.api.signin import MeView, RefreshView, TokenView

router = SimpleRouter(use_regex_path=False)
router.register("organizations", places.OrganizationViewSet, basename="api-organization")
router.register("providers", places.ProviderViewSet, basename="api-provider")
router.register("stacks", places.StackViewSet, basename="api-stack")
router.register("services", places.ServiceViewSet, basename="api-service")
router.register("memberships", people.MembershipViewSet, basename="api-membership")
router.register("teams", people.TeamViewSet, basename="api-team")
router.register("grants", people.GrantViewSet, basename="api-grant")
router.register("tokens", people.ApiTokenViewSet, basename="api-token")

urlpatterns = [
    path("auth/token/", TokenView.as_view(), name="api-sign-in"),
    path("auth/token/refresh/", RefreshView.as_view(), name="api-sign-in-refresh"),
    path("auth/token/revoke/", RevokeView.as_view(), name="api-token-revoke"),
    path("auth/device/", DeviceView.as_view(), name="api-device"),
    path("auth/device/token/", DeviceTokenView.as_view(), name="api-device-token"),
    path("auth/me/", MeView.as_view(), name="api-me"),
    path("schema/", SchemaView.as_view(), name="api-schema"),
    path("docs/", DocsView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include(router.urls)),
]
