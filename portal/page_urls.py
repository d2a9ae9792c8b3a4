"""The addresses of the portal's own pages."""

from django.urls import path

from portal import views

urlpatterns = [
    path("", views.home, name="home"),
    path("live/", views.home_live, name="home_live"),
    path("stacks/", views.stack_list, name="stack_list"),
    path("stacks/<int:pk>/", views.stack_services, name="stack"),
    path("palette/", views.palette, name="palette"),
    path("settings/", views.settings, name="settings"),
    path("settings/device/", views.device, name="device"),
    path("settings/tokens/", views.create_token, name="create_token"),
    path("settings/tokens/<int:pk>/revoke/", views.revoke_token, name="revoke_token"),
]
