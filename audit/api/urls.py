"""Addresses of the record's API, below /api/v1/."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from audit.api import review, search, views
from audit.decisions import DECISIONS


class RecordedSessionConverter(StringConverter):
    """A session's uid: nothing else reaches a view, let alone a file."""

    regex = "[a-z]{2}-[0-9a-z]{26}"


register_converter(RecordedSessionConverter, "recorded_session")

urlpatterns = [
    path("audit/events/", views.Events.as_view(), name="audit-events"),
    path("audit/search/", search.Search.as_view(), name="audit-search"),
    path("audit/chain/", views.Chains.as_view(), name="audit-chain"),
    path("recordings/", review.Recordings.as_view(), name="recordings"),
    *(
        path(
            f"sessions/<recorded_session:uid>/recording/{word}/",
            review.Decide.as_view(decision=decision),
            name=f"recording-{word}",
        )
        for word, decision in DECISIONS.items()
    ),
    path("sessions/<recorded_session:uid>/recording/", views.RecordingDetail.as_view(), name="recording"),
    path("sessions/<recorded_session:uid>/recording.cast", views.Cast.as_view(), name="recording-cast"),
    path("sessions/<recorded_session:uid>/transcript.txt", views.TextTranscript.as_view(), name="recording-transcript"),
    path("sessions/<recorded_session:uid>/recording.bin", views.RawOutput.as_view(), name="recording-output"),
]
