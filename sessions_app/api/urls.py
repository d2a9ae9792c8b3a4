"""Addresses of the sessions' API, below /api/v1/."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from sessions_app.api import views


class UidConverter(StringConverter):
    """A session's uid: nothing else reaches a view."""

    regex = "[a-z]{2}-[0-9a-z]{26}"


register_converter(UidConverter, "session_uid")

urlpatterns = [
    path("sessions/", views.SessionList.as_view(), name="sessions"),
    path("sessions/<session_uid:uid>/", views.SessionDetail.as_view(), name="session"),
    path("sessions/<session_uid:uid>/ticket/", views.Ticket.as_view(), name="session-ticket"),
    path("sessions/<session_uid:uid>/resize/", views.Resize.as_view(), name="session-resize"),
    path("sessions/<session_uid:uid>/detach/", views.Detach.as_view(), name="session-detach"),
    path("sessions/<session_uid:uid>/terminate/", views.Terminate.as_view(), name="session-terminate"),
    path("services/<int:pk>/containers/", views.Containers.as_view(), name="service-containers"),
    path("streams/", views.Streams.as_view(), name="streams"),
]
